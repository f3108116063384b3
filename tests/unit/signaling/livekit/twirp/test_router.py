from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import jwt
import pytest
from google.protobuf.message import Message
from livekit.protocol.models import Room
from livekit.protocol.room import CreateRoomRequest, ListRoomsResponse
from starlette.applications import Starlette
from starlette.routing import Mount

from sfu.errors import NotPermittedError, RoomFullError, ServerFullError
from sfu.signaling import SignalingOptions
from sfu.signaling.livekit.claims import Claims
from sfu.signaling.livekit.tokens import ApiKeys
from sfu.signaling.livekit.twirp.errors import TwirpError
from sfu.signaling.livekit.twirp.methods import list_methods
from sfu.signaling.livekit.twirp.router import MAX_BODY_BYTES, TwirpRouter

NOW = 1_800_000_000.0
SECRET = "s" * 40
CREATE = "/twirp/livekit.RoomService/CreateRoom"


async def create(claims: Claims, request: CreateRoomRequest) -> Message:
    match request.name:
        case "full":
            raise RoomFullError("max_peers_per_room", "full")
        case "busy":
            raise ServerFullError("max_rooms", "busy")
        case "forbidden":
            raise NotPermittedError("no")
        case "known":
            raise TwirpError("already_exists", "known", room="known")
        case "broken":
            raise KeyError("a secret of ours")
        case "confused":
            return ListRoomsResponse()
    return Room(name=request.name, metadata=request.metadata, max_participants=request.max_participants)


@pytest.fixture
def router() -> TwirpRouter:
    keys = ApiKeys({"one": SECRET}, lambda: NOW)
    return TwirpRouter(keys, SignalingOptions(body_timeout=0.2), {"RoomService/CreateRoom": create})


@pytest.fixture
async def client(router: TwirpRouter) -> AsyncIterator[httpx.AsyncClient]:
    app = Starlette(routes=[Mount("/twirp", router)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://node") as client:
        yield client


def bearer(
    video: dict[str, Any] | None = None, sip: dict[str, Any] | None = None, secret: str = SECRET
) -> dict[str, str]:
    claims = {
        "iss": "one",
        "exp": NOW + 60,
        "video": {"roomCreate": True} if video is None else video,
        "sip": sip or {},
    }
    return {"Authorization": "Bearer " + jwt.encode(claims, secret, algorithm="HS256")}


def refused(response: httpx.Response) -> tuple[int, str, str]:
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    return response.status_code, body["code"], body["msg"]


async def post_json(client: httpx.AsyncClient, value: Any, path: str = CREATE, **video: Any) -> httpx.Response:
    return await client.post(path, json=value, headers=bearer(video or None))


async def test_a_call_in_protobuf_is_answered_in_protobuf(client: httpx.AsyncClient, router: TwirpRouter) -> None:
    body = CreateRoomRequest(name="lobby", metadata="m").SerializeToString()
    headers = bearer() | {"Content-Type": "application/protobuf"}
    response = await client.post(CREATE, content=body, headers=headers)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/protobuf"
    assert Room.FromString(response.content) == Room(name="lobby", metadata="m")
    assert router.calls == {("RoomService/CreateRoom", "ok"): 1}


@pytest.mark.parametrize("limit", ["maxParticipants", "max_participants"])
async def test_a_call_in_json_is_answered_in_json_with_all_fields(client: httpx.AsyncClient, limit: str) -> None:
    response = await post_json(client, {"name": "lobby", limit: 7, "emptyTimeout": "60", "of_a_newer_client": [1]})
    assert response.status_code == 200
    answer = response.json()
    assert (answer["name"], answer["max_participants"], answer["num_participants"]) == ("lobby", 7, 0)


@pytest.mark.parametrize(
    ("method", "path", "content_type", "said"),
    [
        ("GET", CREATE, "application/json", "by POST"),
        ("PUT", CREATE, "application/json", "by POST"),
        ("POST", CREATE, "text/plain", "Content-Type"),
        ("POST", CREATE, "", "Content-Type"),
        ("POST", "/twirp/livekit.RoomService/Create", "application/json", "no method"),
        ("POST", "/twirp/livekit.Nothing/CreateRoom", "application/json", "no method"),
        ("POST", "/twirp/other.RoomService/CreateRoom", "application/json", "no method"),
        ("POST", "/twirp/", "application/json", "no method"),
        ("POST", "/twirp/livekit.RoomService/CreateRoom/", "application/json", "no method"),
    ],
)
async def test_what_leads_to_no_method_is_a_bad_route(
    client: httpx.AsyncClient, method: str, path: str, content_type: str, said: str
) -> None:
    headers = bearer() | ({"Content-Type": content_type} if content_type else {})
    status, code, message = refused(await client.request(method, path, content=b"{}", headers=headers))
    assert (status, code) == (404, "bad_route")
    assert said in message


async def test_without_a_valid_token_nothing_is_done(client: httpx.AsyncClient) -> None:
    for headers in ({}, {"Authorization": "Basic x"}, {"Authorization": "Bearer "}, bearer(secret="x" * 40)):
        response = await client.post(CREATE, json={"name": "lobby"}, headers=headers)
        assert refused(response)[:2] == (401, "unauthenticated")


async def test_a_token_in_the_query_is_no_token_for_a_call(client: httpx.AsyncClient) -> None:
    token = bearer()["Authorization"].removeprefix("Bearer ")
    response = await client.post(CREATE, params={"access_token": token}, json={"name": "lobby"})
    assert refused(response)[:2] == (401, "unauthenticated")


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"\xff\xff\xff", "application/protobuf"),
        (b"\x0a\x05ab", "application/protobuf"),
        (b"{", "application/json"),
        (b"[]", "application/json"),
        (b"\xff{}", "application/json"),
        (b'{"name": 7}', "application/json"),
        (b'{"name": "a", "name": "b"}', "application/json"),
        (b"[" * 100_000, "application/json"),
        (b'{"agents": ' * 200 + b"{}" + b"}" * 200, "application/json"),
        (b'{"name": "' + b"x" * MAX_BODY_BYTES + b'"}', "application/json"),
    ],
)
async def test_a_body_that_is_no_request_is_malformed(
    client: httpx.AsyncClient, content: bytes, content_type: str
) -> None:
    response = await client.post(CREATE, content=content, headers=bearer() | {"Content-Type": content_type})
    assert refused(response)[:2] == (400, "malformed")


