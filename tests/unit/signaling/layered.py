"""A publisher with three Encodings, numbers for its statistics, and a reader of event streams."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

import sfu
from sfu import Layer
from tests.unit.offers import make_offer
from tests.unit.signaling.conftest import RECEIVE, SDP

RIDS = ("q", "h", "f")
RATES = (100_000, 400_000, 1_500_000)
_SIMULCAST = [
    "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid",
    "a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
    *(f"a=rid:{rid} send" for rid in RIDS),
    f"a=simulcast:send {';'.join(RIDS)}",
]
SIMULCAST = make_offer(("audio", "sendonly"), ("video", "sendonly")).replace(
    "a=msid:stream track\r\na=ssrc:1001 cname:client", "\r\n".join(["a=msid:stream track", *_SIMULCAST])
)


def encoding_stats(**about: Any) -> SimpleNamespace:
    """An `EncodingStats`; what is not named is nothing."""
    numbers = dict.fromkeys(("packets", "octets", "bit_rate_bps", "packets_lost", "nacks_sent", "packets_repaired"), 0)
    rest = {"rid": "", "ssrc": 7, "active": True, "fraction_lost": 0.0, "jitter_s": 0.0, "round_trip_time_s": None}
    layers = {"key_frame_requests": 0, "spatial_layers": 1, "temporal_layers": 1, "layer_bit_rates_bps": {}}
    return SimpleNamespace(**{**numbers, **rest, **layers, **about})


def subscription_stats(**about: Any) -> SimpleNamespace:
    """A `SubscriptionStats`; what is not named is nothing."""
    names = ("packets", "octets", "bit_rate_bps", "packets_lost", "nacks_received", "packets_retransmitted")
    more = ("packets_not_retransmitted", "key_frame_requests", "layer_switches", "freezes")
    rest = {"id": "s", "track": "t", "fraction_lost": 0.0, "jitter_s": 0.0, "round_trip_time_s": None}
    layers = {"ceiling": Layer(3, 7), "target": None, "current": None, "paused": False, "starved": False}
    return SimpleNamespace(**{**dict.fromkeys((*names, *more), 0), **rest, **layers, **about})


def measure_track(track: sfu.Track) -> Any:
    """Two temporal layers of one rate in each Encoding that is active; 100, 400 and 1,500 kbit/s."""
    encodings = []
    for index, encoding in enumerate(track.encodings):
        rate = RATES[index] if encoding.active else 0
        rates = {Layer(index, 0): rate // 2, Layer(index, 1): rate // 2}
        about = {"rid": encoding.rid, "active": encoding.active, "bit_rate_bps": rate, "packets": 10 * (index + 1)}
        encodings.append(encoding_stats(**about, temporal_layers=2, layer_bit_rates_bps=rates))
    return SimpleNamespace(id=track.id, kind=track.kind, codec=track.codec.name, encodings=tuple(encodings))


def measure_subscription(held: sfu.Subscription) -> Any:
    """Its layers as they are, and a loss of 2 %."""
    layers = {"ceiling": held.ceiling, "target": held.target, "current": held.current}
    return subscription_stats(
        id=held.id, track=held.track.id, paused=held.paused, starved=held.starved, fraction_lost=0.02, **layers
    )


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Statistics without a plane that forwards anything."""
    monkeypatch.setattr(sfu.Track, "stats", measure_track, raising=False)
    monkeypatch.setattr(sfu.Subscription, "stats", measure_subscription, raising=False)


@pytest.fixture
async def video(http: httpx.AsyncClient, server: sfu.Server, measured: None) -> sfu.Track:
    """Alice's simulcast in the lobby, whose two lower Encodings flow."""
    assert (await http.post("/rooms/lobby/whip?peer=alice", content=SIMULCAST, headers=SDP)).status_code == 201
    _, video = server.rooms["lobby"].peers["alice"].tracks
    assert [encoding.rid for encoding in video.encodings] == list(RIDS)
    for encoding in video.encodings[:2]:
        encoding.active = True
    return video


@pytest.fixture
async def viewing(http: httpx.AsyncClient, video: sfu.Track) -> httpx.Response:
    """Bob's WHEP session, which receives her."""
    response = await http.post("/rooms/lobby/whep?publisher=alice&peer=bob", content=RECEIVE, headers=SDP)
    assert response.status_code == 201, response.text
    return response


@pytest.fixture
def subscription(server: sfu.Server, viewing: httpx.Response) -> sfu.Subscription:
    """What Bob has of her video."""
    _, video = server.rooms["lobby"].peers["bob"].subscriptions
    return video


def without_header(app: Starlette) -> httpx.AsyncClient:
    """A client that sends no Authorization header at all, as EventSource does."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sfu.test")


Told = tuple[str, dict[str, Any]]


class Stream:
    """A client of one event stream, at the ASGI level, which httpx's transport cannot read bit by bit."""

    def __init__(self, app: Starlette, path: str, headers: dict[str, str], query: str = "") -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self._text = asyncio.Queue[str]()
        self._gone = asyncio.Event()
        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "query_string": query.encode(),
            "headers": [(key.lower().encode(), value.encode()) for key, value in headers.items()],
        }
        self.task = asyncio.ensure_future(app(scope, self._receive, self._send))  # type: ignore[arg-type]

    async def _receive(self) -> dict[str, Any]:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {key.decode(): value.decode() for key, value in message["headers"]}
        else:
            self._text.put_nowait(message["body"].decode())

    async def text(self) -> str:
        return await asyncio.wait_for(self._text.get(), 5)

    async def events(self) -> list[Told]:
        """The events of the next chunk."""
        found = []
        for block in (await self.text()).split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":"))
            if "event" in fields:
                found.append((fields["event"], json.loads(fields["data"])))
        return found

    async def ended(self) -> None:
        """The last chunk has come, and nothing else."""
        assert await self.text() == ""
        await asyncio.wait_for(self.task, 5)

    async def leave(self) -> None:
        self._gone.set()
        await asyncio.wait_for(self.task, 5)


@asynccontextmanager
async def reading(app: Starlette, path: str, headers: dict[str, str], query: str = "") -> AsyncIterator[Stream]:
    stream = Stream(app, path, headers, query)
    try:
        yield stream
    finally:
        await stream.leave()
