"""Servers that speak the protocol, each started anew for each run: our node, and one that is started by a command."""

from __future__ import annotations

import asyncio
import secrets
import shlex
import socket
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from bench.client.dtls import ClientIdentity
from bench.errors import BenchError
from bench.links import GCM_128
from bench.livekit.door import Door
from bench.network import Loopback
from bench.process import ServerProcess
from bench.servers.base import Surroundings
from bench.servers.ours import Ours

_START_S = 60.0
_KEY = "bench"


class Contender(ABC):
    """A server that can be started."""

    name: str

    @asynccontextmanager
    @abstractmethod
    def start(self, core: int) -> AsyncIterator[tuple[Door, ServerProcess]]:
        """Start it on a core, and stop it at the end."""


class Node(Contender):
    """`sfu serve` with one shard."""

    name = "sfu"

    def __init__(self, identity: ClientIdentity) -> None:
        self._identity = identity

    @asynccontextmanager
    async def start(self, core: int) -> AsyncIterator[tuple[Door, ServerProcess]]:
        """See `Contender.start`."""
        with tempfile.TemporaryDirectory(prefix="sfu-bench-") as directory:
            node = _LiveKitNode(Surroundings(Loopback(), core, Path(directory), self._identity, GCM_128))
            try:
                await node.start()
                yield Door(str(node.http.base_url).replace("http", "ws", 1), _KEY, node.livekit_secret), node.process
            finally:
                await node.close()


class _LiveKitNode(Ours):
    def __init__(self, surroundings: Surroundings) -> None:
        super().__init__(surroundings)
        self.livekit_secret = secrets.token_hex(32)

    def settings(self) -> str:
        """The key of the protocol."""
        return f'livekit_keys = {{ {_KEY} = "{self.livekit_secret}" }}\n'


class Other(Contender):
    """Any other server, by the command that starts it in the foreground, and by its address."""

    name = "other"

    def __init__(self, command: str, door: Door) -> None:
        self._command = shlex.split(command)
        self._door = door

    @asynccontextmanager
    async def start(self, core: int) -> AsyncIterator[tuple[Door, ServerProcess]]:
        """See `Contender.start`."""
        self._check_free()
        with tempfile.TemporaryDirectory(prefix="sfu-bench-") as directory:
            log = Path(directory, "other.log")
            process = ServerProcess(self._command, network=Loopback(), core=core, log=log)
            try:
                await self._wait_until_it_answers(process)
                yield self._door, process
            finally:
                process.stop()

    def _check_free(self) -> None:
        """What already listens there would be measured in the place of what is started."""
        url = httpx.URL(self._door.http_url)
        with socket.socket() as probe:
            if probe.connect_ex((url.host, url.port or 80)) == 0:
                raise BenchError(f"something listens on {self._door.url} already: end it first")

    async def _wait_until_it_answers(self, process: ServerProcess) -> None:
        deadline = time.monotonic() + _START_S
        async with httpx.AsyncClient(trust_env=False) as http:
            while True:
                process.check_alive()
                try:
                    if (await http.get(self._door.http_url)).status_code < 500:
                        return
                except httpx.TransportError:
                    pass  # it does not listen yet
                if time.monotonic() > deadline:
                    raise BenchError(f"{self._door.url} does not answer: {process.log_tail()}")
                await asyncio.sleep(0.1)
