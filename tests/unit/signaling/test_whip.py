from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from starlette.applications import Starlette

import sfu
from tests.unit.offers import make_offer
from tests.unit.signaling.conftest import RECEIVE, SDP, SDP_BYTES, SEND, FakeAuthorizer


async def test_an_offer_is_answered_with_a_session(http: httpx.AsyncClient, server: sfu.Server) -> None:
    response = await http.post("/rooms/lobby/whip?peer=alice", content=SEND, headers=SDP)
    assert response.status_code == 201
    assert response.headers["content-type"] == "application/sdp"
    assert "a=recvonly" in response.text
    assert response.headers["location"].startswith("/rooms/lobby/sessions/")
    assert response.headers["etag"].startswith('"')
    assert 'rel="ice-server"' in response.headers["link"]
    assert [track.kind for track in server.rooms["lobby"].peers["alice"].tracks] == ["audio", "video"]


async def test_a_new_session_takes_the_place_of_the_old(
    http: httpx.AsyncClient, server: sfu.Server, app: Starlette
) -> None:
    first = await http.post("/rooms/lobby/whip?peer=alice", content=SEND, headers=SDP)
    alice = server.rooms["lobby"].peers["alice"]
    old = alice.connections[0]
    second = await http.post("/rooms/lobby/whip?peer=alice", content=SEND, headers=SDP)
    assert server.rooms["lobby"].peers["alice"] is alice
    assert old.state is sfu.ConnectionState.CLOSED
    assert len(alice.connections) == 1
    assert len(alice.tracks) == 2
    assert len(app.state.signaling.sessions) == 1
    assert (await http.delete(first.headers["location"])).status_code == 404
    assert (await http.delete(second.headers["location"])).status_code == 200


async def test_what_is_replaced_takes_no_room(http: httpx.AsyncClient, server: sfu.Server) -> None:
    """As many Tracks as a peer may have (8), and again under the same name before the old session has timed out."""
    offer = make_offer(*[("audio", "sendonly")] * 8)
    for _ in range(6):
        assert (await http.post("/rooms/lobby/whip?peer=alice", content=offer, headers=SDP)).status_code == 201
    alice = server.rooms["lobby"].peers["alice"]
    assert (len(alice.connections), len(alice.tracks)) == (1, 8)
    offer = make_offer(*[("audio", "sendonly")] * 9)
    assert (await http.post("/rooms/lobby/whip?peer=alice", content=offer, headers=SDP)).status_code == 409
    assert len(alice.tracks) == 8


async def test_a_bad_offer_costs_the_old_session_nothing(http: httpx.AsyncClient, server: sfu.Server) -> None:
    await http.post("/rooms/lobby/whip?peer=alice", content=SEND, headers=SDP)
    assert (await http.post("/rooms/lobby/whip?peer=alice", content="v=0", headers=SDP)).status_code == 400
    assert len(server.rooms["lobby"].peers["alice"].tracks) == 2


async def test_who_brings_no_name_gets_one(http: httpx.AsyncClient, server: sfu.Server) -> None:
    await http.post("/rooms/lobby/whip", content=SEND, headers=SDP)
    assert next(iter(server.rooms["lobby"].peers)).startswith("peer-")


async def test_the_token_s_name_counts(http: httpx.AsyncClient, server: sfu.Server, authorizer: FakeAuthorizer) -> None:
    alice = authorizer.add("alice", peer="alice")
    assert (await http.post("/rooms/lobby/whip?peer=bob", content=SEND, headers=SDP | alice)).status_code == 403
    assert (await http.post("/rooms/lobby/whip", content=SEND, headers=SDP | alice)).status_code == 201
    assert list(server.rooms["lobby"].peers) == ["alice"]


async def _endless() -> AsyncIterator[bytes]:
    while True:
        yield b"a" * 4096


@pytest.mark.parametrize(
    ("path", "content", "headers", "status"),
    [
        ("/rooms/lobby/whip", SEND, {"Authorization": "Bearer nobody"}, 401),
        ("/rooms/lobby/whip", SEND, {"Authorization": "Basic YTpi"}, 401),
        ("/rooms/lobby/whip", SEND, {"Authorization": "Bearer"}, 401),
        ("/rooms/attic/whip", SEND, {}, 403),
        ("/rooms/lobby/whip", SEND, {"Authorization": "Bearer watcher"}, 403),
        ("/rooms/lobby/whep", RECEIVE, {"Authorization": "Bearer sender"}, 403),
        ("/rooms/lobby/whip?peer=all", SEND, {}, 400),
        ("/rooms/lobby/whip?peer=%00", SEND, {}, 400),
        ("/rooms/lobby/whip?peer=", SEND, {}, 400),
        (f"/rooms/lobby/whip?peer={'x' * 65}", SEND, {}, 400),
        ("/rooms/a%20b/whip", SEND, {}, 400),
        ("/rooms/a%0d%0ab/whip", SEND, {}, 400),
        (f"/rooms/{'x' * 65}/whip", SEND, {}, 400),
        ("/rooms/lobby/whip", SEND, {"Content-Type": "text/plain"}, 415),
        ("/rooms/lobby/whip", b"\xff\xfe", {}, 400),
        ("/rooms/lobby/whip", b"", {}, 400),
        ("/rooms/lobby/whip", b"v=0\r\n", {}, 400),
        ("/rooms/lobby/whip", b"\0" * 100, {}, 400),
        ("/rooms/lobby/whip", make_offer(("audio", "sendonly"), setup="holdconn"), {}, 422),
        ("/rooms/lobby/whip", "a" * (SDP_BYTES + 1), {}, 413),
        ("/rooms/lobby/whip", SEND.replace("VP8/90000", "H265/90000"), {}, 406),
        ("/rooms/lobby/whip", SEND.replace("opus/48000/2", "L16/48000/2"), {}, 406),
        ("/rooms/lobby/whip", "endless", {}, 413),
        ("/rooms/lobby/whep", SEND, {}, 403),
        ("/rooms/lobby/whep?publisher=nobody", RECEIVE, {}, 409),
        ("/rooms/lobby/whep", RECEIVE, {}, 409),
    ],
)
async def test_a_refused_request_leaves_nothing_behind(
    http: httpx.AsyncClient,
    authorizer: FakeAuthorizer,
    nothing_left: Callable[[], None],
    path: str,
    content: str | bytes,
    headers: dict[str, str],
    status: int,
) -> None:
    authorizer.add("watcher", publish=False)
    authorizer.add("sender", subscribe=False)
    body = _endless() if content == "endless" else content
    response = await http.post(path, content=body, headers=SDP | headers)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    nothing_left()


