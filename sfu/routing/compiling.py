"""The compiler in a process of its own at a first start: what it takes of memory ends with it.

It is a help and no more: if it cannot be started or ends too early, who has started it compiles (`warming.py`).
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable

_SHARE = "share"
_COMPILER = (
    "from sfu.routing.plane import compile_for_another; compile_for_another(); "
    "from sfu.tcp.pump import compile_kernels; compile_kernels()"
)


def start_python(code: str) -> subprocess.Popen[str]:
    """Start another interpreter that runs `code` with our modules, and whose output is read. Raises OSError."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,  # Ctrl-C ends this process, and with it that one, without a traceback
    )


def say(word: str, value: object) -> None:
    """Tell the process that has started this one; end if it has ended."""
    try:
        print(word, value, flush=True)  # noqa: T201
    except BrokenPipeError:
        os._exit(1)


def say_share(share: float) -> None:
    """Tell what part is done."""
    say(_SHARE, share)


def compile_apart(progress: Callable[[float], None] | None = None) -> None:
    """Let another process compile all kernels and keep them; return when it has ended, however that was.

    `progress` is called with what part is done, in this thread.
    """
    if not sys.executable:
        return
    try:
        process = start_python(_COMPILER)
    except OSError:
        return
    assert process.stdout is not None
    try:
        with process.stdout as said:
            for line in said:
                word, _, share = line.partition(" ")
                if word == _SHARE and progress is not None:
                    with contextlib.suppress(ValueError):
                        progress(float(share))
    finally:
        process.kill()  # unless it has ended
        process.wait()
