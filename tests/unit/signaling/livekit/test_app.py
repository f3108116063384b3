"""The doors: who is let in, who is told what before the upgrade."""

from __future__ import annotations

import asyncio
import base64
import datetime

import httpx
import pytest
from livekit import api
from livekit.protocol.models import DisconnectReason
from livekit.protocol.rtc import JoinRequest, LeaveRequest, Ping, SignalRequest, WrappedJoinRequest

from sfu.signaling.livekit.options import LiveKitOptions
from tests.unit.signaling.livekit.conftest import KEY, SECRET, Doors, make_token

EXPIRED = (
    api.AccessToken(KEY, SECRET)
    .with_identity("alice")
    .with_ttl(datetime.timedelta(seconds=-120))
    .with_grants(api.VideoGrants(room_join=True, room="lobby"))
    .to_jwt()
)
FORGED = (
    api.AccessToken(KEY, "another-secret-that-is-long-enough-too")
    .with_identity("alice")
    .with_grants(api.VideoGrants(room_join=True, room="lobby"))
    .to_jwt()
)
NO_JOIN = make_token(room_join=False, room_admin=True)
JOIN_REQUEST = base64.urlsafe_b64encode(
    WrappedJoinRequest(join_request=JoinRequest().SerializeToString()).SerializeToString()
).decode()


@pytest.mark.parametrize(
    ("token", "status"), [("", 401), ("nonsense", 401), (EXPIRED, 401), (FORGED, 401), (NO_JOIN, 401)]
)
async def test_who_has_no_good_token_is_refused_before_the_upgrade(doors: Doors, token: str, status: int) -> None:
    for path in ("/rtc", "/rtc/v1"):
        caller = await doors.call(path, access_token=token, join_request=JOIN_REQUEST)
        assert caller.status == status
        assert SECRET.encode() not in caller.body and b"PA_" not in caller.body
    assert not doors.livekit.rooms.by_name


async def test_a_token_is_taken_from_the_header_and_from_the_query(doors: Doors) -> None:
    assert (await doors.call("/rtc", headers={"Authorization": f"Bearer {make_token()}"})).status == 101
    assert (await doors.call("/rtc", access_token=make_token("bob"))).status == 101
    assert (await doors.call("/rtc", headers={"Authorization": f"Basic {make_token()}"})).status == 401
    assert (await doors.call("/rtc", access_token=make_token(), room="another")).status == 401


@pytest.mark.parametrize("query", [{}, {"join_request": "!!"}, {"join_request": "AAAA"}])
async def test_a_join_request_that_cannot_be_read_is_refused(doors: Doors, query: dict[str, str]) -> None:
    caller = await doors.call("/rtc/v1", access_token=make_token(), **query)
    assert caller.status == 400
    assert not doors.livekit.rooms.by_name


async def test_an_identity_that_cannot_be_a_name_is_refused(doors: Doors) -> None:
    assert (await doors.call("/rtc", access_token=make_token("a\u200bb"))).status == 400
    assert (await doors.call("/rtc", access_token=make_token("x" * 200))).status == 400


async def test_validate_says_whether_one_could_enter(doors: Doors) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(doors.app), base_url="http://sfu.test") as http:
        for path, query in (("/rtc/validate", {}), ("/rtc/v1/validate", {"join_request": JOIN_REQUEST})):
            good = await http.get(path, params={"access_token": make_token(), **query})
            assert (good.status_code, good.text, good.headers["access-control-allow-origin"]) == (200, "success", "*")
            bad = await http.get(path, params={"access_token": FORGED, **query})
            assert (bad.status_code, bad.headers["access-control-allow-origin"]) == (401, "*")
        assert (await http.get("/rtc")).status_code == 404
        assert (await http.get("/rtc/v1")).status_code == 404
    assert not doors.livekit.rooms.by_name, "asking makes no room"


class TestWithoutAutoCreate:
    @pytest.fixture
    def options(self) -> LiveKitOptions:
        return LiveKitOptions(auto_create=False)

    async def test_a_room_that_nobody_made_is_not_there(self, doors: Doors) -> None:
        caller = await doors.call("/rtc", access_token=make_token())
        assert (caller.status, caller.body) == (404, b"requested room does not exist")
        async with httpx.AsyncClient(transport=httpx.ASGITransport(doors.app), base_url="http://sfu.test") as http:
            answer = await http.get("/rtc/validate", params={"access_token": make_token()})
            assert (answer.status_code, answer.text) == (404, "requested room does not exist")
        doors.livekit.rooms.create("lobby")
        assert (await doors.call("/rtc", access_token=make_token())).status == 101


async def test_who_does_not_read_is_cut_off_and_may_come_back(doors: Doors) -> None:
    alice = await doors.enter()
    sid = (await alice.until("join")).join.participant.sid
    alice.stalled.clear()
    client = doors.livekit.rooms.by_name["lobby"].clients[0]
    for _ in range(300):
        client.touch()
        doors.livekit.rooms.by_name["lobby"].tell(client)
    await alice.ended_by_server()
    assert doors.livekit.cut["slow_reader"] == 1
    again = await doors.enter(reconnect="1", sid=sid)
    await again.until("reconnect")


class TestRate:
    @pytest.fixture
    def options(self) -> LiveKitOptions:
        return LiveKitOptions(request_rate=200.0, request_burst=10)

    async def test_a_flood_is_answered_slowly_not_lost(self, doors: Doors) -> None:
        alice = await doors.enter()
        began = asyncio.get_running_loop().time()
        for number in range(40):
            await alice.send(SignalRequest(ping_req=Ping(timestamp=number + 1)))
        for number in range(40):
            assert (await alice.until("pong_resp")).pong_resp.last_ping_timestamp == number + 1
        assert asyncio.get_running_loop().time() - began >= (40 - 10) / 200.0 - 0.01
        assert doors.livekit.cut["held_back"] > 0


class TestSilence:
    @pytest.fixture
    def options(self) -> LiveKitOptions:
        return LiveKitOptions(ping_timeout=1)

    async def test_who_asked_before_and_is_silent_is_gone(self, doors: Doors) -> None:
        alice = await doors.enter()
        await alice.send(SignalRequest(ping_req=Ping(timestamp=1)))
        await alice.ended_by_server()
        assert doors.livekit.cut["silent"] == 1


async def test_frames_that_hold_nothing_end_the_socket_after_some(doors: Doors) -> None:
    alice = await doors.enter()
    for _ in range(20):
        await alice.send(b"\xff")
    await alice.ended_by_server()
    assert doors.livekit.requests["malformed"] == 10


async def test_a_frame_that_is_too_large_ends_the_socket(doors: Doors) -> None:
    alice = await doors.enter()
    await alice.send(b"\x00" * (doors.livekit.options.max_request_bytes + 1))
    await alice.ended_by_server()
    assert doors.livekit.cut["too_big"] == 1


async def test_the_end_of_the_server_is_told(doors: Doors) -> None:
    alice = await doors.enter()
    await alice.until("join")
    doors.livekit.end_sessions()
    leave = (await alice.until("leave")).leave
    assert (leave.reason, leave.action) == (DisconnectReason.SERVER_SHUTDOWN, LeaveRequest.Action.RECONNECT)
    await alice.ended_by_server()
