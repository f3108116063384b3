from __future__ import annotations

import time
from collections.abc import AsyncIterator

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette

import sfu
from sfu.node.app import create_node_app
from sfu.node.config.settings import Settings
from sfu.node.config.sources import load_settings
from sfu.node.tokens import DEV_KEY_ID, issue_token
from tests.unit.offers import make_offer

SDP = {"Content-Type": "application/sdp"}
SEND = make_offer(("audio", "sendonly"), ("video", "sendonly"))
RECEIVE = make_offer(("audio", "recvonly"), ("video", "recvonly"))


@pytest.fixture
async def server() -> AsyncIterator[sfu.Server]:
    async with sfu.Server() as server:
        yield server


@pytest.fixture
def settings() -> Settings:
    return load_settings({"dev": True}, None)


@pytest.fixture
async def app(server: sfu.Server, settings: Settings) -> AsyncIterator[Starlette]:
    app = create_node_app(server, settings)
    yield app
    await app.state.signaling.close()


@pytest.fixture
async def http(app: Starlette, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    secret = settings.secrets()[DEV_KEY_ID]
    token = issue_token(DEV_KEY_ID, secret, room="lobby", now=time.time(), ttl=60, publish=True, subscribe=True)
    headers = {"Authorization": f"Bearer {token}"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://sfu.test", headers=headers) as http:
        yield http


async def scrape(http: httpx.AsyncClient) -> dict[tuple[str, str], float]:
    """Value by name and the values of the labels."""
    text = (await http.get("/metrics")).text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    found = {(sample.name, ",".join(sample.labels.values())): sample.value for sample in samples}
    assert len(found) == len(samples)  # no series twice
    return found


async def test_subscriptions_that_get_nothing_yet_are_counted_as_such(http: httpx.AsyncClient) -> None:
    await http.post("/rooms/lobby/whip?peer=alice", content=SEND, headers=SDP)
    await http.post("/rooms/lobby/whep?peer=bob", content=RECEIVE, headers=SDP)
    found = await scrape(http)
    assert found["sfu_subscriptions", "audio,none"] == found["sfu_subscriptions", "video,none"] == 1
    assert found["sfu_encodings_active", "VP8"] == found["sfu_encodings_packets_total", "VP8"] == 0
    assert found["sfu_subscription_fraction_lost_bucket", "video,+Inf"] == 0
    everything = await http.get("/metrics")
    assert "alice" not in everything.text and "lobby" not in everything.text


async def test_statistics_of_a_real_room(http: httpx.AsyncClient) -> None:
    await http.post("/rooms/lobby/whip?peer=alice", content=SEND, headers=SDP)
    await http.post("/rooms/lobby/whep?peer=bob", content=RECEIVE, headers=SDP)
    alice, bob = (await http.get("/rooms/lobby/stats")).json()["peers"]
    assert [track["encodings"][0]["packets"] for track in alice["tracks"]] == [0, 0]
    assert bob["tracks"] == []
    (bob,) = (await http.get("/rooms/lobby/stats?peer=bob")).json()["peers"]
    assert [held["bit_rate_bps"] for held in bob["subscriptions"]] == [0, 0]


async def test_the_plane_s_repeats_are_called_retransmissions(
    http: httpx.AsyncClient, server: sfu.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    counters = {
        "repeated_packets": 5,
        "repeat_refused": 2,
        "repeat_missed": 1,
        "repaired_packets": 4,
        "layer_switches": 3,
        "nacks_received": 9,
        "drop_late": 6,
        'hostile"} 1': 7,
    }
    monkeypatch.setattr(server, "counters", lambda: counters)
    found = await scrape(http)
    assert found["sfu_retransmitted_packets_total", ""] == 5
    assert found["sfu_not_retransmitted_packets_total", "refused"] == 2
    assert found["sfu_not_retransmitted_packets_total", "missed"] == 1
    assert found["sfu_repaired_packets_total", ""] == 4
    assert found["sfu_layer_switches_total", ""] == 3
    assert found["sfu_nacks_received_total", ""] == 9
    assert found["sfu_drops_total", "late"] == 6
    assert not any("repeat" in name or "hostile" in name for name, _ in found)


async def test_streams_of_both_kinds_are_counted(http: httpx.AsyncClient, app: Starlette) -> None:
    assert (await scrape(http))["sfu_event_streams", ""] == 0
    stream = app.state.signaling.streams.open("lobby")
    assert (await scrape(http))["sfu_event_streams", ""] == 1
    stream.end()
    assert (await scrape(http))["sfu_event_streams", ""] == 0
