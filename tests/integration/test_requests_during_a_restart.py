"""While one process takes the place of another, whoever asks is answered: by the one or by the other."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import itertools
import os
import signal
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.integration.node_log import PATIENCE_S, Log, until
from tests.unit.node.process import START_TIMEOUT, node
from tests.unit.tcp.certificates import make_certificate

pytestmark = pytest.mark.timeout(2 * START_TIMEOUT)

REQUEST = b"GET /healthz HTTP/1.1\r\nHost: sfu.test\r\n\r\n"
THINKS_S = (0.0, 0.0, 0.0, 0.0, 0.01, 0.05, 0.1)
"""Between a connection, or its first octets, and the rest: of each time one client."""
RESTARTS = 2


class Asking:
    """Clients each of which asks on one new connection after the other."""

    def __init__(self, port: int, context: ssl.SSLContext | None) -> None:
        self.outcomes: collections.Counter[str] = collections.Counter()
        self._port = port
        self._context = context
        self._over = False

    async def run(self, *, halves: bool, thinks_s: float) -> None:
        """`halves`: the client thinks after half of its request, else before it."""
        cut = len(REQUEST) // 2 if halves else 0
        while not self._over:
            outcome = await self._ask(cut, thinks_s)
            self.outcomes[outcome] += 1
            await asyncio.sleep(0.01)

    async def _ask(self, cut: int, thinks_s: float) -> str:
        try:
            name = "localhost" if self._context else None
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", self._port, ssl=self._context, server_hostname=name
            )
            with contextlib.closing(writer):
                writer.write(REQUEST[:cut])
                await asyncio.sleep(min(thinks_s, 0.2))
                writer.write(REQUEST[cut:])
                head = await reader.readuntil(b"\r\n\r\n")
                return head.split(b"\r\n")[0].decode()
        except (OSError, asyncio.IncompleteReadError) as error:
            return f"{type(error).__name__} after {cut} octets, {thinks_s} s"

    async def answered(self, more: int) -> None:
        until = self.outcomes.total() + more
        async with asyncio.timeout(PATIENCE_S):
            while self.outcomes.total() < until:  # noqa: ASYNC110 - many tasks count
                await asyncio.sleep(0.01)

    def stop(self) -> None:
        self._over = True


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
async def test_whoever_connects_is_answered(tls: bool, tmp_path: Path) -> None:
    variables = {}
    context = None
    if tls:
        chain, key = make_certificate(tmp_path)
        variables = {"SFU_TLS_CERT": str(chain), "SFU_TLS_KEY": str(key)}
        context = ssl.create_default_context(cafile=str(chain))
    before = "".join(f"import os; os.environ[{name!r}] = {value!r}\n" for name, value in variables.items())
    with node("--log-format", "json", before=before) as (process, url, _):
        log = Log(process)
        asking = Asking(urlsplit(url).port or 0, context)
        kinds = itertools.product((False, True), THINKS_S)
        tasks = [asyncio.create_task(asking.run(halves=halves, thinks_s=s)) for halves, s in kinds]
        try:
            serving = process.pid
            for done in range(1, RESTARTS + 1):
                await asking.answered(len(tasks))
                os.kill(serving, signal.SIGUSR2)
                await asyncio.to_thread(
                    until, lambda done=done: len(log.find("restarted: the successor serves")) == done
                )
                serving = log.find("restarting: the successor starts")[-1]["successor"]
        finally:
            asking.stop()
            await asyncio.gather(*tasks)
            if serving != process.pid:
                os.kill(serving, signal.SIGKILL)
    assert set(asking.outcomes) == {"HTTP/1.1 200 OK"}, asking.outcomes
