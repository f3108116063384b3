from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

import sfu
from sfu import Layer
from tests.unit.signaling import layered
from tests.unit.signaling.conftest import FakeAuthorizer
from tests.unit.signaling.layered import measured, subscription, video, viewing, without_header

__all__ = ["measured", "subscription", "video", "viewing"]


async def test_the_room_shows_how_its_tracks_come_in(
    http: httpx.AsyncClient, video: sfu.Track, viewing: httpx.Response
) -> None:
    response = await http.get("/rooms/lobby/stats")
    assert (response.status_code, response.headers["cache-control"]) == (200, "no-store")
    room = response.json()
    assert (room["room"], [peer["name"] for peer in room["peers"]]) == ("lobby", ["alice", "bob"])
    sound, picture = room["peers"][0]["tracks"]
    assert (sound["kind"], picture["kind"], picture["codec"], picture["muted"]) == ("audio", "video", "VP8", False)
    assert (picture["id"], picture["subscriptions"]) == (video.id, 1)
    low, _, high = picture["encodings"]
    assert (low["rid"], low["active"], low["bit_rate_bps"], low["round_trip_time_s"]) == ("q", True, 100_000, None)
    assert low["layer_bit_rates_bps"] == [
        {"spatial": 0, "temporal": 0, "bit_rate_bps": 50_000},
        {"spatial": 0, "temporal": 1, "bit_rate_bps": 50_000},
    ]
    assert (high["rid"], high["active"]) == ("f", False)
    assert "subscriptions" not in room["peers"][1]


async def test_a_peer_shows_how_it_receives(http: httpx.AsyncClient, subscription: sfu.Subscription) -> None:
    subscription.set_ceiling(Layer(0, 1))
    room = (await http.get("/rooms/lobby/stats?peer=bob")).json()
    (bob,) = room["peers"]
    assert (bob["name"], bob["tracks"]) == ("bob", [])
    _, picture = bob["subscriptions"]
    assert (picture["id"], picture["track"], picture["mid"]) == (subscription.id, subscription.track.id, "1")
    assert (picture["publisher"], picture["kind"], picture["fraction_lost"]) == ("alice", "video", 0.02)
    assert picture["ceiling"] == picture["target"] == {"spatial": 0, "temporal": 1}
    assert (picture["current"], picture["paused"], picture["freezes"]) == (None, False, 0)


async def test_how_a_peer_receives_is_its_own_matter(
    app: Starlette, http: httpx.AsyncClient, authorizer: FakeAuthorizer, viewing: httpx.Response
) -> None:
    own = authorizer.add("bob", peer="bob", publish=False)
    for query, status in (("", 200), ("?peer=bob", 200), ("?peer=alice", 403), ("?peer=nobody", 403), ("?peer=", 400)):
        assert (await http.get(f"/rooms/lobby/stats{query}", headers=own)).status_code == status, query
    assert (await http.get("/rooms/lobby/stats?peer=nobody")).status_code == 404
    publisher = authorizer.add("publisher", subscribe=False)
    elsewhere = authorizer.add("elsewhere", room="attic")
    for headers, status in ((publisher, 403), (elsewhere, 403), ({"Authorization": ""}, 401)):
        assert (await http.get("/rooms/lobby/stats", headers=headers)).status_code == status
    async with without_header(app) as bare:
        assert (await bare.get("/rooms/lobby/stats?access_token=bob")).status_code == 401


async def test_many_who_ask_cost_one_look(
    http: httpx.AsyncClient, video: sfu.Track, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0

    def count(track: sfu.Track) -> Any:
        nonlocal looks
        looks += 1
        return layered.measure_track(track)

    monkeypatch.setattr(sfu.Track, "stats", count, raising=False)
    answers = {(await http.get("/rooms/lobby/stats")).text for _ in range(20)}
    assert len(answers) * len(video.encodings) >= 3
    assert looks <= 2 * 2  # two Tracks; the second here may have begun while we asked


async def test_looking_at_a_room_does_not_make_it(http: httpx.AsyncClient, nothing_left: Callable[[], None]) -> None:
    assert (await http.get("/rooms/lobby/stats")).json() == {"room": "lobby", "peers": []}
    assert (await http.get("/rooms/no room/stats")).status_code == 400
    nothing_left()


async def test_a_peer_sees_what_its_path_carries(http: httpx.AsyncClient, subscription: sfu.Subscription) -> None:
    (bob,) = (await http.get("/rooms/lobby/stats?peer=bob")).json()["peers"]
    (connection,) = bob["connections"]
    assert connection["bandwidth"]["estimate_bps"] is None  # its client offered no feedback to tell it by
    assert connection["bandwidth"]["budget_bps"] is None
    assert {"allocated_bps", "wanted_bps", "sent_bps", "received_bps", "queue_delay_s"} <= set(connection["bandwidth"])
    assert bob["subscriptions"][1]["starved"] is False
