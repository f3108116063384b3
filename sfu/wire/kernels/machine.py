"""LLVM without the compiler's front end: it makes object files, and loads them where there are no images (`image.py`).

Whoever imports this loads LLVM, 60 MB of a process.
"""

from __future__ import annotations

import functools
from typing import Any

import llvmlite.binding as llvm

from sfu.wire.kernels import image
from sfu.wire.kernels.symbols import tell_of_symbols

tell_of_symbols(llvm.add_symbol)

_ATOMICS = """
define i64 @sfu_load_acquire(i64 %address) {
  %place = inttoptr i64 %address to ptr
  %value = load atomic i64, ptr %place acquire, align 8
  ret i64 %value
}
define void @sfu_store_release(i64 %address, i64 %value) {
  %place = inttoptr i64 %address to ptr
  store atomic i64 %value, ptr %place release, align 8
  ret void
}
"""


def processor() -> str:
    """Return this machine's processor and all that it can, as LLVM reads it."""
    return f"{llvm.get_process_triple()} {llvm.get_host_cpu_name()} {llvm.get_host_cpu_features().flatten()}"


def emit_object(module: Any, entry: str, cpu: str, features: str, opt: int) -> bytes:
    """The object file of an optimised module of which `entry` is called from outside; `opt` is from 0 to 3."""
    for function in module.functions:
        if not function.is_declaration:
            function.linkage = llvm.Linkage.external if function.name == entry else llvm.Linkage.internal
        elif not function.name.startswith("llvm."):
            function.add_function_attribute("nonlazybind")  # called by its address, without a jump in between
    placed = {"reloc": "pic", "codemodel": "small"} if image.POSSIBLE else {"jit": True}
    target = llvm.Target.from_triple(llvm.get_process_triple())
    content: bytes = target.create_target_machine(cpu=cpu, features=features, opt=opt, **placed).emit_object(module)
    return content


def load_object(code: bytes) -> Any:
    """Load an object file whose bytes are known to be whole; return the engine that keeps it in memory."""
    engine = _engine("")
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return engine


def _engine(assembly: str) -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine(jit=True)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(assembly), machine)
    engine.finalize_object()
    return engine


@functools.cache
def atomics() -> Any:
    """An engine with `sfu_load_acquire` and `sfu_store_release`, for Python's end of a ring that a kernel shares."""
    return _engine(_ATOMICS)
