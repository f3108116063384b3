"""Machine code that lies in memory without LLVM: what it calls and refers to, and what no image is made of."""

from __future__ import annotations

import ctypes
from typing import Any

import llvmlite.binding as llvm
import pytest

from sfu.wire.kernels import image, machine
from sfu.wire.kernels.image import Image, ImageError, OpenImage, link
from sfu.wire.kernels.symbols import add_symbol

pytestmark = pytest.mark.skipif(not image.POSSIBLE, reason="there are no images for this processor")

SWITCH = """
define internal i64 @twice(i64 %x) noinline {
  %result = mul i64 %x, 2
  ret i64 %result
}
define i64 @work(i64 %x) {
  switch i64 %x, label %other [ i64 0, label %a i64 1, label %b i64 2, label %c i64 3, label %d i64 4, label %e ]
a: %ra = call i64 @twice(i64 50)
  ret i64 %ra
b: ret i64 717
c: %rc = call i64 @sfu_test_add(i64 %x, i64 40)
  ret i64 %rc
d: ret i64 -3
e: %re = call i64 @twice(i64 %x)
  ret i64 %re
other: ret i64 9
}
declare i64 @sfu_test_add(i64, i64)
"""
COPY = """
define i64 @work(i64 %size) {
  %from = alloca [64 x i8]
  %to = alloca [64 x i8]
  store i64 1234567, ptr %from
  call void @llvm.memcpy.p0.p0.i64(ptr %to, ptr %from, i64 %size, i1 false)
  %result = load i64, ptr %to
  ret i64 %result
}
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
"""
TABLE = """
@one = private constant i64 11
@two = private constant [2 x i64] [i64 0, i64 22]
@second = private constant ptr getelementptr ([2 x i64], ptr @two, i64 0, i64 1)
@table = private constant [2 x ptr] [ptr @one, ptr @second]
define i64 @work(i64 %x) {
  %place = getelementptr [2 x ptr], ptr @table, i64 0, i64 %x
  %first = load ptr, ptr %place
  %word = load i64, ptr %first
  ret i64 %word
}
"""
DOUBLE = """
define i64 @work(i64 %x) {
  %number = sitofp i64 %x to double
  %power = call double @llvm.pow.f64(double %number, double 2.5)
  %more = fadd double %power, 0x3FD5555555555555
  %result = fptosi double %more to i64
  ret i64 %result
}
declare double @llvm.pow.f64(double, double)
"""
VARIABLE = """
@count = global i64 5
define i64 @work(i64 %x) {
  store i64 %x, ptr @count
  ret i64 %x
}
"""
EMPTY_VARIABLE = VARIABLE.replace("i64 5", "i64 0")
OF_THREAD = VARIABLE.replace("@count = global", "@count = thread_local global")
FAR = """
@elsewhere = external constant ptr
@table = private constant [2 x ptr] [ptr @elsewhere, ptr @elsewhere]
define i64 @work(i64 %x) {
  %place = getelementptr [2 x ptr], ptr @table, i64 0, i64 %x
  %word = load i64, ptr %place
  ret i64 %word
}
"""


def compiled(source: str) -> bytes:
    """The object file of LLVM's intermediate code."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    module = llvm.parse_assembly(source)
    module.triple = llvm.get_process_triple()
    return machine.emit_object(module, "work", llvm.get_host_cpu_name(), "", 2)


def opened(source: str) -> tuple[Any, OpenImage]:
    """The function, and what keeps it."""
    kept = OpenImage(link(compiled(source), "work"))
    return ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(kept.entry), kept


def test_code_calls_what_is_within_and_what_is_of_ours() -> None:
    add = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)(lambda a, b: a + b)
    address = ctypes.cast(add, ctypes.c_void_p).value
    assert address is not None
    add_symbol("sfu_test_add", address)
    work, _kept = opened(SWITCH)
    assert [work(x) for x in range(6)] == [100, 717, 42, -3, 8, 9]


def test_code_calls_what_llvm_needs_of_libc() -> None:
    work, _kept = opened(COPY)
    assert work(8) == 1234567


def test_code_calls_mathematics_and_reads_constants() -> None:
    work, _kept = opened(DOUBLE)
    assert [work(x) for x in (0, 4, 9)] == [0, 32, 243]


def test_constants_hold_addresses_of_others() -> None:
    work, _kept = opened(TABLE)
    assert work(0) == 11
    assert ctypes.c_int64.from_address(work(1)).value == 22


def test_nobody_can_write_to_an_open_image() -> None:
    _, kept = opened(TABLE)
    with open("/proc/self/maps") as maps:
        lines = [line.split() for line in maps]
    (rights,) = (
        line[1] for line in lines if int(line[0].split("-")[0], 16) <= kept.entry < int(line[0].split("-")[1], 16)
    )
    assert rights == "r-xp"


@pytest.mark.parametrize("source", [VARIABLE, EMPTY_VARIABLE, OF_THREAD, FAR])
def test_what_images_do_not_have_is_refused(source: str) -> None:
    with pytest.raises(ImageError):
        link(compiled(source), "work")


def test_an_entry_that_is_not_there_is_refused() -> None:
    with pytest.raises(ImageError):
        link(compiled(COPY), "play")


def test_an_object_file_that_was_cut_off_is_refused() -> None:
    whole = compiled(TABLE)
    for size in range(len(whole)):
        with pytest.raises(ImageError):
            link(whole[:size], "work")


def test_code_that_may_not_run_is_an_error_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image._libc, "mprotect", lambda *_: -1)
    with pytest.raises(OSError, match="lets no code run"):
        OpenImage(Image(b"\xc3", 0, (), ()))
