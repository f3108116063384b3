"""A town in which a node serves all on TCP 443, and people who reach it each by a way of their own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from livekit import api

from tests.interop import connect_proxy
from tests.interop.browsers import Chromium, ChromiumPage
from tests.interop.livekit.conftest import BUNDLE, HERE, KEY, SECRET, SdkPage
from tests.interop.namespaces import NODE4, NODE6, PROXY_PORT, Town, possible
from tests.unit.tcp.certificates import make_certificate

PORT = 443


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
    async def enter(
        self, name: str, before_join: str = "", *, host: str = "", policy: str = "all"
    ) -> AsyncIterator[SdkPage]:
        """Somebody's browser, in the room, with camera and microphone on; runs a script `before_join`, finds the node
        as `host` if that is given, and has an `iceTransportPolicy`.
        """
        seat = self.seats[name]
        browser = Chromium()
        executable = shutil.which(Chromium.executable)
        assert executable is not None
        browser.executable = self.town.wrap(seat.namespace, executable)
        browser.flags = ("--ignore-certificate-errors", *seat.flags)
        async with browser:
            page = await browser.open()
            host = host or seat.host
            await page.goto(f"https://{host}/healthz")
            await add_sdk(page)
            made = SdkPage(page)
            if before_join:
                await page.evaluate(before_join)
            grants = api.VideoGrants(room_join=True, room=self.room)
            token = api.AccessToken(KEY, SECRET).with_identity(name).with_name(name).with_grants(grants).to_jwt()
            rtc = {"iceTransportPolicy": policy}
            assert await made.call("join", f"wss://{host}", token, {}, rtc) == "connected"
            await made.call("publish")
            yield made


WAY = """(async () => {
  const pc = room.engine.pcManager.publisher.pc ?? room.engine.pcManager.publisher._pc;
  const stats = await pc.getStats();
  const transport = [...stats.values()].find((one) => one.type === "transport");
  const pair = stats.get(transport.selectedCandidatePairId);
  const { candidateType, protocol, relayProtocol = "" } = stats.get(pair.localCandidateId);
  return [candidateType, protocol, relayProtocol, stats.get(pair.remoteCandidateId).address].join(" ");
})()"""
"""By which way goes what somebody publishes."""


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


@contextlib.asynccontextmanager
async def open_court(folder: Path, **more: str) -> AsyncIterator[Court]:
    """A node with `more` settings, as of its environment, and four seats; skips where the machine cannot have it."""
    if not possible():
        pytest.skip("network namespaces cannot be made here: that takes root, and iproute2")
    if not BUNDLE.exists():
        pytest.skip("livekit-client is not there: `make stable` fetches it")
    certificate, key = make_certificate(folder, "court.test", (NODE4, NODE6))
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
            **more,
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
