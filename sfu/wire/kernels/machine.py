"""Machine code without a compiler's front end: what LLVM needs to run it in this process."""

from __future__ import annotations

import functools
import os
from typing import Any

import llvmlite.binding as llvm

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
    """What code is made for: this machine's processor, unless Numba's variables name another."""
    features = os.environ.get("NUMBA_CPU_FEATURES", llvm.get_host_cpu_features().flatten())
    return f"{llvm.get_process_triple()} {os.environ.get('NUMBA_CPU_NAME', llvm.get_host_cpu_name())} {features}"


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
