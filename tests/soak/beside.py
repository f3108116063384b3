"""Two ways to fill the same emulated link: one Chromium sends to another, and a node sends a gallery to one."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urljoin

import httpx

from bench.netem.config import LinkConfig
from bench.netem.proxy import ThreadedProxy
from bench.netem.schedule import Schedule
from tests.interop.answerer import host_address
from tests.interop.browsers import Browser, Page
from tests.interop.layered import with_start_rate
from tests.interop.node_process import NodeProcess, new_room
from tests.interop.seeing import until

SCRIPT = Path(__file__).with_name("beside.js").read_text()
SAMPLE_S = 0.02
START_S = 10.0
"""Not measured: both find the link's rate in it."""
ONE_WAY_S = 0.03
QUEUE_S = 0.3

Direction = Literal["up", "down"]


@dataclass(frozen=True, slots=True)
class Course:
    """How the link's rate goes."""

    name: str
    seconds: float
    rates: Schedule

    def capacity_bits(self, begin: float, end: float) -> float:
        """What it could carry between two moments."""
        edges = [begin, *(at for at, _ in self.rates.steps if begin < at < end), end]
        return sum((later - at) * (self.rates.rate_at(at) or 0.0) for at, later in itertools.pairwise(edges))


@dataclass(frozen=True, slots=True)
class Sample:
    """Counters of the bottleneck at a moment."""

    at: float
    delivered_bytes: int
    left: int
    waited_s: float
    overflowed: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What a run came to."""

    utilisation: float
    delay_p95_s: float
    """Of the packets' waits in the bottleneck's queue, in means of `SAMPLE_S`."""
    delay_mean_s: float
    overflow: float
    """Share of the packets that found the queue full."""
    series: str
    """Second by second: share of the capacity, mean wait in ms."""


def measure(course: Course, samples: Sequence[Sample]) -> Figures:
    """The figures of what came after the start."""
    kept = [sample for sample in samples if sample.at >= START_S]
    first, last = kept[0], kept[-1]
    waits = sorted(
        ((b.waited_s - a.waited_s) / (b.left - a.left), b.left - a.left)
        for a, b in itertools.pairwise(kept)
        if b.left > a.left
    )
    left, overflowed = last.left - first.left, last.overflowed - first.overflowed
    before = itertools.accumulate(packets for _, packets in waits)
    return Figures(
        (last.delivered_bytes - first.delivered_bytes) * 8 / course.capacity_bits(first.at, last.at),
        next(wait for (wait, _), count in zip(waits, before, strict=True) if count >= 0.95 * left),
        (last.waited_s - first.waited_s) / left,
        overflowed / (left + overflowed),
        _series(course, samples),
    )


def _series(course: Course, samples: Sequence[Sample]) -> str:
    by_second = {int(sample.at): sample for sample in reversed(samples)}
    parts = []
    for (second, a), (_, b) in itertools.pairwise(sorted(by_second.items())):
        used = (b.delivered_bytes - a.delivered_bytes) * 8 / course.capacity_bits(a.at, b.at)
        wait = (b.waited_s - a.waited_s) / max(1, b.left - a.left)
        parts.append(f"{second}:{used:.2f}/{1000 * wait:.0f}")
    return " ".join(parts)


@asynccontextmanager
async def _pages(browser: Browser, node: NodeProcess, count: int) -> AsyncIterator[list[Page]]:
    """Windows of the node's origin, which may use a camera."""
    pages: list[Page] = []
    try:
        for _ in range(count):
            pages.append(await browser.open())
            await pages[-1].goto(f"{node.url}/")
            await pages[-1].evaluate(SCRIPT)
        yield pages
    finally:
        for page in pages:
            await page.close()


def _path(course: Course, direction: Direction) -> ThreadedProxy:
    narrow = LinkConfig(rate_bps=course.rates.rate_at(0.0), queue_s=QUEUE_S, delay_s=ONE_WAY_S)
    wide = LinkConfig(delay_s=ONE_WAY_S)
    up, down = (narrow, wide) if direction == "up" else (wide, narrow)
    return ThreadedProxy(host=host_address(), up=up, down=down)


async def _watch(path: ThreadedProxy, course: Course, direction: Direction) -> list[Sample]:
    """Run the course, and sample the bottleneck throughout."""
    if direction == "up":
        path.play(up=course.rates)
    else:
        path.play(down=course.rates)
    start = time.monotonic()
    samples: list[Sample] = []
    while not samples or samples[-1].at < course.seconds:
        counts = getattr(path.counts(), direction)
        at = time.monotonic() - start
        samples.append(Sample(at, counts.delivered_bytes, counts.left, counts.waited_s, counts.overflowed))
        await asyncio.sleep(SAMPLE_S)
    return samples


