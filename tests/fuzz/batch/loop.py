"""The decorator of the compiled loops over inputs, and where their machine code is kept."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numba

import sfu.wire.kernels.compiler  # noqa: F401 - names the cache of the kernels, which depends on their sources

CHECKED = bool(numba.config.BOUNDSCHECK)
"""The kernels that the loops call look at every index: NUMBA_BOUNDSCHECK=1."""


def _own_cache() -> str:
    """Numba notices no change in a helper that stands in another file; so the folder is named by all of them."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        source = path.read_bytes()
        if b"\n@loop\n" in source:
            digest.update(source)
    return str(Path(numba.config.CACHE_DIR) / f"fuzz_{digest.hexdigest()[:16]}") if numba.config.CACHE_DIR else ""


def loop(function: Any) -> Any:
    """Compile `function` with bounds checks of its own, whatever those of the kernels."""
    return _compile(function, checked=True)


def unchecked(function: Any) -> Any:
    """The same for what goes through whole arrays of one length."""
    return _compile(function, checked=False)


def _compile(function: Any, checked: bool) -> Any:
    kernels, numba.config.CACHE_DIR = numba.config.CACHE_DIR, _own_cache()
    try:
        return numba.njit(nogil=True, cache=True, error_model="numpy", boundscheck=checked)(function)
    finally:
        numba.config.CACHE_DIR = kernels
