from __future__ import annotations

import asyncio
import logging
import time

import httpx
import pytest
from starlette.applications import Starlette

import sfu
from sfu.node.app import create_node_app
from sfu.node.config.settings import Settings
from sfu.node.config.sources import load_settings
from sfu.node.http.connections import HttpConnections
from sfu.node.http.limits import HttpLimits
from sfu.node.http.page_headers import APART
from sfu.node.tokens import DEV_KEY_ID, issue_token
from tests.unit.node.scraping import RECEIVE, SDP, SEND, scrape


async def test_metrics_count_what_is_in_the_rooms(http: httpx.AsyncClient) -> None:
    before = await scrape(http)
    assert before["sfu_peers", ""] == before["sfu_tracks", "audio"] == 0
    await http.post("/rooms/lobby/whip?peer=alice", content=SEND, headers=SDP)
    await http.post("/rooms/lobby/whep?peer=bob", content=RECEIVE, headers=SDP)
    after = await scrape(http)
    assert after["sfu_rooms", ""] == 1
    assert after["sfu_peers", ""] == 2
    assert after["sfu_tracks", "audio"] == after["sfu_tracks", "video"] == 1
    assert after["sfu_subscriptions", "audio,none"] == after["sfu_subscriptions", "video,none"] == 1
    assert after["sfu_connections", "connecting"] == after["sfu_http_sessions", ""] == 2
    assert after["sfu_drops_total", "unknown_protocol"] == 0
    assert after["sfu_http_requests_total", "POST,/rooms/{room}/whip,201"] == 1
    assert after["sfu_http_request_duration_seconds_count", "/rooms/{room}/whip"] == 1
    assert after["sfu_http_request_duration_seconds_bucket", "2.5,/rooms/{room}/whip"] == 1


async def test_a_dropped_datagram_shows(http: httpx.AsyncClient, server: sfu.Server) -> None:
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        asyncio.DatagramProtocol, remote_addr=("127.0.0.1", server.udp_ports[0])
    )
    transport.sendto(b"\xff\xff hello")
    async with asyncio.timeout(10):
        while (await scrape(http))["sfu_received_datagrams_total", ""] == 0:  # noqa: ASYNC110 - the plane tells nobody
            await asyncio.sleep(0.01)
    transport.close()
    drops = {label: value for (name, label), value in (await scrape(http)).items() if name == "sfu_drops_total"}
    assert sum(drops.values()) == 1, drops


async def test_names_and_wild_requests_make_no_labels(http: httpx.AsyncClient) -> None:
    for path in ("/rooms/lobby", "/rooms/attic", "/a", "/b", "/rooms/x/y/z"):
        await http.request("BREW", path)
    labels = {label for name, label in await scrape(http) if name == "sfu_http_requests_total"}
    assert labels == {"other,/rooms/{room},405", "other,/*,405"}


async def test_metrics_may_ask_for_a_token(server: sfu.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SFU_METRICS_TOKEN", "scraper")
    app = create_node_app(server, load_settings({"dev": True}, None))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sfu.test") as http:
        assert (await http.get("/metrics")).status_code == 401
        assert (await http.get("/metrics", headers={"Authorization": "Bearer scraper"})).status_code == 200
    await app.state.signaling.close()


async def test_the_public_port_shows_metrics_to_nobody_without_a_token(
    server: sfu.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SFU_KEYS", "main:" + "k" * 32)
    app = create_node_app(server, load_settings({}, None))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sfu.test") as http:
        refused = await http.get("/metrics")
    assert (refused.status_code, "metrics_port" in refused.json()["detail"]) == (403, True)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app.state.metrics), base_url="http://sfu.test") as http:
        assert "sfu_rooms" in (await http.get("/metrics")).text
        assert (await http.get("/healthz")).json() == {"status": "ok"}
        assert (await http.get("/rooms/lobby")).status_code == 404
    await app.state.signaling.close()


async def test_a_token_is_asked_for_on_the_listener_for_metrics_too(
    server: sfu.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SFU_METRICS_TOKEN", "scraper")
    app = create_node_app(server, load_settings({"dev": True}, None))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app.state.metrics), base_url="http://sfu.test") as http:
        assert (await http.get("/metrics")).status_code == 401
        assert (await http.get("/metrics", headers={"Authorization": "Bearer scraper"})).status_code == 200
    await app.state.signaling.close()


async def test_health_is_the_server_s(http: httpx.AsyncClient, server: sfu.Server) -> None:
    assert (await http.get("/healthz")).json() == {"status": "ok"}
    await server.close()
    assert (await http.get("/healthz")).status_code == 503


