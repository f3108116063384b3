"""The one alias for compiled functions of the bench."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba


def _cache_directory() -> str:
    """A directory for this very state of the sources: Numba does not notice a change of what a kernel calls."""
    package = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256(numba.__version__.encode())
    for path in sorted(package.rglob("*.py")):
        digest.update(path.read_bytes())
    base = os.environ.get("XDG_CACHE_HOME")
    root = Path(base) if base else Path.home() / ".cache"
    return str(root / "sfu" / "bench" / digest.hexdigest()[:16])


_CACHE = _cache_directory()


def kernel(function: Callable[..., Any]) -> Any:
    """Compile `function` with the GIL released, cached; a division by zero yields a value."""
    config: Any = numba.config
    before = config.CACHE_DIR
    # Numba reads the setting when a function is decorated; other packages' kernels keep their own place.
    config.CACHE_DIR = before or _CACHE
    if not os.environ.get("NUMBA_CACHE_DIR"):
        config.CACHE_DIR = _CACHE
    try:
        return numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    finally:
        config.CACHE_DIR = before
