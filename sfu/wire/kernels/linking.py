"""How kernels are compiled: each stage is typed by itself, and LLVM works on all that a kernel calls together, once.

Numba by itself optimises each function with all that it calls, makes machine code of it, and does so again in whatever
calls it: of 150 s for the plane that was more than half. Here a stage ends as LLVM's intermediate code, and the kernel
that Python enters links all its stages, optimises them and makes machine code. The results agree, since the stages are
the same; `kernel.py` uses this with the versions of Numba that it was tried with, and else compiles as Numba does.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Any

from llvmlite import binding
from numba.core import config, typed_passes, untyped_passes
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler, CompileResult

from sfu.wire.kernels.kept import KernelCache, KernelCacheImpl
from sfu.wire.kernels.machine import emit_object

_UNUSED_PASSES = frozenset(
    {
        typed_passes.DumpParforDiagnostics,
        typed_passes.InlineOverloads,
        typed_passes.NopythonRewrites,
        untyped_passes.FindLiterallyCalls,
        untyped_passes.InlineClosureLikes,
        untyped_passes.InlineInlinables,
        untyped_passes.LiteralPropagationSubPipelinePass,
        untyped_passes.LiteralUnroll,
        untyped_passes.MakeFunctionToJitFunction,
        untyped_passes.WithLifting,
    }
)
"""For closures, `with`, whole-array arithmetic and the like, which no kernel has: a fourth of the time to type."""

_FIRST_ID = secrets.randbits(40) << 24
"""Numba tells versions of a function apart by a number; two processes whose work is linked must not give the same."""


class _WithoutCode:
    """A code generator, or what leads to one, for a stage: without machine code no environment can be set."""

    def __init__(self, wrapped: Any) -> None:
        self._wrapped = wrapped

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wrapped, name)

    def codegen(self) -> _WithoutCode:
        return _WithoutCode(self._wrapped.codegen())

    def set_env(self, name: str, environment: Any) -> None:
        """Nothing to set."""

    def unserialize_library(self, parts: Any) -> StageLibrary:
        name, bitcode = parts
        library = StageLibrary(self._wrapped, name)
        library.take(binding.parse_bitcode(bitcode))
        return library


class StageLibrary(JITCodeLibrary):
    """A stage's intermediate code, as it was lowered; whoever calls it links it in."""

    @property
    def codegen(self) -> Any:
        """That of all, but for environments."""
        return _WithoutCode(self._codegen)

    @property
    def part(self) -> Any:
        """The stage's own module."""
        return self._final_module

    def take(self, module: Any) -> None:
        """Be what was kept as `module`, which has all that the stage calls."""
        self._final_module = module
        self._finalized = True

    def add_llvm_module(self, ll_module: Any) -> None:
        """Take what was lowered, without a look at it."""
        ll_module.data_layout = self._codegen._data_layout
        self._final_module.link_in(ll_module)

    def finalize(self) -> None:
        """Nothing is left to do: neither optimised nor made machine code of."""
        self._raise_if_finalized()
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        """No address: a stage has no entrance."""
        return 0

    def walk(self) -> Iterator[Any]:
        """The library and all that it needs, each once."""
        seen = {self: None}
        waiting: list[Any] = [self]
        while waiting:
            library = waiting.pop()
            yield library
            for needed in library._linking_libraries if isinstance(library, StageLibrary) else ():
                if needed not in seen:
                    seen[needed] = None
                    waiting.append(needed)

    def _get_module_for_linking(self) -> Any:
        """All of it in one module, for whoever links as Numba does."""
        self._ensure_finalized()
        if self._shared_module is None:
            module = self._final_module.clone()
            needed = list(self.walk())[1:]
            # what Numba has shared is linked where it is called already, else it is left out: stages come first
            for library in needed:
                if isinstance(library, StageLibrary):
                    module.link_in(library.part, preserve=True)
            for library in needed:
                if not isinstance(library, StageLibrary):
                    module.link_in(library._get_module_for_linking(), preserve=True)
            _share(module, frozenset())
            self._shared_module = module
        return self._shared_module

    def serialize_using_object_code(self) -> tuple[str, bytes]:
        """What is kept of it: there is no object code."""
        return self.name, self._get_module_for_linking().as_bitcode()