async def test_without_a_common_codec_the_answer_says_which_are_taken(http: httpx.AsyncClient) -> None:
    offer = SEND.replace("VP8/90000", "H265/90000")
    response = await http.post("/rooms/lobby/whip", content=offer, headers=SDP)
    problem = response.json()
    assert (problem["status"], problem["title"]) == (406, "No common codec")
    assert "Offered: H265. Accepted: VP8, VP9, H264, AV1" in problem["detail"]


async def test_every_refusal_of_an_offer_names_the_line_and_what_would_be_accepted(http: httpx.AsyncClient) -> None:
    for old, new, words in (
        ("a=setup:actpass", "a=setup:holdconn", ("a=setup:holdconn", "active or passive")),
        ("a=fingerprint:sha-256", "a=fingerprint:sha-1", ("a=fingerprint:sha-1", "sha-256")),
        ("a=ice-pwd:", "a=x:", ("a=ice-pwd", "22 to 256")),
        ("a=mid:1", "a=mid:0", ("a=mid:0", "or none")),
        ("a=rtcp-mux", "a=x", ("a=rtcp-mux", "required")),
        ("v=0", "v=2", ("line 1", "v=0")),
        ("m=video 9", "m=video many", ("line 18", "0 to 65535")),
    ):
        assert old in SEND
        response = await http.post("/rooms/lobby/whip", content=SEND.replace(old, new), headers=SDP)
        assert response.status_code in (400, 422)
        assert all(word in response.json()["detail"] for word in words), response.text


async def test_labels_in_other_encodings_do_no_harm(http: httpx.AsyncClient) -> None:
    offer = SEND.encode().replace(b"s=-", b"s=B\xfcro").replace(b"a=msid:stream", b"a=msid:str\xffeam")
    assert (await http.post("/rooms/lobby/whip", content=offer, headers=SDP)).status_code == 201


async def test_a_challenge_says_what_is_wrong_with_the_token(http: httpx.AsyncClient) -> None:
    response = await http.post("/rooms/lobby/whip", content=SEND, headers=SDP | {"Authorization": "Bearer nobody"})
    assert response.headers["www-authenticate"] == 'Bearer realm="sfu", error="invalid_token"'
    assert "nobody" not in response.text


async def test_a_full_room_says_so(http: httpx.AsyncClient, server: sfu.Server) -> None:
    for name in ("a", "b", "c"):
        assert (await http.post(f"/rooms/lobby/whip?peer={name}", content=SEND, headers=SDP)).status_code == 201
    rows = server.rows_in_use()
    response = await http.post("/rooms/lobby/whip?peer=d", content=SEND, headers=SDP)
    assert (response.status_code, response.json()["title"]) == (409, "Room full")
    assert "retry-after" in response.headers
    assert server.rows_in_use() == rows
    assert sorted(server.rooms["lobby"].peers) == ["a", "b", "c"]


async def test_a_full_server_says_so(http: httpx.AsyncClient, server: sfu.Server, authorizer: FakeAuthorizer) -> None:
    everywhere = authorizer.add("everywhere", room="*")
    for room, status in (("a", 201), ("b", 201), ("c", 503)):
        response = await http.post(f"/rooms/{room}/whip", content=SEND, headers=SDP | everywhere)
        assert response.status_code == status
    assert sorted(server.rooms) == ["a", "b"]


async def test_a_body_that_never_ends_is_not_waited_for(
    app: Starlette, authorizer: FakeAuthorizer, nothing_left: Callable[[], None]
) -> None:
    token = authorizer.add("anyone")["Authorization"]
    parts = iter([{"type": "http.request", "body": b"v=0", "more_body": True}])
    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        for part in parts:
            return part
        return await asyncio.get_running_loop().create_future()  # never

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/rooms/lobby/whip",
        "query_string": b"",
        "headers": [(b"authorization", token.encode()), (b"content-type", b"application/sdp")],
    }
    await app(scope, receive, send)  # type: ignore[arg-type]
    assert sent[0]["status"] == 408
    nothing_left()


async def test_what_is_no_offer_is_told_what_there_is(http: httpx.AsyncClient) -> None:
    put = await http.put("/rooms/lobby/whip", content=SEND)
    assert put.status_code == 405
    assert put.headers["allow"] == "POST, GET, HEAD, OPTIONS"
    options = await http.options("/rooms/lobby/whip")
    assert (options.status_code, options.headers["accept-post"]) == (204, "application/sdp")
    head = await http.head("/rooms/lobby/whep")
    assert (head.status_code, head.headers["content-type"]) == (200, "application/sdp")
