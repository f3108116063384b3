"""Big-endian integers in byte arrays, and whether two of these hold the same.

The functions do not check bounds: their callers have compared with the buffer's end before. `i64` keeps the
arithmetic equal in compiled and in plain Python, where a NumPy byte shifted left would wrap.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sfu.wire.kernels.kernel import i64, kernel, stage

Octets = NDArray[np.uint8]


@kernel
def load16(buffer: Octets, at: int) -> int:
    """Return the two bytes at `at` as an integer."""
    return (i64(buffer[at]) << 8) | i64(buffer[at + 1])


@kernel
def load24(buffer: Octets, at: int) -> int:
    """Return the three bytes at `at` as an integer."""
    return (i64(buffer[at]) << 16) | (i64(buffer[at + 1]) << 8) | i64(buffer[at + 2])


@kernel
def load32(buffer: Octets, at: int) -> int:
    """Return the four bytes at `at` as an integer."""
    return (i64(buffer[at]) << 24) | (i64(buffer[at + 1]) << 16) | (i64(buffer[at + 2]) << 8) | i64(buffer[at + 3])


@kernel
def store16(buffer: Octets, at: int, value: int) -> None:
    """Write the low 16 bits of `value`."""
    buffer[at] = (value >> 8) & 0xFF
    buffer[at + 1] = value & 0xFF


@kernel
def store24(buffer: Octets, at: int, value: int) -> None:
    """Write the low 24 bits of `value`."""
    buffer[at] = (value >> 16) & 0xFF
    buffer[at + 1] = (value >> 8) & 0xFF
    buffer[at + 2] = value & 0xFF


@kernel
def store32(buffer: Octets, at: int, value: int) -> None:
    """Write the low 32 bits of `value`."""
    buffer[at] = (value >> 24) & 0xFF
    buffer[at + 1] = (value >> 16) & 0xFF
    buffer[at + 2] = (value >> 8) & 0xFF
    buffer[at + 3] = value & 0xFF


@stage
def same_octets(left: Octets, left_at: int, right: Octets, right_at: int, count: int) -> bool:
    """Whether `left[left_at:left_at + count]` and `right[right_at:right_at + count]` are the same."""
    for k in range(count):
        if left[left_at + k] != right[right_at + k]:
            return False
    return True
