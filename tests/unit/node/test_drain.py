"""Running a node empty: `/admin/drain`, `/readyz`, and the deadline."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette

import sfu
from sfu.node.config.settings import Settings
from sfu.node.drain import NodeDrain
from sfu.node.tokens import DEV_KEY_ID, issue_token
from tests.unit.node.scraping import SDP, SEND, scrape


@pytest.fixture
async def operator(app: Starlette, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    secret = settings.secrets()[DEV_KEY_ID]
    token = issue_token(DEV_KEY_ID, secret, room="*", now=time.time(), ttl=60, admin=True)
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://sfu.test", headers=headers
    ) as client:
        yield client


async def _until(client: httpx.AsyncClient, key: str, value: object) -> None:
    async with asyncio.timeout(10):
        while (await client.get("/admin/drain")).json()[key] != value:  # noqa: ASYNC110 - as an operator looks
            await asyncio.sleep(0.02)


async def test_a_node_that_drains_is_well_and_not_ready_and_refuses_new_rooms_with_the_time(
    http: httpx.AsyncClient, operator: httpx.AsyncClient, server: sfu.Server
) -> None:
    assert (await http.get("/readyz")).status_code == 200
    assert (await http.post("/rooms/lobby/whip?peer=alice", content=SEND, headers=SDP)).status_code == 201
    told = (await operator.post("/admin/drain", json={"seconds": 90})).json()
    assert told == {
        "draining": True,
        "seconds_left": pytest.approx(90, abs=5),
        "stops": False,
        "rooms": 1,
        "peers": 1,
        "recordings": 0,
        "drained": False,
    }
    assert (await http.get("/healthz")).status_code == 200
    ready = await http.get("/readyz")
    assert (ready.status_code, ready.json()) == (503, {"status": "draining"})
    assert 80 <= int(ready.headers["Retry-After"]) <= 90
    assert (await http.post("/rooms/lobby/whep?peer=bob", content=SEND, headers=SDP)).status_code != 503
    assert 80 <= (await http.get("/rooms/lobby")).json()["draining"] <= 90
    assert (await scrape(http))["sfu_draining", ""] == 1

    server.rooms["lobby"].close()
    await _until(operator, "drained", True)
    # the lobby was there when the drain began: who was in it may come back until the deadline
    assert (await http.post("/rooms/lobby/whip?peer=alice", content=SEND, headers=SDP)).status_code == 201


async def test_a_new_room_is_refused_with_a_problem_that_says_when(
    http: httpx.AsyncClient, operator: httpx.AsyncClient
) -> None:
    await operator.post("/admin/drain", json={"seconds": 90})
    refused = await http.post("/rooms/lobby/whip?peer=alice", content=SEND, headers=SDP)
    assert refused.status_code == 503
    assert refused.json()["title"] == "Server draining"
    assert 80 <= int(refused.headers["Retry-After"]) <= 90


async def test_there_is_a_way_back(http: httpx.AsyncClient, operator: httpx.AsyncClient) -> None:
    await operator.post("/admin/drain", json={"seconds": 90, "stop": True})
    back = await operator.delete("/admin/drain")
    assert (back.status_code, back.json()["draining"], back.json()["stops"]) == (200, False, False)
    assert (await http.get("/readyz")).json() == {"status": "ready"}
    assert (await http.post("/rooms/lobby/whip?peer=alice", content=SEND, headers=SDP)).status_code == 201


async def test_at_the_deadline_who_is_left_is_sent_away_and_the_node_stays(
    http: httpx.AsyncClient, operator: httpx.AsyncClient, server: sfu.Server
) -> None:
    made = await http.post("/rooms/lobby/whip?peer=alice", content=SEND, headers=SDP)
    await operator.post("/admin/drain", json={"seconds": 0})
    await _until(operator, "drained", True)
    assert (await http.delete(made.headers["Location"])).status_code == 404
    assert server.running
    assert (await http.post("/rooms/lobby/whip?peer=alice", content=SEND, headers=SDP)).status_code == 503


async def test_an_empty_node_that_is_to_stop_stops_at_once(app: Starlette, operator: httpx.AsyncClient) -> None:
    stopped = asyncio.Event()
    app.state.drain.on_stop = stopped.set
    await operator.post("/admin/drain", json={"seconds": 3600, "stop": True})
    await asyncio.wait_for(stopped.wait(), 10)


async def test_a_node_stops_once_the_last_has_left(
    app: Starlette, http: httpx.AsyncClient, operator: httpx.AsyncClient, server: sfu.Server
) -> None:
    stopped = asyncio.Event()
    app.state.drain.on_stop = stopped.set
    made = await http.post("/rooms/lobby/whip?peer=alice", content=SEND, headers=SDP)
    await operator.post("/admin/drain", json={"stop": True})
    assert not stopped.is_set()
    await http.delete(made.headers["Location"])
    await asyncio.wait_for(stopped.wait(), 10)


async def test_to_be_told_to_stop_gives_no_more_time_than_there_was(server: sfu.Server) -> None:
    drain = NodeDrain(server)
    server.room("lobby").join("alice")
    drain.begin(10.0)
    drain.begin(3600.0, stops=True)
    assert drain.state.stops
    assert drain.state.seconds_left == pytest.approx(10, abs=5)
    drain.begin(3600.0)  # to an operator's word it does
    assert drain.state.seconds_left == pytest.approx(3600, abs=5)
    assert drain.state.stops
    drain.close()


@pytest.mark.parametrize(
    "body",
    [
        '{"seconds": -1}',
        '{"seconds": 1e9}',
        '{"seconds": true}',
        '{"seconds": "60"}',
        '{"stop": 1}',
        '{"second": 1}',
        "[]",
    ]
    + ['{"seconds": NaN}', "{", '{"stop": true, "stop": false}', "x" * 2000, "\udcff"],
)
async def test_an_order_that_cannot_be_read_changes_nothing(operator: httpx.AsyncClient, body: str) -> None:
    refused = await operator.post("/admin/drain", content=body.encode("utf-8", "surrogateescape"))
    assert refused.status_code in (400, 413)
    assert not (await operator.get("/admin/drain")).json()["draining"]


@pytest.mark.parametrize("rights", [{"room": "lobby", "admin": True}, {"room": "*", "publish": True}])
async def test_only_who_is_admin_of_all_rooms_may_drain(
    app: Starlette, settings: Settings, rights: dict[str, object]
) -> None:
    secret = settings.secrets()[DEV_KEY_ID]
    token = issue_token(DEV_KEY_ID, secret, now=time.time(), ttl=60, **rights)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sfu.test") as client:
        for method in ("GET", "POST", "DELETE"):
            assert (await client.request(method, "/admin/drain")).status_code == 401
            headers = {"Authorization": f"Bearer {token}"}
            assert (await client.request(method, "/admin/drain", headers=headers)).status_code == 403
    assert not app.state.drain.state.draining
