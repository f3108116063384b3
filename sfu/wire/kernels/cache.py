"""Where compiled kernels are kept. What is wrong with that place is said once, and costs time, never a start."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import logging
import os
import platform
from pathlib import Path

from sfu.wire.kernels.modes import CHECKED, NUMBA, PLAIN

_log = logging.getLogger("sfu.kernels")
_warned: set[str] = set()
_SOURCES = ("wire", "wire/kernels", "bwe/kernels", "routing/kernels", "tcp/kernels")
"""What kernels are made of: `wire` itself has constants that they use."""
_KEPT_CACHES = 3


def sources_digest() -> str:
    """Digest of all kernel sources, and of what else decides the code made of them.

    Numba notices a change of the file a kernel stands in, not of the kernels it calls; one cache directory for each
    state of the sources makes a stale mixture impossible.
    """
    digest = hashlib.sha256(f"{NUMBA} {platform.machine()} {CHECKED}".encode())
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


@functools.cache
def cache_folder() -> Path | None:
    """Where compiled kernels are kept: in the user's cache, since an installed package may be read-only.

    None where nothing can be kept; Numba then looks for a place of its own.
    """
    if PLAIN:
        return None
    named = os.environ.get("NUMBA_CACHE_DIR")
    if named:
        return Path(named)
    try:
        root = _cache_root()
        chosen = root / sources_digest()
        chosen.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return None
    with contextlib.suppress(OSError):  # it may only be read, as in an image
        older = sorted((p for p in root.iterdir() if p != chosen), key=lambda p: p.stat().st_mtime)
        for stale in older[: max(0, len(older) - _KEPT_CACHES)]:
            _remove(stale)
    return chosen


def _remove(directory: Path) -> None:
    for path in sorted(directory.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
    directory.rmdir()


def tell_once(event: str, **facts: object) -> None:
    """Log a fault of the cache once for the process: it would be the same for each of hundreds of kernels."""
    if event not in _warned:
        _warned.add(event)
        _log.warning(event, extra=facts)


def tell_kept_nowhere(error: Exception) -> None:
    """Log that nothing can be written."""
    advice = "each start compiles for long; let SFU_KERNEL_CACHE name a directory that can be written"
    tell_once("compiled kernels cannot be kept", error=str(error), advice=advice)
