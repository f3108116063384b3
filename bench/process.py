"""A server under test as a child process: pinned to its core, logging to a file, ended by its own id."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

from bench.errors import BenchError
from bench.network import Network

_STOP_S = 5.0


class ServerProcess:
    """One server; its process group is ours to end and nothing else is."""

    def __init__(
        self, command: list[str], *, network: Network, core: int, log: Path, environment: dict[str, str] | None = None
    ) -> None:
        if shutil.which(command[0]) is None:
            raise BenchError(f"{command[0]} is not installed")
        self.log = log
        with log.open("wb") as output:
            self._popen = subprocess.Popen(
                network.server_command(["taskset", "-c", str(core), *command]),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, **(environment or {})},
            )

    @property
    def pid(self) -> int:
        """Process id of the server itself: the wrappers replace themselves."""
        return self._popen.pid

    def check_alive(self) -> None:
        """Raise BenchError with the end of the log when the server has ended."""
        code = self._popen.poll()
        if code is not None:
            raise BenchError(f"the server ended with code {code}; its log {self.log} ends:\n{self.log_tail()}")

    def log_tail(self, lines: int = 15) -> str:
        """The last lines of the log."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def stop(self) -> None:
        """SIGTERM, and SIGKILL to its own process group if it has not ended after five seconds."""
        if self._popen.poll() is not None:
            return
        self._popen.send_signal(signal.SIGTERM)
        try:
            self._popen.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(self._popen.pid, signal.SIGKILL)
            self._popen.wait(_STOP_S)
