"""The aliases for compiled functions of the bench, which allocate nothing."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

_CHECKED = bool(numba.config.BOUNDSCHECK)  # type: ignore[attr-defined]
#: Folders with kernels, and with the constants that are compiled into them.
_SOURCES = ("generator", "servers")


def _cache_directory() -> str:
    """A directory for this very state of the sources: Numba does not notice a change of what a kernel calls."""
    package = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256(f"{numba.__version__} {_CHECKED}".encode())
    for folder in _SOURCES:
        for path in sorted((package / folder).glob("*.py")):
            digest.update(path.read_bytes())
    base = os.environ.get("XDG_CACHE_HOME")
    root = Path(base) if base else Path.home() / ".cache"
    return str(root / "sfu" / "bench" / digest.hexdigest()[:16])


_CACHE = _cache_directory()


def kernel(function: Callable[..., Any]) -> Any:
    """Compile `function` with the GIL released, cached; a division by zero yields a value."""
    return _compile(function)


def stage(function: Callable[..., Any]) -> Any:
    """As `kernel` for what only other kernels call: without an entrance from Python, which takes time to compile."""
    return _compile(function, no_cpython_wrapper=True)


def inlined(function: Callable[..., Any]) -> Any:
    """As `stage`, compiled into its caller: a call that hands on all tables costs more than most of what is called."""
    return _compile(function, no_cpython_wrapper=True, forceinline=True)


def _compile(function: Callable[..., Any], **options: bool) -> Any:
    config: Any = numba.config
    before = config.CACHE_DIR
    # Numba reads the setting when a function is decorated; other packages' kernels keep their own place.
    config.CACHE_DIR = before or _CACHE
    if not os.environ.get("NUMBA_CACHE_DIR"):
        config.CACHE_DIR = _CACHE
    try:
        # Without allocation no references are counted, which is most of what there is to compile; only the
        # IndexError of a bounds check has to be allocated.
        return numba.njit(cache=True, nogil=True, error_model="numpy", no_cfunc_wrapper=True, _nrt=_CHECKED, **options)(
            function
        )
    finally:
        config.CACHE_DIR = before