@pytest.mark.parametrize(
    ("room", "status", "code"),
    [
        ("full", 429, "resource_exhausted"),
        ("busy", 503, "unavailable"),
        ("forbidden", 403, "permission_denied"),
        ("known", 409, "already_exists"),
        ("broken", 500, "internal"),
        ("confused", 500, "internal"),
    ],
)
async def test_errors_have_their_code(
    client: httpx.AsyncClient, router: TwirpRouter, room: str, status: int, code: str
) -> None:
    response = await post_json(client, {"name": room})
    assert refused(response)[:2] == (status, code)
    assert "secret" not in response.text
    assert router.calls == {("RoomService/CreateRoom", code): 1}
    if room == "known":
        assert response.json()["meta"] == {"room": "known"}


async def test_a_method_that_is_not_here_says_so(client: httpx.AsyncClient, router: TwirpRouter) -> None:
    path = "/twirp/livekit.CloudAgent/ListAgents"
    status, code, message = refused(await post_json(client, {}, path))
    assert (status, code) == (501, "unimplemented")
    assert "run workers, which register on /agent" in message
    assert refused(await client.post(path, json={}))[:2] == (401, "unauthenticated")
    assert router.calls["CloudAgent/ListAgents", "unimplemented"] == 1


EVERYTHING = {
    "roomCreate": True,
    "roomList": True,
    "roomRecord": True,
    "ingressAdmin": True,
    "roomAdmin": True,
    "room": "lobby",
    "destinationRoom": "attic",
}
SIP = {"admin": True, "call": True}
NEEDS = {
    "RoomService/CreateRoom": ["roomCreate"],
    "RoomService/DeleteRoom": ["roomCreate"],
    "RoomService/ListRooms": ["roomList"],
    "RoomService/ForwardParticipant": ["roomAdmin", "room", "destinationRoom"],
    "RoomService/MoveParticipant": ["roomAdmin", "room", "destinationRoom"],
    "SIP/CreateSIPParticipant": ["call"],
    "SIP/TransferSIPParticipant": ["call", "roomAdmin", "room"],
}
NEEDS_OF_SERVICE = {
    "RoomService": ["roomAdmin", "room"],
    "Egress": ["roomRecord"],
    "Ingress": ["ingressAdmin"],
    "SIP": ["admin"],
    "AgentDispatchService": ["roomAdmin", "room"],
    "Connector": ["roomCreate"],
}


@pytest.mark.parametrize("name", [name for name in list_methods() if name.split("/")[0] in NEEDS_OF_SERVICE])
async def test_each_method_needs_its_grants_and_no_other(client: httpx.AsyncClient, name: str) -> None:
    needed = NEEDS.get(name) or NEEDS_OF_SERVICE[name.split("/", maxsplit=1)[0]]
    request = {"room": "lobby", "roomName": "lobby", "destinationRoom": "attic"}
    fields = list_methods()[name].request.DESCRIPTOR.fields_by_camelcase_name
    body = json.dumps({key: value for key, value in request.items() if key in fields})

    async def call(video: dict[str, Any], sip: dict[str, Any]) -> int:
        headers = bearer(video, sip) | {"Content-Type": "application/json"}
        return (await client.post(f"/twirp/livekit.{name}", content=body, headers=headers)).status_code

    least = {key: value for key, value in EVERYTHING.items() if key in needed}
    assert await call(least, {key: value for key, value in SIP.items() if key in needed}) in (200, 501)
    for missing in needed:
        video = {key: value for key, value in EVERYTHING.items() if key != missing}
        assert await call(video, {key: value for key, value in SIP.items() if key != missing}) == 403
    for key in {"room", "destinationRoom"} & set(needed):
        assert await call(EVERYTHING | {key: "cellar"}, SIP) == 403


def test_every_method_of_the_protocol_is_known() -> None:
    services = {name.split("/")[0] for name in list_methods()}
    assert services == {*NEEDS_OF_SERVICE, "AgentSimulation", "CloudAgent"}
    assert len(list_methods()) >= 77


def test_a_handler_of_no_method_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="RoomService/CreateRoon"):
        TwirpRouter(ApiKeys({"one": SECRET}, lambda: NOW), SignalingOptions(), {"RoomService/CreateRoon": create})
