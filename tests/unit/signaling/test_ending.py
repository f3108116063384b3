"""A server that goes down, or hands over, while somebody is about to come in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from starlette.applications import Starlette

import sfu
from tests.unit.signaling.conftest import RECEIVE, SDP, SEND


async def _half(offer: str, then: Callable[[], None]) -> AsyncIterator[bytes]:
    yield offer[:100].encode()
    await asyncio.sleep(0)
    then()  # while the request waits for the rest of its body
    yield offer[100:].encode()


@pytest.mark.parametrize("known", [False, True], ids=["new", "in-already"])
@pytest.mark.parametrize(("path", "offer"), [("whip", SEND), ("whep", RECEIVE)])
async def test_who_asks_while_the_server_ends_is_told_to_ask_again_and_gets_no_session_that_ends_at_once(
    app: Starlette, http: httpx.AsyncClient, server: sfu.Server, path: str, offer: str, known: bool
) -> None:
    if known:
        assert (await http.post("/rooms/lobby/whip?peer=alice", content=SEND, headers=SDP)).status_code == 201
    before = len(app.state.signaling.sessions)
    body = _half(offer, app.state.signaling.end_streams)
    refused = await http.post(f"/rooms/lobby/{path}?peer=alice", content=body, headers=SDP)
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    assert len(app.state.signaling.sessions) == before
    assert set(server.rooms) == ({"lobby"} if known else set())


@pytest.mark.parametrize(("path", "offer"), [("whip", SEND), ("whep", RECEIVE)])
async def test_a_drain_that_begins_within_a_request_decides_by_what_is_there_then(
    http: httpx.AsyncClient, server: sfu.Server, path: str, offer: str
) -> None:
    refused = await http.post(
        f"/rooms/lobby/{path}?peer=alice", content=_half(offer, lambda: server.drain(90)), headers=SDP
    )
    assert (refused.status_code, refused.json()["title"]) == (503, "Server draining")
    assert 80 <= int(refused.headers["Retry-After"]) <= 90
    assert not server.rooms


async def test_who_has_an_answer_when_a_drain_begins_goes_on_and_others_may_follow(
    http: httpx.AsyncClient, server: sfu.Server
) -> None:
    made = await http.post("/rooms/lobby/whip?peer=alice", content=SEND, headers=SDP)
    server.drain(90)
    server.drain(60)
    assert (await http.get("/rooms/lobby")).json()["peers"]
    other = await http.post("/rooms/lobby/whip?peer=bob", content=SEND, headers=SDP)
    assert other.status_code == 201
    assert set(server.rooms["lobby"].peers) == {"alice", "bob"}
    assert (await http.delete(made.headers["Location"])).status_code == 200
