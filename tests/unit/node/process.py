"""A development node as a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

START_TIMEOUT = 240.0
LINK = re.compile(r"(https?://127\.0\.0\.1:\d+)/#room=lobby&token=([\w.\-]+)")


@contextmanager
def node(*arguments: str, before: str = "") -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """A running development node: process, URL, token. `before`: Python that it runs first."""
    program = f"{before}\nfrom sfu.node.cli import main\nmain()"
    command = [sys.executable, "-c", program, "serve", "--dev", "--port", "0"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("SFU_")}
    process = subprocess.Popen(
        [*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            found = LINK.search(line)
            if found:
                yield process, found[1], found[2]
                return
        _, errors = process.communicate(timeout=5)
        raise AssertionError(errors)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()
