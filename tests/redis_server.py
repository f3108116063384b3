"""A real Redis of a test's own, on a unix socket, ended by its process."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

MISSING = "redis-server is not installed (.ci/packages redis)"


class RedisServer:
    """`options` as on its command line: `--maxmemory`, `1mb`."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._folder = folder
        self._options = options
        self.path = folder / "redis.sock"
        self.url = f"unix://{self.path}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        program = shutil.which("redis-server") or pytest.skip(MISSING)
        quiet = ["--port", "0", "--save", "", "--appendonly", "no", "--loglevel", "warning"]
        self._process = subprocess.Popen(
            [program, *quiet, "--dir", str(self._folder), "--unixsocket", str(self.path), *self._options],
            stdout=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 20
        while not self._answers():
            assert time.monotonic() < deadline and self._process.poll() is None, "redis-server does not start"
            time.sleep(0.02)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            return self.tell("PING").startswith((b"+", b"-"))
        return False

    def tell(self, *words: str) -> bytes:
        """Have it do something, and return what it says first."""
        with socket.socket(socket.AF_UNIX) as us:
            us.settimeout(5)
            us.connect(str(self.path))
            parts = [f"${len(word.encode())}\r\n{word}\r\n" for word in words]
            us.sendall(f"*{len(words)}\r\n{''.join(parts)}".encode())
            return us.recv(4096)

    def pause(self) -> None:
        """It answers no more."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None


@contextlib.contextmanager
def run_redis(folder: Path, *options: str) -> Iterator[RedisServer]:
    server = RedisServer(folder, *options)
    try:
        server.start()
        yield server
    finally:
        server.stop()
