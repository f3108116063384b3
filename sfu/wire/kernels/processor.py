"""Which processor machine code is made for, so that what was kept on another one is left alone. Loads no compiler."""

from __future__ import annotations

import ctypes
import functools
import os

_EAX, _EBX, _ECX, _EDX = range(4)
_LEAVES = {
    0: (_EAX, _ECX, _EDX),  # 1: family, model, stepping, and what it can; EBX differs from core to core
    1: (_EBX, _ECX, _EDX),  # 7, 0
    2: (_ECX, _EDX),  # 0x80000001
    3: (_EAX,),  # 0xD, 1
    5: (_EBX,),  # 0x80000008; ECX counts cores
    6: (_EAX, _EBX, _ECX, _EDX),  # 7, 1
    7: (_EBX,),  # 0x19
    8: (_EBX,),  # 0x14, 0
    9: (_EBX,),  # 0x24, 0
}
"""Of glibc's leaves (`sys/platform/x86.h`, `CPUID_INDEX_1` and on) those registers of CPUID that LLVM reads."""


@functools.cache
def processor() -> str:
    """Return this machine's processor and all that it can, as it says itself, or as LLVM reads it."""
    return _by_glibc() or _by_llvm()


def _by_glibc() -> str | None:
    """The words of CPUID, and of each leaf what the system allows to use; None where glibc does not tell them."""
    try:
        read_leaf = ctypes.CDLL(None)["__x86_get_cpuid_feature_leaf"]
    except AttributeError:  # another processor or libc, or glibc before 2.33
        return None
    read_leaf.restype = ctypes.POINTER(ctypes.c_uint32 * 8)
    words = []
    for leaf, registers in _LEAVES.items():
        told = list(read_leaf(leaf).contents)
        words += [told[register] for register in registers] + told[4:]
    return " ".join(f"{word:x}" for word in words)


def _by_llvm() -> str:
    from sfu.wire.kernels import machine

    return machine.processor()


def target() -> str:
    """What code is made for: this processor, unless Numba's variables name another."""
    named = (os.environ.get(name, "") for name in ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES"))
    return " ".join((processor(), *named))
