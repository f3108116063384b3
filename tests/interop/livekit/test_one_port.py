"""A hearing of four: by UDP, by TCP 443 and nothing else, by an HTTP proxy and nothing else, and by IPv6."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.interop.browsers import Chromium
from tests.interop.livekit.conftest import SdkPage
from tests.interop.livekit.ways import WAY, Court, open_court
from tests.interop.namespaces import NODE4, NODE6

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(400),
    pytest.mark.skipif(not Chromium.installed(), reason="Chromium is not installed"),
]


@pytest_asyncio.fixture(loop_scope="session")
async def court(tmp_path: Path) -> AsyncIterator[Court]:
    async with open_court(tmp_path) as opened:
        yield opened


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
