"""A first start compiles in another process, whatever becomes of that."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from sfu.routing import compiling, plane, warming
from sfu.wire.kernels.entrance import Entrance
from sfu.wire.kernels.modes import CHECKED, LINKED

SAYS = "print('share 0.25'); print('share'); print('share much'); print('', 'nonsense'); print('share 0.5')"
DIES = "import os, signal; print('share 0.125', flush=True); os.kill(os.getpid(), signal.SIGKILL)"
FAILS = "raise SystemExit('no')"
LISTS_MODULES = """
import sys
from sfu.routing import compiling, plane
real, looks = plane._enter_loop.load, [False]  # once as if nothing were kept
plane._enter_loop.load = lambda: looks.pop() if looks else real()
plane.compile_kernels()
print({'numba', 'llvmlite'} & sys.modules.keys(), looks)
"""


@pytest.fixture
def shares() -> list[float]:
    return []


def test_what_another_process_says_is_the_progress(monkeypatch: pytest.MonkeyPatch, shares: list[float]) -> None:
    monkeypatch.setattr(compiling, "_COMPILER", SAYS)
    compiling.compile_apart(shares.append)
    assert shares == [0.25, 0.5]
    compiling.compile_apart()


@pytest.mark.parametrize(("code", "told"), [(DIES, [0.125]), (FAILS, [])])
def test_a_compiler_that_ends_early_is_no_error(
    monkeypatch: pytest.MonkeyPatch, shares: list[float], code: str, told: list[float]
) -> None:
    monkeypatch.setattr(compiling, "_COMPILER", code)
    compiling.compile_apart(shares.append)
    assert shares == told


@pytest.mark.parametrize("executable", ["", "/nowhere/python"])
def test_without_an_interpreter_nothing_is_compiled_apart(
    monkeypatch: pytest.MonkeyPatch, shares: list[float], executable: str
) -> None:
    monkeypatch.setattr(sys, "executable", executable)
    compiling.compile_apart(shares.append)
    assert shares == []


def test_the_compiler_ends_with_who_wanted_it() -> None:
    code = "from sfu.routing.compiling import say_share\nwhile True: say_share(0.5)"
    process = compiling.start_python(code)
    assert process.stdout is not None
    assert process.stdout.readline() == "share 0.5\n"
    process.stdout.close()
    assert process.wait(60) == 1


def test_a_progress_that_cannot_be_shown_ends_the_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(share: float) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(compiling, "_COMPILER", "print('share 0.5', flush=True); import time; time.sleep(600)")
    with pytest.raises(BrokenPipeError):
        compiling.compile_apart(refuse)


class _Start:
    """A first start, without the compiler: who was asked to compile."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, writable: bool, helps: bool) -> None:
        self.asked: list[str] = []
        self.kept = False
        real = plane._enter_loop.load
        cache = plane.KernelCache(None, compiled=False, writable=writable, known_compiler=True)
        monkeypatch.setattr(plane, "_warmed", False)
        monkeypatch.setattr(plane, "find_kernel_cache", lambda: cache)
        monkeypatch.setattr(plane._enter_loop, "load", lambda: self.kept and real())
        monkeypatch.setattr(plane, "compile_apart", self._asked("apart", helps))
        monkeypatch.setattr(warming, "compile_plane", self._asked("here", True))

    def _asked(self, name: str, helps: bool) -> Callable[..., None]:
        def compile_all(*_: Any) -> None:
            self.asked.append(name)
            self.kept = helps

        return compile_all


@pytest.mark.parametrize(
    ("writable", "helps", "asked"),
    [
        pytest.param(True, True, ["apart"], id="another process does it"),
        pytest.param(True, False, ["apart", "here"], id="it could not"),
        pytest.param(False, True, ["here"], id="nothing could be kept for this one"),
    ],
)
def test_who_compiles_at_a_first_start(
    monkeypatch: pytest.MonkeyPatch, writable: bool, helps: bool, asked: list[str]
) -> None:
    plane.compile_kernels()
    start = _Start(monkeypatch, writable=writable, helps=helps)
    plane.compile_kernels()
    assert start.asked == asked


@pytest.mark.skipif(not LINKED or CHECKED or not Entrance(None).is_possible, reason="kernels are entered by Numba")
def test_who_lets_another_process_compile_loads_no_compiler() -> None:
    plane.compile_kernels()  # so that the other has nothing to do
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", LISTS_MODULES]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    assert done.stdout == "set() []\n"
