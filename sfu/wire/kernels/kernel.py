"""The one alias for compiled functions.

Every kernel of the project is decorated with `kernel`, so the options are decided here: the GIL is released, the
result is cached, and a division by zero yields a value instead of raising. Kernels allocate nothing, so arrays are not
counted: that alone took a quarter off the time to compile them. `stage` is the same for those that only other kernels
call: they have no entrance from Python, and called from there they crash. `inlined` is for the few that run for each
packet and subscriber, since LLVM makes a call of what is long.

Numba takes a second and 60 MB to load, so it is loaded when something has to be compiled, and not before: a node whose
kernels are in the cache runs without (`entrance.py`).
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from sfu.wire.kernels.modes import PLAIN

_F = TypeVar("_F")
_declared = 0


def declared() -> int:
    """How many kernels and stages there are; more than are compiled for any one kernel."""
    return _declared


class Kernel:
    """A function that is compiled when it is first called, by a compiler that is loaded then."""

    def __init__(self, function: Any, kind: str) -> None:
        """`kind` is the decorator's name."""
        functools.update_wrapper(self, function)
        self.py_func = function
        self.kind = kind

    @functools.cached_property
    def dispatcher(self) -> Any:
        """Numba's side of it."""
        from sfu.wire.kernels.compiler import make_dispatcher

        return make_dispatcher(self.py_func, self.kind)

    def __call__(self, *arguments: Any) -> Any:
        """Enter it through the compiler."""
        return self.dispatcher(*arguments)

    def __getattr__(self, name: str) -> Any:
        """What Numba asks of it, such as `_numba_type_`, and what tests do."""
        if name.startswith("__") or "py_func" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self.dispatcher, name)


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

    def _declare(kind):
        def declare(function):
            global _declared
            _declared += 1
            return function if PLAIN else Kernel(function, kind)

        return declare

    kernel, stage, inlined = map(_declare, ("kernel", "stage", "inlined"))
