"""What kernels do that Python has no word for, as LLVM's instructions; imported by the compiler alone."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import extending, types
from numba.core import cgutils

_intrinsic: Any = extending.intrinsic


def _pointer(builder: Any, address: Any, bits: int) -> Any:
    return builder.inttoptr(address, ir.IntType(bits).as_pointer())


@_intrinsic
def copy(typing_context: Any, target: Any, source: Any, count: Any) -> Any:
    """Copy `count` octets from one address to another."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        to, of = (_pointer(builder, address, 8) for address in arguments[:2])
        cgutils.raw_memcpy(builder, to, of, arguments[2], 1)
        return context.get_dummy_value()

    return types.none(types.int64, types.int64, types.int64), generate


@_intrinsic
def load_acquire(typing_context: Any, address: Any) -> Any:
    """Read 64 bits; later reads do not move before it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load_atomic(_pointer(builder, arguments[0], 64), "acquire", 8, typ=ir.IntType(64))

    return types.int64(types.int64), generate


@_intrinsic
def store_release(typing_context: Any, address: Any, value: Any) -> Any:
    """Write 64 bits; earlier writes do not move after it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store_atomic(arguments[1], _pointer(builder, arguments[0], 64), "release", 8)
        return context.get_dummy_value()

    return types.none(types.int64, types.int64), generate


@_intrinsic
def load_i32(typing_context: Any, address: Any) -> Any:
    """Read 32 bits."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_pointer(builder, arguments[0], 32), typ=ir.IntType(32))

    return types.int32(types.int64), generate
