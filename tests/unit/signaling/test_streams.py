from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from starlette.applications import Starlette

import sfu
from sfu.signaling import SignalingOptions, create_app
from tests.unit.signaling.conftest import SDP, SEND, FakeAuthorizer
from tests.unit.signaling.event_streams import Stream, opened

NOBODY = {
    "room": "lobby",
    "peers": [],
    "speakers": [],
    "dominant_speaker": None,
    "recording": None,
    "recordings": [],
    "draining": None,
}


@pytest.fixture
def token(authorizer: FakeAuthorizer) -> dict[str, str]:
    return authorizer.add("viewer", publish=False)


async def test_a_stream_tells_the_room_and_then_its_changes(
    app: Starlette, http: httpx.AsyncClient, token: dict[str, str]
) -> None:
    async with opened(app, "lobby", token) as stream:
        assert await stream.events() == [("snapshot", NOBODY)]
        assert (stream.status, stream.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        assert "content-length" not in stream.headers
        posted = await http.post("/rooms/lobby/whip?peer=alice~0001", content=SEND, headers=SDP)
        heard = await stream.events()
        assert [name for name, _ in heard] == ["joined", "published", "published"]
        assert {data["peer"] for _, data in heard} == {"alice~0001"}
        track = heard[1][1]["track"]
        room = (await http.get("/rooms/lobby")).json()
        assert room["peers"] == [{"name": "alice~0001", "state": "connecting", "tracks": [track, heard[2][1]["track"]]}]
        assert (track["kind"], track["codec"], track["muted"]) == ("audio", "opus", False)
        await http.delete(posted.headers["location"])
        heard = await stream.events()
        assert [name for name, _ in heard] == ["ended", "ended", "left"]
        assert heard[0][1]["track"] == {"id": track["id"]}


async def test_a_later_stream_begins_with_who_is_there(
    app: Starlette, http: httpx.AsyncClient, token: dict[str, str]
) -> None:
    await http.post("/rooms/lobby/whip?peer=alice", content=SEND, headers=SDP)
    async with opened(app, "lobby", token) as stream:
        ((name, snapshot),) = await stream.events()
        assert (name, [peer["name"] for peer in snapshot["peers"]]) == ("snapshot", ["alice"])


@pytest.mark.parametrize("whole", [True, False])
async def test_everybody_is_told_that_the_server_is_to_stop_and_who_comes_later_by_the_snapshot(
    app: Starlette, http: httpx.AsyncClient, server: sfu.Server, authorizer: FakeAuthorizer, whole: bool
) -> None:
    await http.post("/rooms/lobby/whip?peer=alice", content=SEND, headers=SDP)
    token = authorizer.add("reader", subscribe=whole)
    async with opened(app, "lobby", token) as stream:
        await stream.events()
        server.drain(90.0)
        assert await stream.events() == [("draining", {"seconds": 90})]
        async with opened(app, "lobby", token) as later:
            ((name, snapshot),) = await later.events()
            assert name == "snapshot"
            assert 80 <= snapshot["draining"] <= 90
        server.end_drain()
        assert await stream.events() == [("draining", {"seconds": None})]


async def test_the_token_may_stand_in_the_query_of_a_stream_only(
    app: Starlette, http: httpx.AsyncClient, token: dict[str, str]
) -> None:
    async with opened(app, "lobby", {}, "access_token=viewer") as stream:
        assert (await stream.events())[0][0] == "snapshot"
    anonymous = {"Authorization": ""}
    for path in ("/rooms/lobby/events", "/rooms/lobby/events?access_token=wrong", "/rooms/lobby?access_token=viewer"):
        assert (await http.get(path, headers=anonymous)).status_code == 401, path


async def test_other_rooms_are_not_heard(
    app: Starlette, http: httpx.AsyncClient, authorizer: FakeAuthorizer, token: dict[str, str]
) -> None:
    attic = authorizer.add("attic", room="attic")
    async with opened(app, "lobby", token) as stream:
        await stream.events()
        await http.post("/rooms/attic/whip?peer=carol", content=SEND, headers=SDP | attic)
        await http.post("/rooms/lobby/whip?peer=alice", content=SEND, headers=SDP)
        assert {data["peer"] for _, data in await stream.events()} == {"alice"}


async def test_a_room_s_streams_are_counted_and_a_stream_that_ends_makes_place(
    app: Starlette, http: httpx.AsyncClient, token: dict[str, str]
) -> None:
    streams = app.state.signaling.streams
    async with opened(app, "lobby", token) as first:
        await first.events()
        async with opened(app, "lobby", token) as second:
            await second.events()
            refused = await http.get("/rooms/lobby/events")
            assert (refused.status_code, refused.headers["content-type"]) == (503, "application/problem+json")
            assert len(streams) == 2
        assert len(streams) == 1
    assert len(streams) == 0


async def test_a_slow_client_gets_a_new_snapshot_in_place_of_what_it_missed(
    app: Starlette, http: httpx.AsyncClient, token: dict[str, str]
) -> None:
    async with opened(app, "lobby", token) as stream:
        await stream.events()
        stream.blocked.clear()
        await http.post("/rooms/lobby/whip?peer=alice", content=SEND, headers=SDP)
        await asyncio.sleep(0)
        for name in ("bob", "carol"):  # more than the three events that may wait
            await http.post(f"/rooms/lobby/whip?peer={name}", content=SEND, headers=SDP)
        stream.blocked.set()
        heard = await stream.events()
        while heard[-1][0] != "snapshot":
            heard += await stream.events()
        assert [peer["name"] for peer in heard[-1][1]["peers"]] == ["alice", "bob", "carol"]


async def test_streams_end_with_the_server(
    app: Starlette, server: sfu.Server, http: httpx.AsyncClient, token: dict[str, str]
) -> None:
    stream = Stream(app, "lobby", token)
    await stream.events()
    await server.close()
    assert await stream.text() == ""
    await asyncio.wait_for(stream.task, 5)
    assert (await http.get("/rooms/lobby/events")).status_code == 503


async def test_streams_end_when_the_process_is_asked_to_stop(
    app: Starlette, server: sfu.Server, token: dict[str, str]
) -> None:
    stream = Stream(app, "lobby", token)
    await stream.events()
    app.state.signaling.end_streams()
    assert await stream.text() == ""
    await asyncio.wait_for(stream.task, 5)
    assert server.running


@pytest.fixture
async def impatient(server: sfu.Server, authorizer: FakeAuthorizer) -> AsyncIterator[Starlette]:
    options = SignalingOptions(stream_keepalive=0.02, stream_send_timeout=0.05)
    app = create_app(server, authorizer, options)
    yield app
    await app.state.signaling.close()


async def test_silence_is_filled(impatient: Starlette, token: dict[str, str]) -> None:
    async with opened(impatient, "lobby", token) as stream:
        await stream.events()
        assert await stream.text() == ": keep-alive\n\n"


async def test_a_client_that_takes_nothing_is_let_go(impatient: Starlette, token: dict[str, str]) -> None:
    stream = Stream(impatient, "lobby", token)
    await stream.events()
    stream.blocked.clear()
    await asyncio.wait_for(stream.task, 5)
    assert len(impatient.state.signaling.streams) == 0


async def test_looking_at_a_room_does_not_make_it(http: httpx.AsyncClient, nothing_left: Callable[[], None]) -> None:
    assert (await http.get("/rooms/lobby")).json() == NOBODY
    nothing_left()
