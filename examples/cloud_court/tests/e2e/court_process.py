"""The court as `make court` starts it, in a folder and at a port of its own."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

HERE = Path(__file__).parents[2]
START_S = 120.0
OPEN = " is open: "


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class CourtProcess:
    """`async with`: runs from here to there. `settings`: `COURT_...` without the prefix, as in `countdown=2`."""

    def __init__(self, folder: Path, *, prefix: Sequence[str] = (), base: str = "", **settings: Any) -> None:
        """`base`: where it is reached by HTTPS, if not on loopback; `prefix`: of the command that starts it there."""
        self.folder = folder
        self.port = 443 if base else free_port()
        self._command = [*prefix, sys.executable, "-m", "court", "--demo", "--host", "0.0.0.0" if base else "127.0.0.1"]
        self._base = base
        if base:
            settings["base_url"] = base
        self.log: list[str] = []
        self._environment = {f"COURT_{name.upper()}": str(value) for name, value in settings.items()}
        self._process: asyncio.subprocess.Process
        self._reading: asyncio.Task[None]

    @property
    def pid(self) -> int:
        return self._process.pid

    def url(self, host: str = "127.0.0.1") -> str:
        return self._base or f"http://{host}:{self.port}"

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            *("--port", str(self.port), "--folder", str(self.folder)),
            cwd=HERE,
            env={**os.environ, "PYTHONPATH": str(HERE.parents[1]), **self._environment},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        self.log.clear()
        ready = asyncio.Event()
        self._reading = asyncio.create_task(self._read(ready))
        async with asyncio.timeout(START_S):
            await ready.wait()
        assert self._process.returncode is None and any(OPEN in line for line in self.log), "".join(self.log)

    async def _read(self, ready: asyncio.Event) -> None:
        assert self._process.stdout is not None
        while line := (await self._process.stdout.readline()).decode(errors="replace"):
            self.log.append(line)
            if OPEN in line:
                ready.set()
        ready.set()

    async def stop(self) -> None:
        if self._process.returncode is None:
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), 20)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        await self._reading

    async def kill(self) -> None:
        """As a crash ends it; `start` begins another in the same folder, at the same port."""
        self._process.kill()
        await self._process.wait()
        await self._reading

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
