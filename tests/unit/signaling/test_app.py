from __future__ import annotations

import logging
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Mount

import sfu
from sfu.signaling import SignalingOptions, create_app
from sfu.signaling.resources.resource import Resource
from tests.unit.signaling.conftest import RECEIVE, SDP, SEND, FakeAuthorizer

ORIGIN = {"Origin": "https://tools.example"}


async def test_an_app_below_a_path_names_its_sessions_there(app: Starlette, authorizer: FakeAuthorizer) -> None:
    platform = Starlette(routes=[Mount("/media", app)])
    headers = authorizer.add("anyone")
    transport = httpx.ASGITransport(platform)
    async with httpx.AsyncClient(transport=transport, base_url="http://sfu.test", headers=headers) as http:
        response = await http.post("/media/rooms/lobby/whip", content=SEND, headers=SDP)
        assert response.headers["location"].startswith("/media/rooms/lobby/sessions/")
        assert (await http.delete(response.headers["location"])).status_code == 200


async def test_scripts_of_other_sites_may_call(http: httpx.AsyncClient) -> None:
    preflight = ORIGIN | {"Access-Control-Request-Method": "PATCH", "Authorization": ""}
    response = await http.options("/rooms/lobby/sessions/x", headers=preflight)
    assert response.status_code == 204
    assert response.headers["access-control-allow-origin"] == "*"
    assert "PATCH" in response.headers["access-control-allow-methods"]
    assert "If-Match" in response.headers["access-control-allow-headers"]
    answered = await http.post("/rooms/lobby/whip", content=SEND, headers=SDP | ORIGIN)
    assert "Location" in answered.headers["access-control-expose-headers"]
    refused = await http.post("/rooms/lobby/whip", content="v=0", headers=SDP | ORIGIN)
    assert refused.headers["access-control-allow-origin"] == "*"


async def test_a_page_may_send_headers_that_we_do_not_know(http: httpx.AsyncClient) -> None:
    preflight = ORIGIN | {"Access-Control-Request-Method": "POST", "Authorization": ""}
    for asked, allowed in (
        ("traceparent, X-Request-Id", True),
        ("if-match,x-b3-traceid", True),
        ("x\x00y", False),
        ('x"y', False),
        ("x" * 2000, False),
    ):
        response = await http.options(
            "/rooms/lobby/whip", headers=preflight | {"Access-Control-Request-Headers": asked}
        )
        headers = response.headers["access-control-allow-headers"]
        assert headers.startswith("Authorization, Content-Type, If-Match")
        assert (asked in headers) is allowed


async def test_a_slash_at_the_end_names_the_same(http: httpx.AsyncClient) -> None:
    """Clients that POST do not follow a redirect."""
    published = await http.post("/rooms/lobby/whip/?peer=alice", content=SEND, headers=SDP)
    assert published.status_code == 201
    location = published.headers["location"]
    assert not location.endswith("/")
    assert (await http.get("/rooms/lobby/")).status_code == 200
    watched = await http.post("/rooms/lobby/whep/", content=RECEIVE, headers=SDP)
    assert watched.status_code == 201
    assert (await http.options("/rooms/lobby/whip/")).status_code == 204
    for session in (location, watched.headers["location"]):
        assert (await http.delete(f"{session}/")).status_code == 200


@pytest.fixture
async def choosy(server: sfu.Server, authorizer: FakeAuthorizer) -> AsyncIterator[Starlette]:
    app = create_app(server, authorizer, SignalingOptions(cors_origins=("https://ours.example",)))
    yield app
    await app.state.signaling.close()


async def test_only_chosen_sites_if_there_are_any(choosy: Starlette) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(choosy), base_url="http://sfu.test") as http:
        other = await http.options("/rooms/lobby/whip", headers=ORIGIN)
        assert "access-control-allow-origin" not in other.headers
        ours = await http.options("/rooms/lobby/whip", headers={"Origin": "https://ours.example"})
        assert ours.headers["access-control-allow-origin"] == "https://ours.example"
        assert ours.headers["vary"] == "Origin"


async def test_our_own_failure_is_logged_and_not_told(
    server: sfu.Server, authorizer: FakeAuthorizer, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(request: Request) -> None:
        raise RuntimeError("the secret reason")

    routes = [Mount("/", Resource({"GET": fail}))]  # type: ignore[dict-item]
    app = create_app(server, authorizer, routes=routes)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://sfu.test") as http:
        with caplog.at_level(logging.ERROR):
            response = await http.get("/fail")
    assert (response.status_code, response.headers["content-type"]) == (500, "application/problem+json")
    assert "secret" not in response.text
    assert "the secret reason" in caplog.text
    await app.state.signaling.close()


async def test_an_unknown_path_is_a_problem_too(http: httpx.AsyncClient) -> None:
    response = await http.get("/no/such/thing")
    assert (response.status_code, response.json()) == (404, {"title": "Not Found", "status": 404})
