"""Publishers of several encodings or layers, and viewers that choose among them, in browsers on a running node."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urljoin

import httpx

from tests.interop.browsers import Page
from tests.interop.node_process import NodeProcess
from tests.interop.seeing import DEADLINE, until

SCRIPT = Path(__file__).with_name("layers.js").read_text()
LAYER_RELATION = "urn:ietf:params:whep:ext:core:layer"
NUMBERS = 1 << 13
"""Frame numbers wrap here: as `NUMBER_BITS` in layers.js."""
START_KBPS = 2500
"""What Chromium is told to begin with. Without congestion feedback it would take long to send all encodings."""

WIDTH, HEIGHT, FPS = 960, 540, 20
"""The least picture of which Chromium sends three encodings, or three spatial layers."""

Rewrite = Callable[[str], str]
"""What is done to our SDP on its way to the browser, such as putting a proxy's address in."""


class Frame(NamedTuple):
    """One that a viewer showed."""

    at_ms: float
    """On the clock that all pages share."""
    width: int
    height: int
    number: int


def simulcast() -> list[dict[str, Any]]:
    """Three encodings, lowest first, whose rates together fit into what is told to begin with.

    The mode is for VP9 and AV1: without one Chromium sends a single encoding with spatial layers.
    """
    scales = {"q": (4, 100_000), "h": (2, 250_000), "f": (1, 700_000)}
    return [
        {"rid": rid, "scaleResolutionDownBy": scale, "maxBitrate": rate, "scalabilityMode": "L1T3"}
        for rid, (scale, rate) in scales.items()
    ]


def scalable(mode: str, rate: int = 1_000_000) -> list[dict[str, Any]]:
    """One encoding with layers."""
    return [{"maxBitrate": rate, "scalabilityMode": mode}]


def with_start_rate(answer: str) -> str:
    """Chromium's own `x-google-start-bitrate`, for each video codec of an answer."""
    for payload_type in re.findall(r"^a=rtpmap:(\d+) (?:VP8|VP9|AV1|H264)/", answer, re.MULTILINE):
        told = f"x-google-start-bitrate={START_KBPS}"
        line = re.search(rf"^a=fmtp:{payload_type} .*?(?=\r?$)", answer, re.MULTILINE)
        if line is not None:
            answer = answer.replace(line[0], f"{line[0]};{told}")
        else:
            answer = re.sub(
                rf"^(a=rtpmap:{payload_type} .*?)\r?$",
                rf"\1\r\na=fmtp:{payload_type} {told}\r",
                answer,
                flags=re.MULTILINE,
            )
    return answer


@dataclass
class Publisher:
    """A page that sends."""

    page: Page
    modes: Mapping[str, str]
    """The scalability mode of each encoding, by RID, as the browser took it."""
    drawings: list[tuple[int, float]] = field(default_factory=list)

    async def stats(self) -> dict[str, dict[str, Any]]:
        """Statistics of each encoding, by RID."""
        return {one.get("rid", ""): one for one in await self.page.evaluate("layers.stats()")}

    async def drawn_after(self, at_ms: float) -> int:
        """The number of the first frame drawn after this moment, which must be over."""
        self.drawings += [(number, at) for number, at in await self.page.evaluate("layers.drawings()")]
        return next(number for number, at in self.drawings if at > at_ms)

    async def activate(self, **wanted: bool) -> None:
        """Switch encodings on or off, by RID."""
        await self.page.evaluate(f"layers.activate({json.dumps(wanted)})")

    async def sends(self, rids: Sequence[str], what: str = "framesEncoded") -> None:
        """Wait until each of these encodings has sent something."""

        async def all_sent() -> bool:
            stats = await self.stats()
            return all(stats.get(rid, {}).get(what, 0) > 0 for rid in rids)

        await until(f"the encodings {', '.join(rids) or 'of the one kind'} sent", all_sent, self.page)


@dataclass
class Choice:
    """An answer to the choice of a layer."""

    at_ms: float
    answered_ms: float


class Viewer:
    """A page that receives one video, and can choose its layer."""

    def __init__(self, page: Page, token: str, layer_url: str) -> None:
        self.page = page
        self.frames: list[Frame] = []
        """Those shown so far; `look` adds to them."""
        self._token = token
        self._layer_url = layer_url

    async def look(self, seconds: float = 0.0) -> list[Frame]:
        """The frames of the coming `seconds`, or those since the last look."""
        if seconds:
            await self.look()
            await asyncio.sleep(seconds)
        new = [Frame(*one) for one in await self.page.evaluate("layers.frames()")]
        self.frames += new
        return new

    async def choose(self, **body: Any) -> Choice:
        """Ask for a layer in the words of the WHEP layer extension."""
        url, token = json.dumps(self._layer_url), json.dumps(self._token)
        answer = await self.page.evaluate(f"layers.choose({url}, {token}, {json.dumps(body)})")
        assert 200 <= answer["status"] < 300, answer
        return Choice(answer["at"], answer["answered"])

    async def first(
        self, wanted: Callable[[Frame], bool], what: str, *, since_ms: float, deadline: float = DEADLINE
    ) -> Frame:
        """The first frame of that kind after a moment."""
        start = max(0, len(self.frames) - 200)

        async def found() -> Frame | None:
            await self.look()
            return next((one for one in self.frames[start:] if one.at_ms > since_ms and wanted(one)), None)

        frame: Frame = await until(what, found, self.page, deadline=deadline)
        return frame

    async def first_of_width(self, width: int, *, since_ms: float = 0.0, deadline: float = DEADLINE) -> Frame:
        """The first frame of this width after a moment."""
        what = f"a picture {width} wide"
        return await self.first(lambda one: one.width == width, what, since_ms=since_ms, deadline=deadline)

    async def stats(self) -> dict[str, Any]:
        """The `inbound-rtp` statistics of the video."""
        (found,) = await self.page.evaluate("layers.stats()")
        assert isinstance(found, dict)
        return found


