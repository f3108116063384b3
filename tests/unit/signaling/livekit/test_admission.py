"""How LiveKit clients and servers are told that there is no room for what would come new."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator

import httpx
import pytest
from livekit import api
from starlette.applications import Starlette

import sfu
from sfu.signaling.livekit import create_app
from sfu.signaling.livekit.options import LiveKitOptions
from sfu.signaling.livekit.rooms import Rooms
from tests.unit.signaling.admissions import BUSY, FULL, Asked
from tests.unit.signaling.livekit.conftest import KEY, SECRET, Caller, make_token


@pytest.fixture
def asked() -> Asked:
    return Asked()


@pytest.fixture
async def server() -> AsyncIterator[sfu.Server]:
    async with sfu.Server() as server:
        yield server
        assert not server.rooms
        assert server.attendance.count_rooms(KEY) == server.attendance.count_peers(KEY) == 0


@pytest.fixture
async def app(server: sfu.Server, asked: Asked) -> AsyncIterator[Starlette]:
    app = create_app(server, {KEY: SECRET}, admission=asked)
    yield app
    await app.state.close()


@pytest.fixture
async def http(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    token = api.AccessToken(KEY, SECRET).with_grants(
        api.VideoGrants(room_create=True, room_admin=True, room="lobby", destination_room="court")
    )
    headers = {"Authorization": f"Bearer {token.to_jwt()}"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sfu", headers=headers) as client:
        yield client


async def enter(app: Starlette, identity: str = "alice", path: str = "/rtc", **query: str) -> Caller:
    return await Caller(app).open(path, access_token=make_token(identity), protocol="16", **query)


async def test_who_would_come_new_is_refused_before_the_upgrade_and_by_validate(
    app: Starlette, http: httpx.AsyncClient, asked: Asked, server: sfu.Server
) -> None:
    asked.refusal = BUSY
    caller = await enter(app)
    assert (caller.status, caller.body) == (503, b"Try again.")
    params = {"access_token": make_token()}
    del http.headers["Authorization"]
    answer = await http.get("/rtc/validate", params=params)
    assert (answer.status_code, answer.text, answer.headers["retry-after"]) == (503, "Try again.", "5")
    assert answer.headers["access-control-allow-origin"] == "*"
    asked.refusal = FULL
    assert (await http.get("/rtc/validate", params=params)).status_code == 429
    assert {demand.wants for demand in asked.demands} == {frozenset({"room", "peer"})}
    assert {demand.tenant for demand in asked.demands} == {KEY}
    assert not server.rooms
    assert server.attendance.count_rooms(KEY) == 0


async def test_who_is_in_may_come_again_and_resume(app: Starlette, asked: Asked, http: httpx.AsyncClient) -> None:
    first = await enter(app)
    sid = (await first.until("join")).join.participant.sid
    asked.refusal = BUSY
    resumed = await enter(app, reconnect="1", sid=sid)
    assert resumed.status == 101
    del http.headers["Authorization"]
    query = {"access_token": make_token(), "reconnect": "1", "sid": sid}
    assert (await http.get("/rtc/validate", params=query)).status_code == 200
    again = await enter(app)
    assert again.status == 101
    assert (await enter(app, "bob")).status == 503
    for caller in (first, resumed, again):
        await caller.close()


async def test_who_was_there_a_moment_ago_is_known_as_returning(
    app: Starlette, asked: Asked, server: sfu.Server
) -> None:
    first = await enter(app)
    await first.until("join")
    server.rooms["lobby"].peers["alice"].leave()
    asked.demands.clear()
    again = await enter(app)
    other = await enter(app, "bob")
    assert [demand.returning for demand in asked.demands] == [True, False]
    for caller in (first, again, other):
        await caller.close()


async def test_a_room_is_its_opener_s_also_while_nobody_is_in_it(
    app: Starlette, asked: Asked, server: sfu.Server, http: httpx.AsyncClient
) -> None:
    assert (await http.post("/twirp/livekit.RoomService/CreateRoom", json={"name": "lobby"})).status_code == 200
    assert server.attendance.find_opener("lobby") == KEY
    alice = await enter(app)
    await alice.until("join")
    assert (server.attendance.count_rooms(KEY), server.attendance.count_peers(KEY)) == (1, 1)
    assert [demand.wants for demand in asked.demands] == [{"room"}, {"peer"}]
    assert (await http.post("/twirp/livekit.RoomService/DeleteRoom", json={"room": "lobby"})).status_code == 200
    assert server.attendance.find_opener("lobby") is None
    await alice.close()


@pytest.mark.parametrize(("refusal", "status", "code"), [(BUSY, 503, "unavailable"), (FULL, 429, "resource_exhausted")])
async def test_a_room_that_would_be_made_is_refused_in_twirp_s_words(
    http: httpx.AsyncClient, asked: Asked, refusal: object, status: int, code: str
) -> None:
    asked.refusal = BUSY if refusal is BUSY else FULL
    answer = await http.post("/twirp/livekit.RoomService/CreateRoom", json={"name": "lobby"})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["meta"] == {"reason": asked.refusal.reason}
    assert answer.headers["retry-after"] == ("5" if refusal is BUSY else "30")
    asked.refusal = None
    assert (await http.post("/twirp/livekit.RoomService/CreateRoom", json={"name": "lobby"})).status_code == 200
    asked.refusal = BUSY  # what is there can be changed
    assert (await http.post("/twirp/livekit.RoomService/CreateRoom", json={"name": "lobby"})).status_code == 200


async def test_who_is_moved_to_a_room_that_is_there_returns_to_it(
    app: Starlette, http: httpx.AsyncClient, asked: Asked
) -> None:
    move = {"room": "lobby", "identity": "alice", "destination_room": "court"}
    alice = await enter(app)
    await alice.until("join")
    asked.refusal = BUSY
    assert (await http.post("/twirp/livekit.RoomService/MoveParticipant", json=move)).status_code == 503
    asked.refusal = None
    assert (await http.post("/twirp/livekit.RoomService/MoveParticipant", json=move)).status_code == 200
    asked.demands.clear()
    moved = await Caller(app).open("/rtc", access_token=make_token(room="court"), protocol="16")
    assert [demand.returning for demand in asked.demands] == [True]
    for caller in (alice, moved):
        await caller.close()


async def test_validate_says_that_a_server_drains(app: Starlette, server: sfu.Server) -> None:
    server.drain(42.0)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sfu") as client:
        answer = await client.get("/rtc/validate", params={"access_token": make_token()})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "42")


async def test_a_room_that_another_process_takes_over_is_still_its_opener_s(server: sfu.Server) -> None:
    rooms = Rooms(server, LiveKitOptions(), time.time)
    rooms.create("lobby", tenant=KEY)
    handed = json.loads(json.dumps(rooms.hand_over()))
    assert server.attendance.find_opener("lobby") is None
    after = Rooms(server, LiveKitOptions(), time.time)
    after.take_over(handed)
    assert server.attendance.find_opener("lobby") == KEY
    after.end(after.by_name["lobby"])
    assert server.attendance.find_opener("lobby") is None
