"""What `kernel`, `stage` and `inlined` make of a function where stages are linked (`linking.py`)."""

from __future__ import annotations

from typing import Any

from numba.core.registry import CPUDispatcher

from sfu.wire.kernels.kept import KernelCache, tell_kept_nowhere
from sfu.wire.kernels.linking import KernelCompiler, StageCache, StageCompiler


class StageDispatcher(CPUDispatcher):
    """A function that only other kernels call."""

    _cache: Any

    def __init__(self, function: Any, options: dict[str, Any]) -> None:
        without = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
        super().__init__(function, targetoptions=options | without, pipeline_class=StageCompiler)


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