class Stage:
    """A room of a node with its publisher and viewers."""

    def __init__(self, node: NodeProcess, room: str) -> None:
        self._node = node
        self._room = room

    async def _prepare(self, page: Page) -> None:
        await page.goto(f"{self._node.url}/")  # no invitation: a page of the node's origin that does nothing
        await page.evaluate(SCRIPT)

    async def publish(
        self,
        page: Page,
        codec: str,
        encodings: Sequence[Mapping[str, Any]],
        *,
        rewrite: Rewrite = str,
        width: int = WIDTH,
        height: int = HEIGHT,
        fps: int = FPS,
    ) -> Publisher | None:
        """Publish by WHIP; None where the browser cannot send the codec."""
        await self._prepare(page)
        options = {"codec": codec, "encodings": encodings, "width": width, "height": height, "fps": fps}
        offer = await page.evaluate(f"layers.offer({json.dumps(options)})")
        if offer is None:
            return None
        token = self._node.token(self._room, subscribe=False, peer="alice")
        answer, _ = await self._post("whip", token, offer)
        modes = await page.evaluate(f"layers.answer({json.dumps(rewrite(with_start_rate(answer.text)))})")
        return Publisher(page, modes)

    async def watch(self, page: Page, *, rewrite: Rewrite = str) -> Viewer:
        """Watch by WHEP, answering the node's offer, and wait for the first frame."""
        await self._prepare(page)
        token = self._node.token(self._room, publish=False)
        created, resource = await self._post("whep?publisher=alice", token, "")
        answer = await page.evaluate(f"layers.watch({json.dumps(rewrite(created.text))})")
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/sdp"}
        async with httpx.AsyncClient() as client:
            patched = await client.patch(resource, content=answer, headers=headers)
        assert patched.status_code == 204, patched.text
        viewer = Viewer(page, token, urljoin(resource, find_link(created, LAYER_RELATION)))
        await viewer.first(lambda one: True, "a picture", since_ms=0.0)
        return viewer

    async def view(self, page: Page) -> Viewer:
        """Watch by WHEP with an offer of the browser's own."""
        await self._prepare(page)
        token = self._node.token(self._room, publish=False)
        created, resource = await self._post("whep?publisher=alice", token, await page.evaluate("layers.view()"))
        await page.evaluate(f"layers.viewed({json.dumps(created.text)})")
        return Viewer(page, token, urljoin(resource, find_link(created, LAYER_RELATION)))

    async def view_by_page(self, page: Page) -> Viewer:
        """Watch with the code of the node's page."""
        await self._prepare(page)
        token = self._node.token(self._room, publish=False)
        url = f"{self._node.url}/rooms/{self._room}/whep?publisher=alice"
        await page.evaluate(f"layers.viewByPage({json.dumps(url)}, {json.dumps(token)})")
        return Viewer(page, token, "")

    async def _post(self, path: str, token: str, body: str) -> tuple[httpx.Response, str]:
        """Open a session: the response, and its resource's address. While nothing is published, it is tried again."""
        url = f"{self._node.url}/rooms/{self._room}/{path}"
        headers = {"Authorization": f"Bearer {token}"}
        if body:
            headers["Content-Type"] = "application/sdp"
        end = time.monotonic() + DEADLINE
        async with httpx.AsyncClient() as client:
            while (response := await client.post(url, content=body, headers=headers)).status_code == 409:
                assert time.monotonic() < end, response.text
                await asyncio.sleep(float(response.headers["Retry-After"]))
        assert response.status_code == 201, response.text
        return response, urljoin(url, response.headers["Location"])


def find_link(response: httpx.Response, relation: str) -> str:
    """The target of the `Link` header field (RFC 8288) of this relation."""
    for line in response.headers.get_list("Link"):
        for target, parameters in re.findall(r"<([^>]*)>([^<]*)", line):
            if re.search(rf'rel="?{re.escape(relation)}"?', parameters):
                return str(target)
    raise AssertionError(f"no Link with rel={relation} in the answer: {response.headers!r}")


# What frames show ---------------------------------------------------------------------------------------------------


def steps(frames: Sequence[Frame]) -> list[int]:
    """How far the number of each frame is from that of the one before."""
    between = [(b.number - a.number) % NUMBERS for a, b in itertools.pairwise(frames)]
    return [step - NUMBERS if step > NUMBERS // 2 else step for step in between]


def jumps_back(frames: Sequence[Frame]) -> list[tuple[Frame, Frame]]:
    """Where a frame is earlier in the source than the one before it."""
    pairs = list(itertools.pairwise(frames))
    return [pair for pair, step in zip(pairs, steps(frames), strict=True) if step < 0]


def share(frames: Sequence[Frame]) -> float:
    """Which part of the source's frames these are, between the first and the last of them."""
    assert len(frames) > 1, "no frames, no share"
    return (len(frames) - 1) / sum(steps(frames))


def longest_gap_ms(frames: Sequence[Frame]) -> float:
    """The longest time between two frames."""
    return max(b.at_ms - a.at_ms for a, b in itertools.pairwise(frames))


def widths(frames: Sequence[Frame]) -> set[int]:
    """The widths of these frames."""
    return {frame.width for frame in frames}
