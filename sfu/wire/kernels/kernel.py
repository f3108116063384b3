"""The one alias for compiled functions, and where their machine code is kept.

Every kernel of the project is decorated with `kernel`, so the options are decided here: the GIL is released, the
result is cached, and a division by zero yields a value instead of raising. Kernels allocate nothing, so arrays are not
counted: that alone took a quarter off the time to compile them. `stage` is the same for those that only other kernels
call: they have no entrance from Python, and called from there they crash. `inlined` is for the few that run for each
packet and subscriber, since LLVM makes a call of what is long.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numba
import numpy as np

_F = TypeVar("_F")

KNOWN_NUMBA = ((0, 68),)
"""The versions of Numba that `linking.py` was tried with."""
LINKED = numba.version_info[:2] in KNOWN_NUMBA and not numba.config.DISABLE_JIT  # type: ignore[attr-defined]
"""Whether we link stages; with another Numba, each function is compiled in Numba's own way, which takes far longer."""

_SOURCES = ("wire", "wire/kernels", "bwe/kernels", "routing/kernels")
"""What kernels are made of: `wire` itself has constants that they use."""
_KEPT_CACHES = 3


def sources_digest() -> str:
    """Digest of all kernel sources, and of what else decides the code made of them.

    Numba notices a change of the file a kernel stands in, not of the kernels it calls; one cache directory for each
    state of the sources makes a stale mixture impossible.
    """
    checks = numba.config.BOUNDSCHECK  # type: ignore[attr-defined]
    digest = hashlib.sha256(f"{numba.__version__} {platform.machine()} {checks}".encode())
    package = Path(__file__).resolve().parents[2]
    for folder in _SOURCES:
        for path in sorted((package / folder).glob("*.py")):
            digest.update(f"{folder}/{path.name}".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _cache_root() -> Path:
    named = os.environ.get("SFU_KERNEL_CACHE")
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "sfu" / "kernels"


def _choose_cache() -> None:
    """Keep compiled kernels in the user's cache directory: an installed package may be read-only."""
    if os.environ.get("NUMBA_CACHE_DIR") or numba.config.DISABLE_JIT:  # type: ignore[attr-defined]
        return
    try:
        root = _cache_root()
        chosen = root / sources_digest()
        chosen.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return  # numba then looks for a place of its own, and compiles at each start where it finds none
    numba.config.CACHE_DIR = str(chosen)  # type: ignore[attr-defined]
    with contextlib.suppress(OSError):  # it may only be read, as in an image
        older = sorted((p for p in root.iterdir() if p != chosen), key=lambda p: p.stat().st_mtime)
        for stale in older[: max(0, len(older) - _KEPT_CACHES)]:
            _remove(stale)


def _remove(directory: Path) -> None:
    for path in sorted(directory.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
    directory.rmdir()


_choose_cache()
_declared = 0


def declared() -> int:
    """How many kernels and stages there are; more than are compiled for any one kernel."""
    return _declared


if TYPE_CHECKING:

    def kernel(function: _F) -> _F:
        """Compile `function`; see the module's text."""
        return function

    def stage(function: _F) -> _F:
        """Compile `function`, which only other kernels call; see the module's text."""
        return function

    def inlined(function: _F) -> _F:
        """Compile `function` into whatever calls it; see the module's text."""
        return function

    def i64(value: Any) -> int:
        """A table's or buffer's value as a signed 64-bit integer, so that arithmetic does not wrap early."""
        return int(value)

else:
    i64 = np.int64
    _CHECKED = bool(numba.config.BOUNDSCHECK)  # an IndexError has to be allocated
    _OPTIONS: Any = {"nogil": True, "error_model": "numpy", "_nrt": _CHECKED}

    def _counted(decorate):
        def declare(function):
            global _declared
            _declared += 1
            return decorate(function)

        return declare

    if LINKED:
        from sfu.wire.kernels.dispatching import KernelDispatcher, StageDispatcher

        _TYPED = {"nopython": True, "boundscheck": None, **_OPTIONS}
        kernel = _counted(lambda function: KernelDispatcher(function, _TYPED))
        stage = _counted(lambda function: StageDispatcher(function, _TYPED))
        inlined = _counted(lambda function: KernelDispatcher(function, _TYPED, forceinline=True))
    else:
        kernel = _counted(numba.njit(cache=True, **_OPTIONS))
        stage = _counted(numba.njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, cache=True, **_OPTIONS))
        inlined = _counted(numba.njit(forceinline=True, cache=True, **_OPTIONS))
