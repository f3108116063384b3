"""Calls of the server API at a node that does not have the room are made where it is."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import httpx
import pytest
from livekit import api
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import sfu
from sfu.signaling import SignalingOptions
from sfu.signaling.http.homes import Home
from sfu.signaling.livekit.app import LiveKit
from sfu.signaling.livekit.server_api import ServerApi
from sfu.signaling.livekit.twirp import forwarding as forwarding_module
from tests.unit.signaling.homes import FakeHomes
from tests.unit.signaling.livekit.conftest import KEY, SECRET

A, B = Home("http://a.test"), Home("http://b.test", "eu")


class Node:
    def __init__(self, homes: FakeHomes, livekit: LiveKit, server_api: ServerApi) -> None:
        self.homes = homes
        self.livekit = livekit
        self.api = server_api
        self.app = Starlette(routes=[*server_api.routes])

    async def call(self, method: str, body: dict[str, object], headers: dict[str, str] | None = None) -> httpx.Response:
        grants = api.VideoGrants(
            room_create=True, room_list=True, room_admin=True, room="lobby", destination_room="court"
        )
        token = api.AccessToken(KEY, SECRET).with_grants(grants).to_jwt()
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://node") as http:
            path = f"/twirp/livekit.RoomService/{method}"
            return await http.post(path, json=body, headers={"Authorization": f"Bearer {token}", **(headers or {})})


@contextlib.asynccontextmanager
async def running(us: Home, *others: Home) -> AsyncIterator[Node]:
    homes = FakeHomes()
    homes.us, homes.others = us, others
    async with sfu.Server() as server:
        livekit = LiveKit(server, {KEY: SECRET}, homes=homes)
        node = Node(homes, livekit, ServerApi(livekit.rooms, livekit.keys, SignalingOptions()))
        yield node
        await livekit.close()
        await node.api.close()


def lead(node: Node, app: Starlette) -> list[httpx.Request]:
    """What a node sends to others comes to that app; what it sends is noted."""
    sent: list[httpx.Request] = []

    async def note(request: httpx.Request) -> None:
        sent.append(request)

    forwarding = node.api._forwarding
    assert forwarding is not None
    forwarding._made = httpx.AsyncClient(transport=httpx.ASGITransport(app), event_hooks={"request": [note]})
    return sent


@pytest.fixture
async def nodes() -> AsyncIterator[tuple[Node, Node]]:
    async with running(A, B) as a, running(B, A) as b:
        lead(a, b.app)
        lead(b, a.app)
        yield a, b


async def test_a_room_is_made_and_asked_of_where_it_is_to_be(nodes: tuple[Node, Node]) -> None:
    a, b = nodes
    a.homes.rooms["lobby"] = B
    made = await a.call("CreateRoom", {"name": "lobby", "metadata": "m"})
    assert (made.status_code, made.json()["metadata"]) == (200, "m")
    assert ([*a.livekit.rooms.by_name], [*b.livekit.rooms.by_name]) == ([], ["lobby"])
    assert b.homes.entered == ["lobby"], "whose it is from then on"
    changed = await a.call("UpdateRoomMetadata", {"room": "lobby", "metadata": "n"})
    assert changed.json()["metadata"] == b.livekit.rooms.by_name["lobby"].metadata == "n"
    assert (await a.call("ListParticipants", {"room": "lobby"})).json() == {"participants": []}
    unknown = await a.call("GetParticipant", {"room": "lobby", "identity": "nobody"})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")
    assert (await a.call("DeleteRoom", {"room": "lobby"})).status_code == 200
    assert len(b.livekit.rooms) == 0


async def test_the_token_goes_with_a_call_and_no_call_goes_in_a_circle(nodes: tuple[Node, Node]) -> None:
    a, b = nodes
    sent = lead(a, b.app)
    a.homes.rooms["lobby"], b.homes.rooms["lobby"] = B, A
    refused = await a.call("CreateRoom", {"name": "lobby"})
    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    missing = await a.call("DeleteRoom", {"room": "lobby"})
    assert missing.json()["code"] == "not_found"
    assert [request.headers["authorization"].partition(" ")[0] for request in sent] == ["Bearer", "Bearer"]
    assert {request.headers["sfu-forwarded"] for request in sent} == {"1"}


async def test_who_may_not_call_is_refused_where_he_has_come_to(nodes: tuple[Node, Node]) -> None:
    a, b = nodes
    sent = lead(a, b.app)
    a.homes.rooms["lobby"] = B
    refused = await a.call("CreateRoom", {"name": "lobby"}, {"Authorization": "Bearer nothing"})
    assert (refused.status_code, sent, a.homes.entered) == (401, [], [])


async def test_all_rooms_are_those_of_all_nodes(nodes: tuple[Node, Node]) -> None:
    a, b = nodes
    await a.call("CreateRoom", {"name": "one"})
    await b.call("CreateRoom", {"name": "two"})
    for node in nodes:
        listed = await node.call("ListRooms", {})
        assert sorted(room["name"] for room in listed.json()["rooms"]) == ["one", "two"]
    some = await a.call("ListRooms", {"names": ["two"]})
    assert [room["name"] for room in some.json()["rooms"]] == ["two"]


async def _speak_nonsense(request: Request) -> Response:
    return JSONResponse({"rooms": "none"}, headers={"X-Powered-By": "?"})


async def _fail(request: Request) -> Response:
    raise httpx.ConnectError("nobody is there")


async def _talk_without_end(request: Request) -> Response:
    return Response(b"x" * 2048, media_type="application/json")


async def test_a_node_that_does_not_answer_costs_its_own_rooms_only(
    nodes: tuple[Node, Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    a, _ = nodes
    await a.call("CreateRoom", {"name": "one"})
    a.homes.rooms["lobby"] = B
    monkeypatch.setattr(forwarding_module, "MAX_ANSWER_BYTES", 1024)
    for app in (_fail, _speak_nonsense, _talk_without_end):
        lead(a, Starlette(routes=[Route("/{rest:path}", app, methods=["POST"])]))
        assert [room["name"] for room in (await a.call("ListRooms", {})).json()["rooms"]] == ["one"]
        if app is not _speak_nonsense:
            refused = await a.call("DeleteRoom", {"room": "lobby"})
            assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")


async def test_nobody_is_moved_to_another_node(nodes: tuple[Node, Node]) -> None:
    a, _ = nodes
    a.homes.rooms["court"] = B
    await a.call("CreateRoom", {"name": "lobby"})
    room = a.livekit.rooms.by_name["lobby"]
    room.participants["alice"] = object()  # type: ignore[assignment]
    try:
        refused = await a.call("MoveParticipant", {"room": "lobby", "identity": "alice", "destination_room": "court"})
    finally:
        room.participants.clear()
    assert (refused.json()["code"], [*a.livekit.rooms.by_name]) == ("failed_precondition", ["lobby"])


async def test_while_nobody_knows_whose_a_room_is_none_is_made(nodes: tuple[Node, Node]) -> None:
    a, _ = nodes
    a.homes.unknown.add("lobby")
    refused = await a.call("CreateRoom", {"name": "lobby"})
    assert (refused.json()["code"], refused.headers["retry-after"], len(a.livekit.rooms)) == ("unavailable", "1", 0)
