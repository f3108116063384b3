from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx
import pytest
from starlette.applications import Starlette

import sfu
from tests.unit.signaling.conftest import SDP, SDP_BYTES, SEND, FakeAuthorizer
from tests.unit.signaling.fragments import CANDIDATE, FRAGMENT, NEW, SAME, fragment


@pytest.fixture
async def session(http: httpx.AsyncClient) -> httpx.Response:
    return await http.post("/rooms/lobby/whip?peer=alice", content=SEND, headers=SDP)


async def test_delete_ends_all(
    http: httpx.AsyncClient, session: httpx.Response, nothing_left: Callable[[], None]
) -> None:
    location = session.headers["location"]
    assert (await http.delete(location, headers={"If-Match": '"anything"'})).status_code == 200
    nothing_left()
    assert (await http.delete(location)).status_code == 404


async def test_trickled_candidates_are_taken(http: httpx.AsyncClient, session: httpx.Response) -> None:
    for body in (SAME, CANDIDATE):
        headers = FRAGMENT | {"If-Match": session.headers["etag"]}
        response = await http.patch(session.headers["location"], content=body, headers=headers)
        assert (response.status_code, response.content) == (204, b"")
        assert "etag" not in response.headers  # RFC 9725 section 4.3.2


@pytest.mark.parametrize(
    "body",
    [
        SAME,
        CANDIDATE,
        "",
        f"c=IN IP4 0.0.0.0\r\n{SAME}",
        SAME.replace("a=mid:0\r\n", "c=IN IP4 0.0.0.0\r\na=mid:0\r\na=unknown:?\r\nb=AS:1\r\n"),
    ],
)
async def test_what_changes_nothing_needs_no_condition(
    http: httpx.AsyncClient, session: httpx.Response, body: str
) -> None:
    response = await http.patch(session.headers["location"], content=body, headers=FRAGMENT)
    assert (response.status_code, response.content) == (204, b"")


async def test_a_restart_needs_a_condition(http: httpx.AsyncClient, session: httpx.Response) -> None:
    """A fragment that is late, of an ICE session that is over, must not end the one that stands."""
    location = session.headers["location"]
    refused = await http.patch(location, content=NEW, headers=FRAGMENT)
    assert (refused.status_code, session.headers["etag"] in refused.json()["detail"]) == (428, True)
    assert (await http.patch(location, content=NEW, headers=FRAGMENT | {"If-Match": "*"})).status_code == 200
    assert (await http.patch(location, content=NEW, headers=FRAGMENT)).status_code == 204
    assert (await http.patch(location, content=SAME, headers=FRAGMENT)).status_code == 428


async def test_new_credentials_restart_ice(http: httpx.AsyncClient, session: httpx.Response) -> None:
    location, etag = session.headers["location"], session.headers["etag"]
    response = await http.patch(location, content=NEW, headers=FRAGMENT | {"If-Match": "*"})
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/trickle-ice-sdpfrag"
    assert "a=ice-ufrag:" in response.text
    assert "a=candidate:" in response.text
    assert response.text.split("a=ice-ufrag:")[1][:8] not in session.text
    fresh = response.headers["etag"]
    assert fresh != etag
    stale = await http.patch(location, content=NEW, headers=FRAGMENT | {"If-Match": etag})
    assert stale.status_code == 412
    known = await http.patch(location, content=NEW, headers=FRAGMENT | {"If-Match": fresh})
    assert known.status_code == 204


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (NEW, FRAGMENT, 428),
        (SAME, FRAGMENT | {"If-Match": '"other"'}, 412),
        (SAME, {"Content-Type": "text/plain", "If-Match": "*"}, 415),
        ("hello", FRAGMENT | {"If-Match": "*"}, 400),
        ("a=ice-ufrag:only\r\n", FRAGMENT | {"If-Match": "*"}, 400),
        (fragment("no spaces", "n" * 22), FRAGMENT | {"If-Match": "*"}, 422),
        (fragment("short", "n"), FRAGMENT | {"If-Match": "*"}, 422),
        (b"\xff", FRAGMENT | {"If-Match": "*"}, 400),
        ("a" * (SDP_BYTES + 1), FRAGMENT | {"If-Match": "*"}, 413),
        (NEW, FRAGMENT | {"If-Match": ""}, 412),
    ],
)
async def test_a_refused_patch_changes_nothing(
    http: httpx.AsyncClient,
    session: httpx.Response,
    server: sfu.Server,
    content: str | bytes,
    headers: dict[str, str],
    status: int,
) -> None:
    location = session.headers["location"]
    before = server.rows_in_use()
    response = await http.patch(location, content=content, headers=headers)
    assert response.status_code == status, response.text
    assert response.json()["detail"]
    assert server.rows_in_use() == before
    good = await http.patch(location, content=SAME, headers=FRAGMENT | {"If-Match": session.headers["etag"]})
    assert good.status_code == 204


async def test_a_session_that_ended_by_itself_is_forgotten(
    http: httpx.AsyncClient, session: httpx.Response, server: sfu.Server, app: Starlette
) -> None:
    server.rooms["lobby"].peers["alice"].leave()
    await asyncio.sleep(0)  # the watcher's turn
    await asyncio.sleep(0)
    assert len(app.state.signaling.sessions) == 0
    assert (await http.delete(session.headers["location"])).status_code == 404


async def test_the_token_that_opened_a_session_stays_good_for_it(
    http: httpx.AsyncClient, authorizer: FakeAuthorizer
) -> None:
    alice = authorizer.add("alice", peer="alice")
    session = await http.post("/rooms/lobby/whip", content=SEND, headers=SDP | alice)
    authorizer.forget("alice")
    assert (await http.post("/rooms/lobby/whip", content=SEND, headers=SDP | alice)).status_code == 401
    assert (await http.delete(session.headers["location"], headers=alice)).status_code == 200


async def test_other_tokens_need_the_same_right_for_the_same_peer(
    http: httpx.AsyncClient, authorizer: FakeAuthorizer, session: httpx.Response
) -> None:
    location = session.headers["location"]
    refused = {
        "bob": authorizer.add("bob", peer="bob"),
        "watcher": authorizer.add("watcher", publish=False),
        "elsewhere": authorizer.add("elsewhere", room="attic"),
    }
    for who, headers in refused.items():
        assert (await http.delete(location, headers=headers)).status_code == 403, who
    unknown = {"Authorization": "Bearer unknown"}
    assert (await http.delete(location, headers=unknown)).status_code == 401
    assert (await http.delete(location.replace("lobby", "attic"))).status_code == 403
    assert (await http.delete("/rooms/lobby/sessions/0", headers=unknown)).status_code == 401
    assert (await http.delete("/rooms/lobby/sessions/0")).status_code == 404
    everywhere = authorizer.add("everywhere", room="*", peer="alice")
    assert (await http.delete(location.replace("lobby", "attic"), headers=everywhere)).status_code == 404
    assert (await http.delete(location, headers=everywhere)).status_code == 200


async def test_options_tell_what_patch_takes(http: httpx.AsyncClient, session: httpx.Response) -> None:
    response = await http.options(session.headers["location"], headers={"Authorization": ""})
    assert response.status_code == 204
    assert response.headers["allow"] == "DELETE, PATCH, GET, HEAD, OPTIONS"
    assert "application/trickle-ice-sdpfrag" in response.headers["accept-patch"]
    assert (await http.get(session.headers["location"])).status_code == 204
