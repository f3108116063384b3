"""Minutes on 1.5 Mbit/s by each way to a node: how soon the first picture comes, and how long it ever stands still."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.interop.browsers import Chromium
from tests.interop.livekit.ways import Court, open_court

pytestmark = [
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(0),
    pytest.mark.skipif(not Chromium.installed(), reason="Chromium is not installed"),
]

SECONDS = min(float(os.environ.get("SOAK_SECONDS", "600")), 180.0)
KBITS = 1500
FIRST_S, FREEZE_S = 3.0, 1.0

WATCH = """(() => {
  window.watched = { since: performance.now(), first: 0, last: 0, longest: 0, pictures: 0 };
  const watch = (video) => {
    const look = (now) => {
      if (watched.pictures === 0) watched.first = now - watched.since;
      else watched.longest = Math.max(watched.longest, now - watched.last);
      watched.last = now;
      watched.pictures += 1;
      video.requestVideoFrameCallback(look);
    };
    video.requestVideoFrameCallback(look);
  };
  new MutationObserver((changes) => {
    for (const { addedNodes } of changes) for (const node of addedNodes) if (node.tagName === "VIDEO") watch(node);
  }).observe(document.body, { childList: true });
})()"""


@pytest_asyncio.fixture(loop_scope="session")
async def court(tmp_path: Path) -> AsyncIterator[Court]:
    async with open_court(tmp_path) as opened:
        yield opened


@pytest.mark.parametrize("way", ["udp", "tcp", "proxy", "v6"])
async def test_the_picture_comes_soon_and_goes_on(court: Court, way: str, capsys: pytest.CaptureFixture[str]) -> None:
    seat = court.seats[way]
    court.town.narrow(seat.namespace, KBITS)
    other = "v6" if way == "udp" else "udp"
    async with court.enter(other), court.enter(way, before_join=WATCH) as viewer:
        await viewer.until("watched.pictures > 0")
        await viewer.until(f"performance.now() - watched.since > {1e3 * SECONDS}", within=SECONDS + 30)
        seen = await viewer.page.evaluate("({...watched, still: performance.now() - watched.last})")
    longest_s = max(seen["longest"], seen["still"]) / 1e3
    rate = seen["pictures"] / SECONDS
    with capsys.disabled():
        sys.stdout.write(
            f"\n{way}: first picture {seen['first'] / 1e3:.2f} s, longest freeze {longest_s:.2f} s; {rate:.1f}/s\n"
        )
    assert seen["first"] / 1e3 <= FIRST_S
    assert longest_s <= FREEZE_S
