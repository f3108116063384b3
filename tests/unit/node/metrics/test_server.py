from __future__ import annotations

import httpx
import pytest
from starlette.applications import Starlette

import sfu
from tests.unit.node.scraping import RECEIVE, SDP, SEND, scrape


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
