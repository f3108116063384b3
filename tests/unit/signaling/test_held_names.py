"""Nobody takes a name that a token gives to another, at any door."""

from __future__ import annotations

from urllib.parse import quote

import httpx
import pytest

import sfu
from tests.unit.signaling.conftest import RECEIVE, SDP, SEND, FakeAuthorizer

DOORS = [("whip", SEND), ("whep", RECEIVE), ("whep", "")]
LOOK_ALIKES = ["judge", "Judge", "ju\u0501ge", "judg\u0435", "\uff4audge"]


@pytest.fixture
async def judge(http: httpx.AsyncClient, authorizer: FakeAuthorizer) -> dict[str, str]:
    """Is in the lobby, and publishes; beside another who does, so that the room lives on."""
    headers = authorizer.add("judge", peer="judge")
    assert (await http.post("/rooms/lobby/whip?peer=usher", content=SEND, headers=SDP)).status_code == 201
    assert (await http.post("/rooms/lobby/whip", content=SEND, headers=SDP | headers)).status_code == 201
    return headers


async def _enter(
    http: httpx.AsyncClient, door: str, body: str, name: str | None, headers: dict[str, str]
) -> httpx.Response:
    query = "" if name is None else f"?peer={quote(name)}"
    sent = SDP if body else {}
    return await http.post(f"/rooms/lobby/{door}{query}", content=body, headers=sent | headers)


@pytest.mark.parametrize(("door", "body"), DOORS)
@pytest.mark.parametrize("name", LOOK_ALIKES)
@pytest.mark.parametrize("present", [True, False])
async def test_a_token_s_name_is_out_of_reach_for_nameless_tokens(
    http: httpx.AsyncClient, server: sfu.Server, judge: dict[str, str], door: str, body: str, name: str, present: bool
) -> None:
    peer = server.rooms["lobby"].peers["judge"]
    if not present:
        peer.leave()
    connections = peer.connections
    response = await _enter(http, door, body, name, {})
    assert (response.status_code, response.json()["title"]) == (403, "Name held")
    assert "choose another" in response.json()["detail"]
    assert peer.connections == connections
    assert set(server.rooms["lobby"].peers) == ({"usher", "judge"} if present else {"usher"})


@pytest.mark.parametrize(("door", "body"), DOORS)
async def test_a_named_token_with_a_look_alike_is_refused_too(
    http: httpx.AsyncClient, authorizer: FakeAuthorizer, judge: dict[str, str], door: str, body: str
) -> None:
    response = await _enter(http, door, body, None, authorizer.add("other", peer="JUDGE"))
    assert (response.status_code, response.json()["title"]) == (403, "Name held")


@pytest.mark.parametrize(("door", "body"), DOORS)
@pytest.mark.parametrize("name", ["judge", "ju\u0501ge"])
async def test_the_holder_of_a_named_token_gets_the_place(
    http: httpx.AsyncClient, server: sfu.Server, authorizer: FakeAuthorizer, door: str, body: str, name: str
) -> None:
    assert (await _enter(http, "whip", SEND, "usher", {})).status_code == 201
    assert (await _enter(http, "whip", SEND, name, authorizer.add("nameless"))).status_code == 201
    squatter = server.rooms["lobby"].peers[name]
    response = await _enter(http, door, body, None, authorizer.add("judge", peer="judge"))
    assert response.status_code == 201
    assert squatter.left
    assert set(server.rooms["lobby"].peers) == {"usher", "judge"}
    assert (await _enter(http, door, body, name, authorizer.add("nameless"))).status_code == 403


@pytest.mark.parametrize(("door", "body"), DOORS)
async def test_a_peer_is_given_to_its_own_token_only(
    http: httpx.AsyncClient, server: sfu.Server, authorizer: FakeAuthorizer, door: str, body: str
) -> None:
    """Two tokens without a name: one cannot take the place of who came with the other."""
    assert (await _enter(http, "whip", SEND, "usher", {})).status_code == 201
    assert (await _enter(http, "whip", SEND, "alice", authorizer.add("one"))).status_code == 201
    alice = server.rooms["lobby"].peers["alice"]
    connections = alice.connections
    response = await _enter(http, door, body, "alice", authorizer.add("two"))
    assert (response.status_code, response.json()["title"]) == (409, "Name taken")
    assert alice.connections == connections
    assert (await _enter(http, door, body, "alice", authorizer.add("one"))).status_code == 201
    assert server.rooms["lobby"].peers["alice"] is alice


async def test_another_token_of_the_same_name_takes_the_place(
    http: httpx.AsyncClient, server: sfu.Server, authorizer: FakeAuthorizer, judge: dict[str, str]
) -> None:
    """A page that was reloaded, with a token that was issued anew."""
    peer = server.rooms["lobby"].peers["judge"]
    (former,) = peer.connections
    assert (await _enter(http, "whip", SEND, None, authorizer.add("again", peer="judge"))).status_code == 201
    assert server.rooms["lobby"].peers["judge"] is peer
    assert former.state is sfu.ConnectionState.CLOSED
    assert len(peer.connections) == 1


async def test_a_nameless_token_touches_no_session_of_a_named_one(
    http: httpx.AsyncClient, server: sfu.Server, authorizer: FakeAuthorizer
) -> None:
    headers = authorizer.add("judge", peer="judge")
    session = await _enter(http, "whip", SEND, None, headers)
    location = session.headers["location"]
    for method in ("GET", "PATCH", "DELETE"):
        assert (await http.request(method, location)).status_code == 403, method
    assert (await http.delete(location, headers=headers)).status_code == 200


@pytest.mark.parametrize(
    "name", ["ju\u200bdge", "judge\u3164", "\u202ejudge", "judge\u00ad", "%20judge", "\u0301judge"]
)
@pytest.mark.parametrize(("door", "body"), DOORS)
async def test_what_cannot_be_seen_is_refused_with_the_reason(
    http: httpx.AsyncClient, server: sfu.Server, door: str, body: str, name: str
) -> None:
    sent = SDP if body else {}
    response = await http.post(f"/rooms/lobby/{door}?peer={name}", content=body, headers=sent)
    assert (response.status_code, response.json()["title"]) == (400, "Invalid peer name")
    assert dict(server.rooms) == {}


async def test_a_peer_of_the_embedding_program_is_its_subject_s(
    http: httpx.AsyncClient, server: sfu.Server, authorizer: FakeAuthorizer
) -> None:
    """A platform that lets people in by Python, and has them signal over HTTP."""
    room = server.room("lobby")
    alice = room.join("alice", subject="alice", named=True, metadata={"role": "witness"})
    bot = room.join("bot")
    assert (await _enter(http, "whip", SEND, "alice", {})).status_code == 403
    assert (await _enter(http, "whip", SEND, "bot", {})).status_code == 409
    assert (await _enter(http, "whip", SEND, None, authorizer.add("alice", peer="alice"))).status_code == 201
    assert (room.peers["alice"], len(alice.connections)) == (alice, 1)
    assert (await _enter(http, "whip", SEND, None, authorizer.add("bot", peer="bot"))).status_code == 201
    assert bot.left
