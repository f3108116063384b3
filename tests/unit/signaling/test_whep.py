from __future__ import annotations

from collections.abc import Callable

import httpx

import sfu
from tests.unit.offers import make_answer, make_offer
from tests.unit.signaling.conftest import RECEIVE, SDP, SEND


async def publish(http: httpx.AsyncClient, peer: str) -> None:
    assert (await http.post(f"/rooms/lobby/whip?peer={peer}", content=SEND, headers=SDP)).status_code == 201


async def test_one_publisher_is_received(http: httpx.AsyncClient, server: sfu.Server) -> None:
    await publish(http, "alice")
    await publish(http, "bob")
    response = await http.post("/rooms/lobby/whep?publisher=bob&peer=carol", content=RECEIVE, headers=SDP)
    assert response.status_code == 201
    assert "a=sendonly" in response.text
    received = server.rooms["lobby"].peers["carol"].subscriptions
    assert [(held.track.peer, held.track.kind) for held in received] == [("bob", "audio"), ("bob", "video")]


async def test_without_a_publisher_all_are_received_as_far_as_sections_reach(
    http: httpx.AsyncClient, server: sfu.Server
) -> None:
    await publish(http, "alice")
    await publish(http, "bob")
    offer = make_offer(*[("audio", "recvonly"), ("video", "recvonly")] * 3)
    assert (await http.post("/rooms/lobby/whep?peer=carol", content=offer, headers=SDP)).status_code == 201
    assert len(server.rooms["lobby"].peers["carol"].subscriptions) == 4


async def test_what_is_not_there_yet_may_be_asked_for_again(http: httpx.AsyncClient, server: sfu.Server) -> None:
    await publish(http, "alice")
    rows = server.rows_in_use()
    for query in ("publisher=bob", "publisher=alice&peer=alice"):
        response = await http.post(f"/rooms/lobby/whep?{query}", content=RECEIVE, headers=SDP)
        assert (response.status_code, response.headers["retry-after"]) == (409, "1"), query
    assert server.rows_in_use() == rows
    assert list(server.rooms["lobby"].peers) == ["alice"]


async def test_an_empty_body_asks_for_our_offer(
    http: httpx.AsyncClient, server: sfu.Server, nothing_left: Callable[[], None]
) -> None:
    await publish(http, "alice")
    response = await http.post("/rooms/lobby/whep?peer=carol")
    assert response.status_code == 201
    assert "a=setup:actpass" in response.text
    assert "application/sdp" in response.headers["accept-patch"]
    session = response.headers["location"]

    refused = await http.patch(session, content="v=0", headers=SDP)
    assert refused.status_code == 400
    accepted = await http.patch(session, content=make_answer(response.text), headers=SDP)
    assert (accepted.status_code, accepted.content) == (204, b"")
    connection = server.rooms["lobby"].peers["carol"].connections[0]
    assert connection.state is sfu.ConnectionState.CONNECTING
    assert all(held.negotiated for held in connection.subscriptions)

    again = await http.patch(session, content=make_answer(response.text), headers=SDP)
    assert again.status_code == 422
    assert (await http.delete(session)).status_code == 200
    assert list(server.rooms["lobby"].peers) == ["alice"]
    server.rooms["lobby"].peers["alice"].leave()


async def test_our_offer_may_be_asked_for_before_anyone_publishes(http: httpx.AsyncClient, server: sfu.Server) -> None:
    response = await http.post("/rooms/lobby/whep?peer=carol")
    assert response.status_code == 201
    assert server.rooms["lobby"].peers["carol"].connections[0].state is sfu.ConnectionState.NEW


async def test_an_answer_to_nothing_is_refused(http: httpx.AsyncClient) -> None:
    await publish(http, "alice")
    response = await http.post("/rooms/lobby/whep", content=RECEIVE, headers=SDP)
    patched = await http.patch(response.headers["location"], content=RECEIVE, headers=SDP)
    assert (patched.status_code, patched.json()["title"]) == (409, "No answer expected")


async def test_a_peer_may_not_have_endless_connections(http: httpx.AsyncClient, server: sfu.Server) -> None:
    await publish(http, "alice")
    statuses = [
        (await http.post("/rooms/lobby/whep?peer=carol", content=RECEIVE, headers=SDP)).status_code for _ in range(5)
    ]
    assert statuses == [201] * 4 + [409]
    assert len(server.rooms["lobby"].peers["carol"].connections) == 4
