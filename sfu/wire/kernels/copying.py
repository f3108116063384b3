"""Copying octets inside kernels.

LLVM does not prove that two arrays are apart, so a loop over bytes stays a loop; this emits the copy itself. In plain
Python and under bounds checks it is a slice assignment, which fails when a range does not fit.
"""

from __future__ import annotations

from sfu.wire.kernels.deferred import intrinsic
from sfu.wire.kernels.kernel import kernel
from sfu.wire.kernels.modes import CHECKED, PLAIN
from sfu.wire.kernels.octets import Octets

_copy = intrinsic("copy")

if CHECKED or PLAIN:

    @kernel
    def copy_octets(target: Octets, at: int, source: Octets, start: int, count: int) -> None:
        """Copy `source[start:start + count]` to `target[at:]`; the ranges fit and do not overlap."""
        target[at : at + count] = source[start : start + count]

else:

    @kernel
    def copy_octets(target: Octets, at: int, source: Octets, start: int, count: int) -> None:
        """Copy `source[start:start + count]` to `target[at:]`; the ranges fit and do not overlap."""
        _copy(target.ctypes.data + at, source.ctypes.data + start, count)
