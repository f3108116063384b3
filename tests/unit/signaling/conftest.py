from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from starlette.applications import Starlette

import sfu
from sfu.signaling import AuthorizationError, Grants, IceServer, SignalingOptions, create_app
from tests.unit.offers import make_offer

SEND = make_offer(("audio", "sendonly"), ("video", "sendonly"))
RECEIVE = make_offer(("audio", "recvonly"), ("video", "recvonly"))
SDP = {"Content-Type": "application/sdp"}
SDP_BYTES = 256 * 6 * 1024
"""What a session description may have: enough for the 256 media sections of a connection."""


class FakeAuthorizer:
    """Tokens are names in a table; `forget` is what expiry does."""

    def __init__(self) -> None:
        self.grants: dict[str, Grants] = {}

    def authorize(self, token: str) -> Grants:
        if token not in self.grants:
            raise AuthorizationError("The token is unknown.")
        return self.grants[token]

    def add(self, token: str, **grants: object) -> dict[str, str]:
        """Enter a token; return the header that carries it."""
        self.grants[token] = Grants(**{"room": "lobby", "publish": True, "subscribe": True, **grants})  # type: ignore[arg-type]
        return {"Authorization": f"Bearer {token}"}

    def forget(self, token: str) -> None:
        del self.grants[token]


@pytest.fixture
async def server() -> AsyncIterator[sfu.Server]:
    config = sfu.Config(max_peers_per_room=3, max_rooms=2, max_connections_per_peer=4)
    async with sfu.Server(config) as server:
        yield server


@pytest.fixture
def authorizer() -> FakeAuthorizer:
    return FakeAuthorizer()


@pytest.fixture
def options() -> SignalingOptions:
    return SignalingOptions(
        ice_servers=(IceServer("stun:stun.example.net"), IceServer("turn:turn.example.net", "user", 'pa"ss')),
        max_streams_per_room=2,
        max_queued_events=3,
        body_timeout=0.2,
        viewer_events_interval=0.01,
        viewer_events_refresh=60.0,
    )


class WallClock:
    """Seconds since the Unix epoch, which pass when they are told to."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> WallClock:
    return WallClock()


@pytest.fixture
async def app(
    server: sfu.Server, authorizer: FakeAuthorizer, options: SignalingOptions, clock: WallClock
) -> AsyncIterator[Starlette]:
    app = create_app(server, authorizer, options, clock=clock)
    yield app
    await app.state.signaling.close()


@pytest.fixture
async def http(app: Starlette, authorizer: FakeAuthorizer) -> AsyncIterator[httpx.AsyncClient]:
    """A client whose token may do anything in the lobby, as any peer."""
    headers = authorizer.add("anyone")
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://sfu.test", headers=headers) as client:
        yield client


@pytest.fixture
def nothing_left(server: sfu.Server, app: Starlette) -> Callable[[], None]:
    """Asserts that no request has left a trace."""

    def check() -> None:
        assert dict(server.rooms) == {}
        assert set(server.rows_in_use().values()) == {0}, server.rows_in_use()
        assert len(app.state.signaling.sessions) == 0

    return check


@pytest.fixture
def names() -> Callable[[], str]:
    counter = itertools.count()
    return lambda: f"peer{next(counter)}"
