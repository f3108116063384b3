"""The first start: two processes, one cache, and whatever may happen to either."""

from __future__ import annotations

import fcntl
import importlib
import io
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest

from sfu.routing import warming
from sfu.wire.kernels.cache import cache_folder
from sfu.wire.kernels.entrance import Entrance
from sfu.wire.kernels.modes import CHECKED

pytestmark = pytest.mark.skipif(not warming.LINKED or CHECKED, reason="runs without an entrance of its own")

MODULE = '''
"""A small plane."""

import numba

from sfu.wire.kernels.kernel import kernel, stage


@stage
def _low(value):
    return value & 0xFF


@kernel
def receive(value):
    return _low(value) + 1


@kernel
def send(value):
    return _low(value) * 2


@kernel
def loop(results, value):
    results[0] = receive(value) + send(value)


def compile_send():
    send.stage.compile((numba.int64,))
    print("kept", "{name}.send", flush=True)
'''
COMPILES = "import {name}; print('begun', '{name}.send', flush=True); {name}.compile_send()"
DIES = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
FAILS = "raise SystemExit('no')"
SAYS_NONSENSE = "import os; os.write(1, b'\\n \\nkept\\nkept nothing\\nbegun\\n\\n')"


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A module with a small plane, instead of the real one.

    Its name is new at each run and what is kept of it goes: no earlier run has compiled it.
    """
    name = f"plane_{secrets.token_hex(8)}"
    (tmp_path / f"{name}.py").write_text(MODULE.format(name=name))
    monkeypatch.syspath_prepend(str(tmp_path))
    module = importlib.import_module(name)
    types = (numba.int64,)
    monkeypatch.setattr(warming, "run_plane", module.loop)
    monkeypatch.setattr(warming, "_first", lambda _: [(module.receive, types)])
    monkeypatch.setattr(warming, "_second", lambda _: [(module.send, types)])
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    yield module
    kept = Entrance(module.loop).path
    assert kept is not None
    kept.unlink(missing_ok=True)
    shutil.rmtree(module.send.stage.stats.cache_path, ignore_errors=True)  # where it was compiled


def compile_small(small: Any, shares: list[float]) -> None:
    """A start, and what the loop says then."""
    entrance, results = Entrance(small.loop), np.zeros(1, np.int64)
    if not entrance.load():
        warming.compile_plane(entrance, (results, 5), shares.append)  # type: ignore[arg-type]
    entrance(results, 5)
    assert results[0] == 16


def test_what_another_process_has_compiled_is_not_compiled_again(small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warming, "_HELPER", COMPILES.format(name=small.__name__))
    shares: list[float] = []
    compile_small(small, shares)
    assert sum(small.send.stage.stats.cache_hits.values()) == 1
    assert sum(small.send.stage.stats.cache_misses.values()) == 0
    assert shares == sorted(shares)
    assert 0.0 < shares[0] < shares[-1] <= 1.0


@pytest.mark.parametrize("helper", [DIES, FAILS, SAYS_NONSENSE])
def test_a_helper_that_does_not_help_is_done_without(small: Any, monkeypatch: pytest.MonkeyPatch, helper: str) -> None:
    monkeypatch.setattr(warming, "_HELPER", helper)
    compile_small(small, [])
    assert sum(small.send.stage.stats.cache_misses.values()) == 1


def test_without_an_interpreter_to_start_one_process_compiles(small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    compile_small(small, [])


def test_on_one_core_no_other_process_is_started(small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    monkeypatch.setattr(subprocess, "Popen", None)
    compile_small(small, [])


def test_a_later_start_has_nothing_to_tell(small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warming, "_HELPER", FAILS)
    compile_small(small, [])
    shares: list[float] = []
    compile_small(small, shares)
    assert shares == []


def test_two_first_starts_at_once_compile_once(small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second waits for the first, whatever becomes of that, and looks again."""
    monkeypatch.setattr(warming, "_HELPER", FAILS)
    folder = cache_folder()
    assert folder is not None
    done = threading.Event()

    def start() -> None:
        compile_small(small, [])
        done.set()

    with (folder / "lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        second = threading.Thread(target=start, daemon=True)
        second.start()
        assert not done.wait(0.1)
        assert not Entrance(small.loop).load()
    second.join(60)
    assert done.is_set()


def test_a_first_start_that_is_killed_holds_up_no_other(small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warming, "_HELPER", FAILS)
    folder = cache_folder()
    assert folder is not None
    lock = folder / "lock"
    code = f"import fcntl, sys; f = open({str(lock)!r}, 'w'); fcntl.flock(f, 2); print('held', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as killed:
        assert killed.stdout is not None and killed.stdout.readline() == b"held\n"
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    compile_small(small, [])


class _Broken(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_a_helper_whose_node_was_killed_ends(small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def leave(code: int) -> None:
        raise SystemExit(code)

    monkeypatch.setattr(os, "_exit", leave)
    monkeypatch.setattr(sys, "stdout", _Broken())
    with pytest.raises(SystemExit):
        warming.compile_second(())  # type: ignore[arg-type]
