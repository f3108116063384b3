"""`python -m sfu.node.restart.follower PID`: stands where a node stood that has a successor, its child PID.

Whoever has started the node waits for that process: a shell, a container's runtime, a supervisor. So it stays, as small
as can be, passes signals on, and ends as the successor ends, or whoever comes after that one.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

from sfu.node.signals import PASSED_ON

_PR_SET_CHILD_SUBREAPER = 36
_FROM_KERNEL = 0x80
"""Code of a signal that a terminal sends, which reaches the whole foreground group by itself."""


def become_follower(pid: int) -> None:
    """Put this program in the place of the running one; does not return. Signals that come meanwhile wait for it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {*PASSED_ON, signal.SIGCHLD})
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # so that a successor's successor is ours, too
    os.execv(sys.executable, [sys.executable, "-m", __name__, str(pid)])


def follow(pid: int) -> int:
    """Return the exit status of the last successor, as shells tell it."""
    status = 0
    while True:
        while True:
            try:
                ended, code = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return status
            if not ended:
                break
            status = os.waitstatus_to_exitcode(code)
            status = 128 - status if status < 0 else status
        told = signal.sigwaitinfo({*PASSED_ON, signal.SIGCHLD})
        if told.si_signo != signal.SIGCHLD and told.si_code != _FROM_KERNEL:
            for child in _list_children() or [pid]:
                os.kill(child, told.si_signo)


def _list_children() -> list[int]:
    """Those that have not ended; empty where this system does not tell."""
    tasks = Path("/proc/self/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text(encoding="ascii").split()]


if __name__ == "__main__":
    sys.exit(follow(int(sys.argv[1])))
