"""Large arrays that cost memory only where they are used, and give it all back."""

from __future__ import annotations

import math
import mmap
from typing import Any

import numpy as np
import numpy.typing as npt

_LARGE_BYTES = 1 << 16


def late_zeros(shape: int | tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return zeros as `np.zeros` does, in memory from the system itself.

    The allocator learns from large blocks that are freed to keep the next ones, up to 32 MB each: it would fill them
    with zeros, so all of it is committed, and it seldom gives it back. A process that starts many planes grew by 40 MB
    with each.
    """
    kind = np.dtype(dtype)
    count = math.prod(shape) if isinstance(shape, tuple) else shape
    if count * kind.itemsize < _LARGE_BYTES:
        return np.zeros(shape, kind)
    memory = mmap.mmap(-1, count * kind.itemsize, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return np.frombuffer(memory, kind, count).reshape(shape)
