"""What kernels call and Python never does: made for the compiler when that is loaded (`kernel.py`)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from sfu.wire.kernels.symbols import add_symbol


class Deferred:
    """A callee of kernels. In plain Python it does nothing: tests put something in its place."""

    def __init__(self, make: Callable[[], Any]) -> None:
        """`make` returns an external function's type, or an intrinsic."""
        self._make = make

    @functools.cached_property
    def _numba_type_(self) -> Any:
        """Its type, as Numba asks for it."""
        from sfu.wire.kernels.compiler import type_of_callee

        return type_of_callee(self._make())

    def __call__(self, *arguments: Any) -> int:
        """In plain Python there is nothing to call."""
        return 0


def intrinsic(name: str) -> Any:
    """What stands in `intrinsics.py` under this name."""

    def make() -> Any:
        from sfu.wire.kernels import intrinsics

        return getattr(intrinsics, name)

    return Deferred(make)


def external(symbol: str, address: int, result: str, *parameters: str) -> Any:
    """A C function at `address`, under a name for the linker; types are Numba's, as `int32`, pointers `int64`."""
    add_symbol(symbol, address)

    def make() -> Any:
        from numba import types

        signature = getattr(types, result)(*(getattr(types, each) for each in parameters))
        return types.ExternalFunction(symbol, signature)

    return Deferred(make)
