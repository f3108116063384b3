"""A hearing of four: by UDP, by TCP 443 and nothing else, by an HTTP proxy and nothing else, and by IPv6."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import shutil
import sys
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from livekit import api

from tests.interop import connect_proxy
from tests.interop.browsers import Chromium, ChromiumPage
from tests.interop.livekit.conftest import BUNDLE, HERE, KEY, SECRET, SdkPage
from tests.interop.namespaces import NODE4, NODE6, PROXY_PORT, Town, possible
from tests.unit.tcp.certificates import make_certificate

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(400),
    pytest.mark.skipif(not Chromium.installed(), reason="Chromium is not installed"),
]

PORT = 443
WAY = """(async () => {
  const pc = room.engine.pcManager.publisher.pc ?? room.engine.pcManager.publisher._pc;
  const stats = await pc.getStats();
  const pair = [...stats.values()].find((one) => one.type === "candidate-pair" && one.nominated && one.bytesSent > 0);
  const { candidateType, protocol, relayProtocol = "" } = stats.get(pair.localCandidateId);
  return [candidateType, protocol, relayProtocol, stats.get(pair.remoteCandidateId).address].join(" ");
})()"""


@dataclass
class Seat:
    """Where somebody sits, and by which host name the node is found there."""

    namespace: str
    host: str
    flags: tuple[str, ...] = ()


@dataclass
class Court:
    """A node on port 443 of a town, and seats."""

    town: Town
    seats: dict[str, Seat]
    room: str

    @contextlib.asynccontextmanager
    async def enter(self, name: str) -> AsyncIterator[SdkPage]:
        """Somebody's browser, in the room, with camera and microphone on."""
        seat = self.seats[name]
        browser = Chromium()
        executable = shutil.which(Chromium.executable)
        assert executable is not None
        browser.executable = self.town.wrap(seat.namespace, executable)
        browser.flags = ("--ignore-certificate-errors", *seat.flags)
        async with browser:
            page = await browser.open()
            await page.goto(f"https://{seat.host}/healthz")
            await add_sdk(page)
            made = SdkPage(page)
            grants = api.VideoGrants(room_join=True, room=self.room)
            token = api.AccessToken(KEY, SECRET).with_identity(name).with_name(name).with_grants(grants).to_jwt()
            assert await made.call("join", f"wss://{seat.host}", token, {}) == "connected"
            await made.call("publish")
            yield made


async def add_sdk(page: ChromiumPage) -> None:
    script = (HERE / "page.html").read_text().split("<script>")[1].split("</script>")[0]
    for content in (BUNDLE.read_text(), script):
        await page.driven.add_script_tag(content=content)


async def run(command: list[str], **more: Any) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, **more
    )


async def listens(process: asyncio.subprocess.Process, word: bytes) -> asyncio.Task[bytes]:
    """Wait until a process has said so; what it says from then on is read and kept."""
    assert process.stdout is not None
    seen = b""
    while word not in seen:
        line = await asyncio.wait_for(process.stdout.readline(), 240)
        assert line, seen.decode(errors="replace")
        seen += line
    return asyncio.create_task(process.stdout.read())


@pytest_asyncio.fixture(loop_scope="session")
async def court(tmp_path: Path) -> AsyncIterator[Court]:
    if not possible():
        pytest.skip("network namespaces cannot be made here: that takes root, and iproute2")
    if not BUNDLE.exists():
        pytest.skip("livekit-client is not there: `make stable` fetches it")
    certificate, key = make_certificate(tmp_path, "court.test", (NODE4, NODE6))
    with Town() as town:
        house, proxy_house, proxy_host = town.house_behind_proxy("proxy")
        seats = {
            "udp": Seat(town.house("udp"), NODE4),
            "tcp": Seat(town.house_behind_firewall("tcp", PORT), NODE4),
            "v6": Seat(town.house("v6", version=6), f"[{NODE6}]"),
            "proxy": Seat(house, NODE4, (f"--proxy-server=http://{proxy_host}:{PROXY_PORT}",)),
        }
        settings = {
            "SFU_KEYS": f"{KEY}:{SECRET}",
            "SFU_LIVEKIT_KEYS": f"{KEY}:{SECRET}",
            "SFU_TLS_CERT": str(certificate),
            "SFU_TLS_KEY": str(key),
            "SFU_ANNOUNCE": f"{NODE4},{NODE6}",
        }
        sfu = str(Path(sys.executable).with_name("sfu"))
        serve = town.command(town.node, sfu, "serve", "--host", "::", "--port", str(PORT))
        node = await run(serve, env={**os.environ, **settings})
        program = town.command(proxy_house, sys.executable, connect_proxy.__file__, proxy_host, str(PROXY_PORT))
        proxy = await run(program)
        try:
            said = [await listens(node, b"listening"), await listens(proxy, b"listening")]
            yield Court(town, seats, f"room-{uuid.uuid4().hex[:12]}")
        finally:
            for each in (node, proxy):
                each.terminate()
                await each.wait()
        assert b"Traceback" not in await said[0]
        await said[1]


async def test_everybody_sees_and_hears_everybody_by_whatever_way_there_is(court: Court) -> None:
    async with contextlib.AsyncExitStack() as stack:
        people: dict[str, SdkPage] = {}
        for name in court.seats:
            people[name] = await stack.enter_async_context(court.enter(name))
        for name, other in itertools.permutations(people, 2):
            await people[name].until(f"flows('{other}', 'camera')")
            await people[name].until(f"flows('{other}', 'microphone')")
        ways = {name: await page.page.evaluate(WAY) for name, page in people.items()}
        assert ways["udp"] == f"host udp  {NODE4}"
        assert ways["v6"] == f"host udp  {NODE6}"
        for name in ("tcp", "proxy"):
            assert "tcp" in ways[name] or "tls" in ways[name], ways[name]
