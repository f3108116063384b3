"""A client whose room lives on another node: its socket is passed on to the home, or it is told where that is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus

import httpx
import pytest
from livekit.protocol.models import DisconnectReason
from livekit.protocol.rtc import LeaveRequest, Ping, SignalRequest, SignalResponse
from starlette.applications import Starlette
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

import sfu
from sfu.signaling.http.homes import Home
from sfu.signaling.livekit.app import LiveKit
from tests.unit.signaling.homes import AWAY, FakeHomes
from tests.unit.signaling.livekit.conftest import KEY, PATIENCE, SECRET, Caller, make_token

BYE = SignalRequest(leave=LeaveRequest()).SerializeToString()
DEAD = Home("http://127.0.0.1:9", "eu")
"""Where nobody listens (RFC 863)."""


@pytest.fixture
def homes() -> FakeHomes:
    return FakeHomes()


@pytest.fixture
async def livekit(homes: FakeHomes) -> AsyncIterator[LiveKit]:
    async with sfu.Server() as server:
        livekit = LiveKit(server, {KEY: SECRET}, homes=homes)
        yield livekit
        await livekit.close()
        assert not server.rooms


@pytest.fixture
async def call(livekit: LiveKit) -> AsyncIterator[Callable[..., Awaitable[Caller]]]:
    app = Starlette(routes=[*livekit.routes])
    callers: list[Caller] = []

    async def call(path: str = "/rtc", headers: dict[str, str] | None = None, **query: str) -> Caller:
        caller = Caller(app)
        callers.append(caller)
        return await caller.open(path, headers, access_token=make_token(), protocol="16", **query)

    yield call
    for caller in callers:
        await caller.close()


class TheHome:
    """Another node, as far as sockets go: it repeats what it hears."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.refusal: HTTPStatus | None = None
        self.ended = asyncio.Event()

    def look(self, connection: ServerConnection, request: Request) -> Response | None:
        self.requests.append(request)
        return None if self.refusal is None else connection.respond(self.refusal, "there is no room for you\n")

    async def talk(self, connection: ServerConnection) -> None:
        try:
            async for message in connection:
                await connection.send(message)
                if message == BYE:
                    await connection.close(1008, "that will do")
                    return
        finally:
            self.ended.set()


@pytest.fixture
async def home(homes: FakeHomes) -> AsyncIterator[TheHome]:
    node = TheHome()
    async with serve(node.talk, "127.0.0.1", 0, process_request=node.look) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        homes.rooms["lobby"] = Home(f"http://127.0.0.1:{port}/media", "eu")
        yield node


@pytest.mark.parametrize("path", ["/rtc", "/rtc/v1"])
async def test_a_socket_is_passed_on_to_the_home_with_all_that_it_says(
    home: TheHome, call: Callable[..., Awaitable[Caller]], livekit: LiveKit, path: str
) -> None:
    more = {"join_request": "CgA"} if path == "/rtc/v1" else {}
    caller = await call(path, {"User-Agent": "a client"}, sdk="js", **more)
    assert caller.status == 101
    (asked,) = home.requests
    assert asked.path.startswith(f"/media{path}?access_token=") and "sdk=js" in asked.path
    kept = {name.lower(): value for name, value in asked.headers.raw_items()}
    assert (kept["user-agent"], kept["x-forwarded-for"], kept["sfu-forwarded"]) == ("a client", "127.0.0.1", "1")
    ping = SignalRequest(ping_req=Ping(timestamp=7))
    await caller.send(ping)
    answer = await caller.next()
    assert isinstance(answer, SignalResponse) and answer.SerializeToString() == ping.SerializeToString()
    await caller.send("a text")
    assert await caller.next() == "a text"
    assert livekit.passed_on == 1
    await caller.hang_up()
    await asyncio.wait_for(home.ended.wait(), PATIENCE)
    assert livekit.passed_on == 0


async def test_the_home_ends_it_for_both(home: TheHome, call: Callable[..., Awaitable[Caller]]) -> None:
    caller = await call()
    await caller.send(BYE)
    await caller.next()
    message = await asyncio.wait_for(caller._from.get(), PATIENCE)
    assert (message["type"], message["code"]) == ("websocket.close", 1008)


