"""A system that runs out of something, for this process and for a while."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def _limited(kind: int, most: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(kind, (soft, hard))


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file can be written beyond `size` bytes."""
    with _limited(resource.RLIMIT_FSIZE, size):
        yield


@contextmanager
def no_more_descriptors() -> Iterator[None]:
    """Nothing can be opened; what is open stays so."""
    spare = os.open("/dev/null", os.O_RDONLY)
    os.close(spare)  # it had the lowest number that is free
    with _limited(resource.RLIMIT_NOFILE, spare):
        yield


def list_descriptors() -> list[int]:
    """All that are open in this process."""
    return [each for each in map(int, os.listdir("/proc/self/fd")) if os.path.lexists(f"/proc/self/fd/{each}")]
