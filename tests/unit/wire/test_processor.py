"""Which processor code is made for: told without a compiler, and told apart."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Callable
from typing import Any

import pytest

from sfu.wire.kernels import machine, processor

_LIBC = ctypes.CDLL(None)
_KNOWN = processor._by_glibc() is not None


class _Told:
    """glibc, on some other processor."""

    def __init__(self, change: Callable[[int, list[int]], None]) -> None:
        self._change = change

    def __getitem__(self, name: str) -> Any:
        real = _LIBC[name]
        real.restype = ctypes.POINTER(ctypes.c_uint32 * 8)

        def read(leaf: int) -> Any:
            words = list(real(leaf).contents)
            self._change(leaf, words)
            return ctypes.pointer((ctypes.c_uint32 * 8)(*words))

        return read


def told(monkeypatch: pytest.MonkeyPatch, change: Callable[[int, list[int]], None]) -> str | None:
    glibc = _Told(change)
    with monkeypatch.context() as other:
        other.setattr(processor.ctypes, "CDLL", lambda _: glibc)
        return processor._by_glibc()


@pytest.mark.skipif(not _KNOWN, reason="this libc tells nothing of the processor")
def test_a_processor_that_can_less_is_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_avx2(leaf: int, words: list[int]) -> None:
        words[1] ^= (leaf == 1) << 5

    def forbidden_by_the_system(leaf: int, words: list[int]) -> None:
        words[5] ^= (leaf == 1) << 5

    def another_model(leaf: int, words: list[int]) -> None:
        words[0] ^= (leaf == 0) << 4

    ours = processor._by_glibc()
    others = [told(monkeypatch, each) for each in (without_avx2, forbidden_by_the_system, another_model)]
    assert len({ours, *others}) == 4


@pytest.mark.skipif(not _KNOWN, reason="this libc tells nothing of the processor")
def test_another_core_of_the_same_processor_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def another_core(leaf: int, words: list[int]) -> None:
        words[1] ^= (leaf == 0) << 24  # its number
        words[2] ^= leaf == 5  # how many there are

    assert told(monkeypatch, another_core) == processor._by_glibc()


def test_where_libc_does_not_tell_llvm_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "_by_glibc", lambda: None)
    assert processor.processor.__wrapped__() == machine.processor()
    assert platform.machine().replace("arm64", "aarch64") in machine.processor()


def test_what_numba_is_told_to_compile_for_is_another_target(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = processor.target()
    monkeypatch.setenv("NUMBA_CPU_FEATURES", "-avx2")
    assert processor.target() != ours