async def test_the_page_is_served(http: httpx.AsyncClient) -> None:
    page = await http.get("/")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert set(APART.items()) <= {(name, page.headers.get(name)) for name in APART}
    assert page.headers["content-security-policy"] == "frame-ancestors 'none'; connect-src 'self'"
    assert (await http.get("/main.js")).headers["content-type"].startswith("text/javascript")
    for path in ("/nothing.js", "/../config.py", "/%2e%2e/config.py"):
        response = await http.get(path)
        assert (response.status_code, response.headers["content-type"]) == (404, "application/problem+json"), path


async def test_requests_are_logged_without_their_query(
    http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "sfu.http"):
        await http.get("/rooms/lobby?access_token=secret")
        await http.get("/healthz")
    (record,) = (each for each in caplog.records if each.name == "sfu.http")
    assert (vars(record)["path"], vars(record)["status"], vars(record)["method"]) == ("/rooms/lobby", 200, "GET")
    assert "secret" not in str(vars(record))


async def test_the_development_key_is_not_taken_without_dev(
    server: sfu.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SFU_KEYS", "main:" + "k" * 32)
    app = create_node_app(server, load_settings({}, None))
    token = issue_token(DEV_KEY_ID, "d" * 32, room="lobby", now=time.time(), ttl=60, subscribe=True)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sfu.test") as http:
        response = await http.get("/rooms/lobby", headers={"Authorization": f"Bearer {token}"})
    assert (response.status_code, response.json()["detail"]) == (
        401,
        "The token names a key that this server does not have.",
    )
    await app.state.signaling.close()


async def test_a_development_node_takes_the_key_of_its_own_start_only(server: sfu.Server) -> None:
    before, now = load_settings({"dev": True}, None), load_settings({"dev": True}, None)
    app = create_node_app(server, now)
    statuses = []
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sfu.test") as http:
        for settings in (before, now):
            secret = settings.secrets()[DEV_KEY_ID]
            token = issue_token(DEV_KEY_ID, secret, room="lobby", now=time.time(), ttl=60, subscribe=True)
            response = await http.get("/rooms/lobby", headers={"Authorization": f"Bearer {token}"})
            statuses.append(response.status_code)
    await app.state.signaling.close()
    assert statuses == [401, 200]


async def test_no_other_site_may_call_a_development_node(http: httpx.AsyncClient) -> None:
    for method in ("GET", "OPTIONS"):
        response = await http.request(method, "/rooms/lobby", headers={"Origin": "https://elsewhere.example"})
        assert "access-control-allow-origin" not in response.headers


async def test_the_settings_for_tokens_are_kept(server: sfu.Server) -> None:
    settings = load_settings({"keys": {"main": "s" * 40}, "token_audience": "here", "max_token_lifetime": 60}, None)
    app = create_node_app(server, settings)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sfu.test") as http:
        for audience, ttl, status in (("here", 50, 200), ("", 50, 401), ("there", 50, 401), ("here", 80, 401)):
            made = {"room": "lobby", "now": time.time(), "subscribe": True}
            token = issue_token("main", "s" * 40, ttl=ttl, audience=audience, **made)  # type: ignore[arg-type]
            response = await http.get("/rooms/lobby", headers={"Authorization": f"Bearer {token}"})
            assert response.status_code == status, (audience, ttl)
    await app.state.signaling.close()


async def test_who_was_kept_out_by_the_listener_is_in_the_metrics(server: sfu.Server, settings: Settings) -> None:
    connections = HttpConnections(HttpLimits(connections_per_address=1, request_burst_per_address=1))
    client = connections.rates.find_client("192.0.2.1", b"/", [])
    assert (connections.rates.take(client), connections.rates.take(client) > 0) == (0.0, True)
    app = create_node_app(server, settings, connections=connections)
    assert connections.enter("192.0.2.1")
    assert not connections.enter("::ffff:192.0.2.1")
    assert connections.enter("2001:db8::1")
    assert not connections.enter("2001:db8::2")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sfu.test") as http:
        found = await scrape(http)
    assert found["sfu_http_connections", ""] == 2
    assert found["sfu_http_ended_connections_total", "address"] == 2
    assert found["sfu_http_refused_requests_total", "address"] == 1
    assert found["sfu_http_request_buckets", ""] == len(connections.rates) > 0
    assert found["sfu_http_waiting_requests", ""] == 0
    await app.state.signaling.close()


async def test_who_was_refused_a_session_is_in_the_metrics(http: httpx.AsyncClient, app: Starlette) -> None:
    options = app.state.signaling.options
    for number in range(options.max_half_open_per_token):
        assert (await http.post(f"/rooms/lobby/whip?peer=p{number}", content=SEND, headers=SDP)).status_code == 201
    refused = await http.post("/rooms/lobby/whip", content=SEND, headers=SDP)
    assert refused.status_code == 429
    found = await scrape(http)
    assert found["sfu_refused_sessions_total", "token_half_open"] == 1
