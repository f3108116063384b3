"""Who has started a node waits for its process: that stays, passes signals on, and ends as the last successor does."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sfu.node.restart.farewell import FOLLOWED, leave_to
from sfu.node.restart.notify import notify

# A child that starts another one and ends, as a successor does that was followed by one itself.
_CHAIN = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]])
{end}
"""
_FOLLOW = "from sfu.node.restart.follower import become_follower; become_follower(child.pid)"

_IS_ONE = b"\0-m\0sfu.node.restart.follower\0"
"""Stands in the command line of a follower, and not in that of a program that is about to become one."""


def _start(program: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _CHAIN.format(end=_FOLLOW), program, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_it_ends_with_the_status_of_the_successor() -> None:
    process = _start("raise SystemExit(7)")
    process.communicate(timeout=30)
    assert process.returncode == 7


def test_signals_reach_the_successor() -> None:
    process = _start(
        "import signal, sys\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))\n"
        "print('ready', flush=True)\nsignal.pause()"
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    while _IS_ONE not in Path(f"/proc/{process.pid}/cmdline").read_bytes():
        pass  # earlier the signal would be its own end
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 5


def test_a_successor_of_the_successor_is_followed_too() -> None:
    inner = "import time; time.sleep(0.1); raise SystemExit(9)"
    wait = f"while {_IS_ONE!r} not in open(f'/proc/{{os.getppid()}}/cmdline', 'rb').read(): pass"
    outer = f"import os, subprocess, sys\n{wait}\nsubprocess.Popen([sys.executable, '-c', {inner!r}])"
    process = _start(outer)
    process.communicate(timeout=30)
    assert process.returncode == 9


def test_a_killed_successor_is_told_as_shells_tell_it() -> None:
    process = _start("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGKILL


@pytest.mark.parametrize("abstract", [True, False])
def test_the_service_manager_is_told_which_process_is_the_node_now(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, abstract: bool
) -> None:
    path = f"\0sfu-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", path.replace("\0", "@"))
        leave_to(4711)  # returns: this process just ends
        assert manager.recv(100) == b"MAINPID=4711"
        notify("READY=1")
        assert manager.recv(100) == b"READY=1"


def test_without_a_service_manager_a_successor_that_is_followed_just_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    monkeypatch.setenv(FOLLOWED, "1")
    leave_to(4711)
    notify("READY=1")