def _share(module: Any, own: frozenset[str]) -> None:
    """Let LLVM drop what nobody calls any more, and merge what comes twice; `own` functions are entrances."""
    for function in module.functions:
        if not function.is_declaration and function.linkage == binding.Linkage.external and function.name not in own:
            function.linkage = binding.Linkage.linkonce_odr


class KernelLibrary(JITCodeLibrary):
    """A kernel with all its stages: optimised together, and made machine code of."""

    def __init__(self, codegen: Any, name: str) -> None:
        super().__init__(codegen, name)
        self._stages: dict[StageLibrary, None] = {}
        self._entrances: frozenset[str] = frozenset()

    def add_linking_library(self, library: Any) -> None:
        """Note what is needed, and of a stage what that needs."""
        if not isinstance(library, StageLibrary):
            super().add_linking_library(library)
            return
        for needed in library.walk():
            if isinstance(needed, StageLibrary):
                self._stages[needed] = None
                self._reload_init.update(needed._reload_init)
            else:
                super().add_linking_library(needed)

    def _optimize_functions(self, ll_module: Any) -> None:
        """Only together with all stages."""
        ll_module.data_layout = self._codegen._data_layout

    def finalize(self) -> None:
        """Link the stages, then as Numba does: what they have of it must be called already, or it is left out."""
        self._entrances = frozenset(f.name for f in self._final_module.functions if not f.is_declaration)
        for stage in self._stages:
            self._final_module.link_in(stage.part, preserve=True)
        super().finalize()

    def _optimize_final_module(self) -> None:
        _share(self._final_module, self._entrances)
        passes, builder = self._codegen._module_pass_manager()
        with self._recorded_timings.record("Module passes", builder):
            passes.run(self._final_module, builder)


class CodeLibrary(KernelLibrary):
    """A kernel whose machine code is for a file, and not to be run by this compiler."""

    @property
    def codegen(self) -> Any:
        """That of all, but for environments."""
        return _WithoutCode(self._codegen)

    def _finalize_final_module(self) -> None:
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        """No address, since it is not here; but all that it calls is known by now, and is linked."""
        self._ensure_finalized()
        return 0

    def machine_code(self, entry: str) -> bytes:
        """The object file, for whoever enters the function `entry`."""
        how = self._codegen._get_host_cpu_name(), self._codegen._tm_features, int(config.OPT)  # type: ignore[attr-defined]
        return emit_object(self._final_module, entry, *how)


class _LinkedCompiler(Compiler):
    library_class: Any

    def define_pipelines(self) -> list[Any]:
        """Numba's passes but for the unused ones, into a library of ours."""
        self.state.func_id.unique_id += _FIRST_ID
        if self.state.library is None:
            self.state.library = self.library_class(self.state.targetctx.codegen(), self.state.func_id.func_qualname)
            self.state.library.enable_object_caching()
        pipelines = super().define_pipelines()
        for pipeline in pipelines:
            pipeline.passes = [each for each in pipeline.passes if each[0] not in _UNUSED_PASSES]
        return pipelines


class StageCompiler(_LinkedCompiler):
    """Compiles a function as a stage."""

    library_class = StageLibrary


class KernelCompiler(_LinkedCompiler):
    """Compiles a function that Python enters."""

    library_class = KernelLibrary


class CodeCompiler(_LinkedCompiler):
    """Compiles a function that is entered by its address."""

    library_class = CodeLibrary


class _StageCacheImpl(KernelCacheImpl):
    def get_filename_base(self, fullname: str, abiflags: str) -> str:
        return f"stage-{super().get_filename_base(fullname, abiflags)}"

    def rebuild(self, target_context: Any, payload: Any) -> Any:
        return CompileResult._rebuild(_WithoutCode(target_context), *payload)


class StageCache(KernelCache):
    """Keeps a kernel's stage, for other kernels that call it, and for who compiles beside this process."""

    _impl_class = _StageCacheImpl
    wait: Callable[[Any], None] | None = None
    """Returns when the given function is not being compiled elsewhere."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The stage, or None if it is to be compiled here."""
        if StageCache.wait is not None:
            StageCache.wait(self._py_func)
        return super().load_overload(sig, target_context)