async def test_a_node_that_stops_ends_what_it_passes_on(
    home: TheHome, call: Callable[..., Awaitable[Caller]], livekit: LiveKit
) -> None:
    caller = await call()
    livekit.end_sessions()
    await caller.ended_by_server()
    await asyncio.wait_for(home.ended.wait(), PATIENCE)


async def test_what_the_home_refuses_is_refused(home: TheHome, call: Callable[..., Awaitable[Caller]]) -> None:
    home.refusal = HTTPStatus.SERVICE_UNAVAILABLE
    caller = await call()
    assert (caller.status, caller.body) == (503, b"there is no room for you\n")


@pytest.mark.parametrize("forwarded", [False, True], ids=["it does not answer", "a node that was wrong has sent it"])
async def test_where_nothing_is_passed_on_the_client_is_told_of_the_home(
    homes: FakeHomes, call: Callable[..., Awaitable[Caller]], forwarded: bool
) -> None:
    homes.rooms["lobby"] = AWAY if forwarded else DEAD
    caller = await call(headers={"Sfu-Forwarded": "1"} if forwarded else {})
    leave = (await caller.until("leave")).leave
    assert (leave.action, leave.reason) == (LeaveRequest.Action.RECONNECT, DisconnectReason.MIGRATION)
    (region,) = leave.regions.regions
    expected = "wss://b.sfu.test" if forwarded else "ws://127.0.0.1:9"
    assert (region.region, region.url, region.distance) == ("eu", expected, 0)
    assert caller.kinds() == ["leave"]
    await caller.ended()


async def test_who_may_not_come_in_asks_nobody(homes: FakeHomes, livekit: LiveKit) -> None:
    caller = await Caller(Starlette(routes=[*livekit.routes])).open("/rtc", access_token="none")
    assert (caller.status, homes.entered) == (401, [])


async def test_a_room_of_which_nobody_can_tell_is_refused_before_the_upgrade(
    homes: FakeHomes, call: Callable[..., Awaitable[Caller]], livekit: LiveKit
) -> None:
    homes.unknown.add("lobby")
    caller = await call()
    assert (caller.status, len(livekit.rooms)) == (503, 0)


async def test_who_comes_back_is_led_to_where_he_was(home: TheHome, call: Callable[..., Awaitable[Caller]]) -> None:
    caller = await call(reconnect="1", sid="PA_x")
    assert caller.status == 101 and "reconnect=1" in home.requests[0].path


async def test_the_nodes_are_listed_for_who_asks_by_region(homes: FakeHomes, livekit: LiveKit) -> None:
    app = Starlette(routes=[*livekit.routes])
    headers = {"Authorization": f"Bearer {make_token()}"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sfu", headers=headers) as http:
        told = await http.get("/settings/regions")
        assert [(each["region"], each["url"]) for each in told.json()["regions"]] == [
            ("a.sfu.test", "wss://a.sfu.test"),
            ("eu", "wss://b.sfu.test"),
        ]
        assert "max-age" in told.headers["cache-control"]
        assert (await http.get("/settings/regions", headers={"Authorization": "Bearer x"})).status_code == 401
        homes.us = None
        assert (await http.get("/settings/regions")).status_code == 404


async def test_the_people_of_a_room_that_another_node_has_now_are_sent_there(
    call: Callable[..., Awaitable[Caller]], livekit: LiveKit
) -> None:
    caller = await call()
    await caller.until("join")
    livekit.rooms.send_away("lobby", AWAY)
    leave = (await caller.until("leave")).leave
    assert (leave.action, leave.reason) == (LeaveRequest.Action.RECONNECT, DisconnectReason.MIGRATION)
    assert [region.url for region in leave.regions.regions] == ["wss://b.sfu.test"]
    assert len(livekit.rooms) == 0
    livekit.rooms.send_away("nowhere", AWAY)


async def test_a_node_that_drains_names_the_others(call: Callable[..., Awaitable[Caller]], livekit: LiveKit) -> None:
    caller = await call()
    await caller.until("join")
    livekit.rooms.close()
    leave = (await caller.until("leave")).leave
    assert [region.url for region in leave.regions.regions] == ["wss://b.sfu.test"]
