"""A node as a person starts it: a process of its own, on ports that the system chooses."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
import time
import uuid
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Self
from urllib.parse import urlencode

import httpx

from sfu.node.tokens import issue_token

START_TIMEOUT = 240.0
"""Seconds; the first start of a fresh clone compiles the kernels."""
STOP_TIMEOUT = 20.0
KEY, SECRET = "tests", "a-secret-of-the-tests-that-is-long-enough"
_SETTINGS = {"SFU_KEYS": f"{KEY}:{SECRET}", "SFU_UDP_HOST": "0.0.0.0", "SFU_DRAIN_TIMEOUT": "0"}


class NodeProcess:
    """`sfu serve` with some more arguments. Its output is kept, and leaving fails if it did not end well.

    The page is served on 127.0.0.1, where browsers grant camera and microphone. Media sockets are open on all
    addresses, since Firefox pairs no candidate of its own with one on 127.0.0.1; so this is not the development mode.
    """

    def __init__(
        self,
        *arguments: str,
        shards: int = 1,
        host: str = "127.0.0.1",
        variables: Mapping[str, str] | None = None,
    ) -> None:
        """`host`: where its HTTP is. `variables`: settings as environment variables."""
        self._variables = dict(variables or {})
        self._host = host
        self._arguments = ("--shards", str(shards), "--host", host, *arguments)
        self.shards = shards
        self.log: deque[str] = deque(maxlen=2000)
        self.url = ""

    def token(
        self,
        room: str,
        *,
        publish: bool = True,
        subscribe: bool = True,
        record: bool = False,
        peer: str | None = None,
    ) -> str:
        """A token for a room."""
        rights = {"publish": publish, "subscribe": subscribe, "record": record}
        return issue_token(KEY, SECRET, room=room, now=time.time(), ttl=3600, peer=peer, **rights)

    def operator_headers(self) -> dict[str, str]:
        """Of a request by who may do everything."""
        token = issue_token(KEY, SECRET, room="*", now=time.time(), ttl=3600, admin=True)
        return {"Authorization": f"Bearer {token}"}

    def invitation(self, room: str, name: str) -> str:
        """The address of the page that leads `name` to the room's lobby."""
        return f"{self.url}/#{urlencode({'room': room, 'name': name, 'token': self.token(room)})}"

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *(Path(sys.executable).with_name("sfu"), "serve", "--port", "0", *self._arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, **_SETTINGS, **self._variables},
        )
        found: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._reader = asyncio.create_task(self._read(found))
        try:
            async with asyncio.timeout(START_TIMEOUT):
                self.url = await found
        except BaseException:
            self._process.kill()
            await self._process.wait()
            await self._reader
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process.returncode is None:
            self._process.terminate()
        try:
            async with asyncio.timeout(STOP_TIMEOUT):
                code = await self._process.wait()
        except TimeoutError:
            for line in self.log:
                if found := re.search(r"the successor starts successor=(\d+)", line):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(found[1]), signal.SIGKILL)
            self._process.kill()
            raise AssertionError(f"the node did not stop within {STOP_TIMEOUT:.0f} s\n{self.tail()}") from None
        finally:
            await self._reader
        assert code == 0, f"the node ended with {code}\n{self.tail()}"
        assert not any("Traceback" in line for line in self.log), self.tail()

    async def serving_process(self) -> int:
        """The id of the process that serves now."""
        return int((await self._order("GET", "/admin/restart")).json()["process"])

    async def restart(self) -> int:
        """Order a restart in place, and return the id of the process that served until then."""
        before = await self.serving_process()
        assert (await self._order("POST", "/admin/restart")).status_code == 202
        return before

    async def _order(self, method: str, path: str) -> httpx.Response:
        # on a connection of its own: a process that ends closes an idle one, maybe while a request is on its way there
        async with httpx.AsyncClient(base_url=self.url, headers=self.operator_headers()) as http:
            return await http.request(method, path)

    def send_signal(self, number: int) -> None:
        """Send it to the process that was started, which passes it on to a successor."""
        self._process.send_signal(number)

    def tail(self, lines: int = 60) -> str:
        """The last lines of its output."""
        return "\n".join(list(self.log)[-lines:])

    async def _read(self, found: asyncio.Future[str]) -> None:
        assert self._process.stdout is not None
        while line := (await self._process.stdout.readline()).decode(errors="replace"):
            self.log.append(line.rstrip())
            match = re.search(rf"https?://{re.escape(self._host)}:\d+", line)
            if match and not found.done():
                found.set_result(match[0])
        if not found.done():
            found.set_exception(AssertionError(f"the node ended before it printed its address\n{self.tail()}"))


def new_room() -> str:
    """A room that no other test uses."""
    return f"room-{uuid.uuid4().hex[:8]}"
