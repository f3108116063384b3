"""What `kernel`, `stage` and `inlined` make of a function where stages are linked (`linking.py`)."""

from __future__ import annotations

from typing import Any

from numba import typeof
from numba.core.registry import CPUDispatcher

from sfu.wire.kernels.cache import tell_kept_nowhere
from sfu.wire.kernels.kept import KernelCache
from sfu.wire.kernels.linking import CodeCompiler, KernelCompiler, StageCache, StageCompiler

_WITHOUT_WRAPPERS = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}


class StageDispatcher(CPUDispatcher):
    """A function that only other kernels call."""

    _cache: Any

    def __init__(self, function: Any, options: dict[str, Any]) -> None:
        super().__init__(function, targetoptions=options | _WITHOUT_WRAPPERS, pipeline_class=StageCompiler)


class _CodeDispatcher(CPUDispatcher):
    """A function that is entered by its address (`entrance.py`)."""

    def __init__(self, function: Any, options: dict[str, Any]) -> None:
        super().__init__(function, targetoptions=options | _WITHOUT_WRAPPERS, pipeline_class=CodeCompiler)


class KernelDispatcher(CPUDispatcher):
    """A function that Python enters; from other kernels its stage is called."""

    _cache: Any
    targetctx: Any

    def __init__(self, function: Any, options: dict[str, Any], *, forceinline: bool = False) -> None:
        super().__init__(function, targetoptions=options, pipeline_class=KernelCompiler)
        self.stage = StageDispatcher(function, options | {"forceinline": forceinline})
        try:
            self._cache, self.stage._cache = KernelCache(function), StageCache(function)
        except RuntimeError as error:  # there is no place that could be written
            tell_kept_nowhere(error)

    def get_call_template(self, args: Any, kws: Any) -> Any:
        """How another kernel's call of it is typed."""
        return self.stage.get_call_template(args, kws)

    def get_overload(self, sig: Any) -> Any:
        """What another kernel calls."""
        return self.stage.get_overload(sig)

    def keeps(self) -> bool:
        """Whether what is compiled can be kept."""
        return isinstance(self._cache, KernelCache) and self._cache.can_write()

    def is_kept(self, signature: tuple[Any, ...]) -> bool:
        """Whether it is compiled for these types already, here or in an earlier run."""
        if signature in self.overloads:
            return True
        return isinstance(self._cache, KernelCache) and self._cache.holds(signature, self.targetctx.codegen())

    def machine_code(self, arguments: tuple[Any, ...]) -> tuple[str, bytes]:
        """The name of its function for such arguments, and the object file with it and all that it calls."""
        signature = tuple(map(typeof, arguments))
        compiled = _CodeDispatcher(self.py_func, self.targetoptions)
        compiled.compile(signature)
        made: Any = compiled.overloads[signature]
        symbol = made.fndesc.llvm_func_name
        return symbol, made.library.machine_code(symbol)
