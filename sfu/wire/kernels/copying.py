"""Copying octets inside kernels.

LLVM does not prove that two arrays are apart, so a loop over bytes stays a loop; this emits the copy itself. In plain
Python and under bounds checks it is a slice assignment, which fails when a range does not fit.
"""

from __future__ import annotations

from typing import Any

import numba
from llvmlite import ir
from numba import extending, types
from numba.core import cgutils

from sfu.wire.kernels.kernel import kernel
from sfu.wire.kernels.octets import Octets

_CHECKED = numba.config.DISABLE_JIT or numba.config.BOUNDSCHECK  # type: ignore[attr-defined]
_intrinsic: Any = extending.intrinsic


@_intrinsic
def _copy(typing_context: Any, target: Any, source: Any, count: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        octet = ir.IntType(8).as_pointer()
        to, of = (builder.inttoptr(address, octet) for address in arguments[:2])
        cgutils.raw_memcpy(builder, to, of, arguments[2], 1)  # type: ignore[no-untyped-call]
        return context.get_dummy_value()

    return types.none(types.int64, types.int64, types.int64), generate


if _CHECKED:

    @kernel
    def copy_octets(target: Octets, at: int, source: Octets, start: int, count: int) -> None:
        """Copy `source[start:start + count]` to `target[at:]`; the ranges fit and do not overlap."""
        target[at : at + count] = source[start : start + count]

else:

    @kernel
    def copy_octets(target: Octets, at: int, source: Octets, start: int, count: int) -> None:
        """Copy `source[start:start + count]` to `target[at:]`; the ranges fit and do not overlap."""
        _copy(target.ctypes.data + at, source.ctypes.data + start, count)
