"""A node's log while it runs."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable
from typing import Any

PATIENCE_S = 60.0


class Log:
    """What a node writes to its log, read in a thread so that the pipe never fills."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._lines: list[dict[str, Any]] = []
        self._process = process
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if line.startswith("{"):
                self._lines.append(json.loads(line))

    def find(self, event: str) -> list[dict[str, Any]]:
        return [line for line in list(self._lines) if line["event"] == event]


def until(holds: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := holds()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found
