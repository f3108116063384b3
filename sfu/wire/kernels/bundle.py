"""Tables as one argument: kernels take a named tuple of arrays by its address.

Numba passes a tuple by its parts. For the plane's tables, 35 arrays, that were 250 arguments at each call of a stage,
and a type whose name had 20,000 letters, in the name of each function: most of what there was to compile. A `bundle` is
passed as a pointer to its parts, which never change while a kernel runs; LLVM knows that, and reads each part once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

_C = TypeVar("_C", bound=type)
_bundles: list[type] = []
_listeners: list[Callable[[type], None]] = []


def bundle(cls: _C) -> _C:
    """Let kernels take this class of named tuples by its address."""
    _bundles.append(cls)
    for tell in _listeners:
        tell(cls)
    return cls


def is_bundle(value: Any) -> bool:
    """Whether kernels take it by its address."""
    return type(value) in _bundles


def tell_of_bundles(tell: Callable[[type], None]) -> None:
    """Call `tell` with each class that is or will be a bundle: the compiler, which may be loaded later than they."""
    for cls in _bundles:
        tell(cls)
    _listeners.append(tell)
