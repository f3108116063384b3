"""What a token has opened ends with it, unless a newer one is shown in time."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

import sfu
from sfu.signaling import SignalingOptions, create_app
from sfu.signaling.http.expiry import ExpiryWatch
from tests.unit.signaling.conftest import RECEIVE, SDP, SEND, FakeAuthorizer, WallClock
from tests.unit.signaling.event_streams import opened
from tests.unit.signaling.fragments import CANDIDATE, FRAGMENT
from tests.unit.signaling.layered import reading

GRACE = 60.0
DOORS = [("whip", SEND), ("whep", RECEIVE), ("whep", "")]


@pytest.fixture
def pass_to(app: Starlette, clock: WallClock) -> Callable[[float], None]:
    """Lets the clock be a time, and those look who look at it."""

    def go(now: float) -> None:
        clock.now = now
        app.state.signaling.expiry.look()

    return go


@pytest.fixture
async def speaker(http: httpx.AsyncClient) -> None:
    """Somebody whose token never expires, so that there is something to watch."""
    assert (await http.post("/rooms/lobby/whip?peer=speaker", content=SEND, headers=SDP)).status_code == 201


async def _enter(http: httpx.AsyncClient, door: str, body: str, headers: dict[str, str], query: str = "") -> str:
    response = await http.post(f"/rooms/lobby/{door}{query}", content=body, headers=(SDP if body else {}) | headers)
    assert response.status_code == 201, response.text
    return str(response.headers["location"])


@pytest.mark.parametrize(("door", "body"), DOORS)
@pytest.mark.parametrize("peer", ["alice", None])
@pytest.mark.usefixtures("speaker")
async def test_a_session_ends_with_its_token(
    http: httpx.AsyncClient,
    server: sfu.Server,
    authorizer: FakeAuthorizer,
    clock: WallClock,
    pass_to: Callable[[float], None],
    door: str,
    body: str,
    peer: str | None,
) -> None:
    expires = clock.now + 300
    headers = authorizer.add("short", peer=peer, expires=expires)
    location = await _enter(http, door, body, headers, "?peer=alice")
    (connection,) = server.rooms["lobby"].peers["alice"].connections
    stream = server.events()
    pass_to(expires + GRACE - 0.001)
    assert connection.state is not sfu.ConnectionState.CLOSED
    authorizer.forget("short")  # as the node's authorizer does with what has expired
    assert (await http.get(location, headers=headers)).status_code == 204
    pass_to(expires + GRACE)
    assert connection.state is sfu.ConnectionState.CLOSED
    assert set(server.rooms["lobby"].peers) == {"speaker"}
    stream.close()
    reasons = [event.reason async for event in stream if isinstance(event, sfu.events.ConnectionStateChanged)]
    assert reasons == ["token_expired"]
    assert (await http.get(location, headers=headers)).status_code == 401
    assert (await http.get(location)).status_code == 404


@pytest.mark.usefixtures("speaker")
async def test_who_comes_too_late_is_not_served_before_somebody_has_looked(
    http: httpx.AsyncClient, server: sfu.Server, authorizer: FakeAuthorizer, clock: WallClock
) -> None:
    headers = authorizer.add("short", peer="alice", expires=clock.now + 300)
    location = await _enter(http, "whip", SEND, headers)
    clock.now += 300 + GRACE
    assert (await http.patch(location, content=CANDIDATE, headers=headers | FRAGMENT)).status_code == 404
    assert "alice" not in server.rooms["lobby"].peers


@pytest.mark.parametrize(("door", "body"), DOORS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PATCH"])
@pytest.mark.parametrize("who", [{"peer": "alice"}, {"login": "a"}])
@pytest.mark.usefixtures("speaker")
async def test_a_newer_token_of_the_same_subject_extends_a_session(
    http: httpx.AsyncClient,
    server: sfu.Server,
    authorizer: FakeAuthorizer,
    clock: WallClock,
    pass_to: Callable[[float], None],
    door: str,
    body: str,
    method: str,
    who: dict[str, str],
) -> None:
    expires = clock.now + 300
    old = authorizer.add("old", expires=expires, **who)
    new = authorizer.add("new", expires=expires + 1000, **who)
    location = await _enter(http, door, body, old, "?peer=alice")
    sent: dict[str, Any] = {"content": CANDIDATE, "headers": new | FRAGMENT} if method == "PATCH" else {"headers": new}
    assert (await http.request(method, location, **sent)).status_code == 204
    # an older one does not make it shorter, and is good for the peer as before
    assert (await http.get(location, headers=old)).status_code == 204
    await _enter(http, "whep", RECEIVE, old, "?peer=alice")
    pass_to(expires + GRACE + 999)
    alice = server.rooms["lobby"].peers["alice"]
    # and the new one is as good for the peer as the old one was
    await _enter(http, "whep", RECEIVE, new, "?peer=alice")
    assert server.rooms["lobby"].peers["alice"] is alice
    pass_to(expires + GRACE + 1000)
    assert "alice" not in server.rooms["lobby"].peers


@pytest.mark.usefixtures("speaker")
async def test_no_other_token_extends_a_session(
    http: httpx.AsyncClient,
    server: sfu.Server,
    authorizer: FakeAuthorizer,
    clock: WallClock,
    pass_to: Callable[[float], None],
) -> None:
    expires = clock.now + 300
    location = await _enter(http, "whip", SEND, authorizer.add("old", peer="alice", expires=expires))
    others = {
        "bob": authorizer.add("bob", peer="bob"),
        "nameless": authorizer.add("nameless"),
        "login": authorizer.add("login", login="a"),
        "viewer": authorizer.add("viewer", peer="alice", publish=False),
        "elsewhere": authorizer.add("elsewhere", room="attic", peer="alice"),
    }
    for who, headers in others.items():
        assert (await http.get(location, headers=headers)).status_code == 403, who
    pass_to(expires + GRACE)
    assert "alice" not in server.rooms["lobby"].peers


@pytest.mark.parametrize(("door", "body"), DOORS)
@pytest.mark.parametrize(
    ("mine", "other"),
    [({}, {}), ({"login": "a"}, {"login": "b"}), ({"login": "a"}, {}), ({}, {"login": "a"})],
)
@pytest.mark.usefixtures("speaker")
async def test_a_session_without_a_name_is_for_no_other_token_without_a_name(
    http: httpx.AsyncClient,
    server: sfu.Server,
    authorizer: FakeAuthorizer,
    clock: WallClock,
    pass_to: Callable[[float], None],
    door: str,
    body: str,
    mine: dict[str, str],
    other: dict[str, str],
) -> None:
    """Whoever comes to know its random id, from a log or over a shoulder."""
    expires = clock.now + 300
    old = authorizer.add("old", expires=expires, **mine)
    strange = authorizer.add("strange", expires=expires + 1000, **other)
    location = await _enter(http, door, body, old, "?peer=alice")
    requests: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", "", {}),
        ("DELETE", "", {}),
        ("PATCH", "", {"content": CANDIDATE, "headers": FRAGMENT}),
        ("POST", "/layer", {"content": "{}"}),
        ("POST", "/sse", {}),
        ("HEAD", "/sse", {}),
    ]
    for method, below, sent in requests:
        answer = await http.request(method, location + below, **sent | {"headers": sent.get("headers", {}) | strange})
        assert answer.status_code == 403, (method, below)
    assert (await http.get(location, headers=old)).status_code == 204
    pass_to(expires + GRACE)
    assert "alice" not in server.rooms["lobby"].peers


@pytest.mark.usefixtures("speaker")
async def test_a_token_without_an_end_makes_a_session_without_one(
    http: httpx.AsyncClient, server: sfu.Server, clock: WallClock, pass_to: Callable[[float], None]
) -> None:
    pass_to(clock.now + 1e9)
    assert set(server.rooms["lobby"].peers) == {"speaker"}


async def test_a_room_s_event_stream_ends_with_its_token(
    app: Starlette,
    http: httpx.AsyncClient,
    authorizer: FakeAuthorizer,
    clock: WallClock,
    pass_to: Callable[[float], None],
) -> None:
    expires = clock.now + 300
    headers = authorizer.add("short", expires=expires)
    async with opened(app, "lobby", headers) as stream, opened(app, "lobby", authorizer.add("long")) as other:
        await stream.events()
        await other.events()
        pass_to(expires + GRACE - 0.001)
        await http.post("/rooms/lobby/whip?peer=alice", content=SEND, headers=SDP)
        assert (await stream.events())[0][0] == "joined"
        pass_to(expires + GRACE)
        await asyncio.wait_for(stream.task, 5)
        assert not other.task.done()
    assert app.state.signaling.open_streams == 0


@pytest.mark.usefixtures("speaker")
async def test_a_viewer_s_event_stream_ends_with_its_session(
    app: Starlette,
    http: httpx.AsyncClient,
    authorizer: FakeAuthorizer,
    clock: WallClock,
    pass_to: Callable[[float], None],
) -> None:
    expires = clock.now + 300
    headers = authorizer.add("short", peer="alice", expires=expires)
    newer = authorizer.add("newer", peer="alice", expires=expires + 1000)
    location = await _enter(http, "whep", RECEIVE, headers)
    async with reading(app, f"{location}/sse", headers) as stream:
        await stream.events()
        assert (await http.get(location, headers=newer)).status_code == 204
        pass_to(expires + GRACE)
        assert not stream.task.done()
        pass_to(expires + GRACE + 1000)
        await asyncio.wait_for(stream.task, 5)


async def test_the_running_app_looks_by_itself(
    server: sfu.Server, authorizer: FakeAuthorizer, options: SignalingOptions, clock: WallClock
) -> None:
    options = dataclasses.replace(options, expiry_interval=0.01)
    app = create_app(server, authorizer, options, clock=clock)
    headers = authorizer.add("short", expires=clock.now + 300)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sfu.test") as http:
        await _enter(http, "whip", SEND, headers)
        stream = server.events()
        clock.now += 300 + GRACE
        async with asyncio.timeout(5):
            async for event in stream:
                if isinstance(event, sfu.events.PeerLeft):
                    break
    await app.state.signaling.close()


def test_who_fails_to_end_something_keeps_no_other_from_it(caplog: pytest.LogCaptureFixture) -> None:
    told: list[float] = []

    def fail(expired_at: float) -> None:
        raise RuntimeError(str(expired_at))

    ExpiryWatch(lambda: 100.0, interval=1.0, grace=10.0, holders=(fail, told.append)).look()
    assert told == [90.0]
    assert "failed" in caplog.text