async def _encoded(page: Page, count: int) -> None:
    async def all_are() -> bool:
        stats: list[dict[str, Any]] = await page.evaluate("beside.stats()")
        sent = [one for one in stats if one["type"] == "outbound-rtp" and one.get("framesEncoded", 0) > 0]
        return len(sent) >= count

    await until(f"{count} encodings are sent", all_are, page)


async def _check_pace(*senders: Page) -> None:
    """Fail where what was measured is the machine and not the link."""
    for sender in senders:
        for one in await sender.evaluate("beside.stats()"):
            slowed = one.get("qualityLimitationDurations", {}).get("cpu", 0.0)
            assert slowed == 0, f"the machine is too slow to compare: an encoder waited for it for {slowed:.0f} s"


async def run_straight(browser: Browser, node: NodeProcess, course: Course) -> Figures:
    """One Chromium sends one picture to another; `node` only lends its origin."""
    picture = {"width": 640, "height": 360, "fps": 30, "noise": 0.2, "encodings": [{"maxBitrate": 4_000_000}]}
    async with _pages(browser, node, 2) as (sender, receiver):
        with _path(course, "up") as path:
            offer = await sender.evaluate(f"beside.offer({json.dumps([picture])})")
            # What it is not told the receiver cannot send to: the sender is seen from behind the path only.
            hidden = re.sub(r"^a=candidate:.*\r?\n", "", offer, flags=re.MULTILINE)
            answer = await receiver.evaluate(f"beside.answer({json.dumps(hidden)})")
            await sender.evaluate(f"beside.take({json.dumps(path.rewrite(answer))})")
            await _encoded(sender, 1)
            samples = await _watch(path, course, "up")
        await _check_pace(sender)
    return measure(course, samples)


PUBLISHERS = 2
TRACKS = 6
"""Of each publisher."""
FPS = 15
LOW_BPS = 40_000
HIGH_BPS = (130_000, 160_000, 190_000, 220_000)
"""Taken in turn: with both encodings and their temporal layers the gallery could fill the link one and a half times,
in steps of a few percent of it and of many sizes."""


def _gallery(publisher: int) -> str:
    pictures = []
    for number in range(publisher, PUBLISHERS * TRACKS, PUBLISHERS):
        low = {"rid": "q", "scaleResolutionDownBy": 2, "maxBitrate": LOW_BPS, "scalabilityMode": "L1T3"}
        high = {"rid": "f", "maxBitrate": HIGH_BPS[number // PUBLISHERS % len(HIGH_BPS)], "scalabilityMode": "L1T3"}
        phase_ms = 1000 / FPS * number / (PUBLISHERS * TRACKS)
        picture = {"width": 480, "height": 270, "fps": FPS, "noise": 0.1, "phase": phase_ms}
        pictures.append(picture | {"encodings": [low, high]})
    return json.dumps(pictures)


async def run_node(browser: Browser, node: NodeProcess, course: Course) -> Figures:
    """Pages publish a gallery to a node, of which another page sees everything."""
    room = f"{node.url}/rooms/{new_room()}"
    token = node.token(room.rpartition("/")[2])
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/sdp"}
    async with (
        _pages(browser, node, PUBLISHERS + 1) as (viewer, *publishers),
        httpx.AsyncClient(headers=headers) as http,
    ):
        for number, publisher in enumerate(publishers):
            offer = await publisher.evaluate(f"beside.offer({_gallery(number)})")
            published = await http.post(f"{room}/whip?peer=gallery-{number}", content=offer)
            assert published.status_code == 201, published.text
            await publisher.evaluate(f"beside.take({json.dumps(with_start_rate(published.text))})")
            await _encoded(publisher, 2 * TRACKS)
        with _path(course, "down") as path:
            offered = await http.post(f"{room}/whep", headers={"Content-Type": ""}, content="")
            assert offered.status_code == 201, offered.text
            answer = await viewer.evaluate(f"beside.answer({json.dumps(path.rewrite(offered.text))})")
            resource = urljoin(str(offered.url), offered.headers["Location"])
            taken = await http.patch(resource, content=answer)
            assert taken.status_code == 204, taken.text
            samples = await _watch(path, course, "down")
        await _check_pace(*publishers)
    return measure(course, samples)
