from __future__ import annotations

import time
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


async def test_a_session_that_we_offered_follows_what_is_published(http: httpx.AsyncClient, server: sfu.Server) -> None:
    await publish(http, "alice")
    response = await http.post("/rooms/lobby/whep?peer=carol")
    session = response.headers["location"]
    await http.patch(session, content=make_answer(response.text), headers=SDP)
    assert (await http.post(f"{session}/offer")).status_code == 204
    await publish(http, "bob")
    for _ in range(2):  # whoever loses one asks again
        offered = await http.post(f"{session}/offer")
        assert (offered.status_code, offered.headers["content-type"]) == (200, "application/sdp")
        assert offered.text.count("a=sendonly") == 4
    assert (await http.patch(session, content=make_answer(offered.text), headers=SDP)).status_code == 204
    received = server.rooms["lobby"].peers["carol"].subscriptions
    assert {held.track.peer for held in received if held.negotiated} == {"alice", "bob"}
    assert (await http.post(f"{session}/offer")).status_code == 204
    server.rooms["lobby"].peers["alice"].leave()
    offered = await http.post(f"{session}/offer")
    assert (offered.text.count("a=sendonly"), offered.text.count("a=inactive")) == (2, 2)


async def test_a_session_that_the_client_offered_gets_no_offer(http: httpx.AsyncClient) -> None:
    await publish(http, "alice")
    viewing = await http.post("/rooms/lobby/whep", content=RECEIVE, headers=SDP)
    refused = await http.post(f"{viewing.headers['location']}/offer")
    assert (refused.status_code, refused.json()["title"]) == (409, "No offer of ours")
    publishing = await http.post("/rooms/lobby/whip?peer=bob", content=SEND, headers=SDP)
    assert (await http.post(f"{publishing.headers['location']}/offer")).status_code == 404


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


async def test_what_the_player_would_send_is_not_taken(http: httpx.AsyncClient, server: sfu.Server) -> None:
    await publish(http, "alice")
    for directions in (("sendrecv", "sendrecv"), ("sendrecv", "recvonly"), ("", "")):
        offer = make_offer(*zip(("audio", "video"), directions, strict=True)).replace("a=\r\n", "")
        response = await http.post("/rooms/lobby/whep?peer=bob", content=offer, headers=SDP)
        assert response.status_code == 201, response.text
        assert response.text.count("a=sendonly") == 2
        bob = server.rooms["lobby"].peers["bob"]
        assert (len(bob.subscriptions), bob.tracks) == (2, ())
        assert (await http.delete(response.headers["location"])).status_code == 200


async def test_a_player_that_only_sends_is_told_to_receive(http: httpx.AsyncClient, server: sfu.Server) -> None:
    await publish(http, "alice")
    rows = server.rows_in_use()
    refused = await http.post("/rooms/lobby/whep?peer=bob", content=SEND, headers=SDP)
    assert (refused.status_code, "a=recvonly" in refused.json()["detail"]) == (403, True)
    assert server.rows_in_use() == rows
    beside = make_offer(("audio", "sendonly"), ("video", "recvonly"))
    taken = await http.post("/rooms/lobby/whep?peer=bob", content=beside, headers=SDP)
    assert taken.status_code == 201
    assert [taken.text.count(f"a={way}\r\n") for way in ("inactive", "sendonly", "recvonly")] == [1, 1, 0]


H264 = "a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1;profile-level-id="


def in_h264(offer: str, profile: str) -> str:
    return offer.replace("a=rtpmap:96 VP8/90000", f"{H264}{profile}")


async def test_a_stream_that_the_players_decoder_takes_is_sent(http: httpx.AsyncClient, server: sfu.Server) -> None:
    await http.post("/rooms/lobby/whip?peer=alice", content=in_h264(SEND, "42e01f"), headers=SDP)
    for profile in ("42e01f", "42001f", "4d001f", "64001f"):
        watched = await http.post("/rooms/lobby/whep?peer=bob", content=in_h264(RECEIVE, profile), headers=SDP)
        assert watched.status_code == 201, watched.text
        assert len(server.rooms["lobby"].peers["bob"].subscriptions) == 2
        await http.delete(watched.headers["location"])


async def test_a_player_that_decodes_nothing_of_a_kind_is_told_what_is_published(
    http: httpx.AsyncClient, server: sfu.Server
) -> None:
    await http.post("/rooms/lobby/whip?peer=alice", content=in_h264(SEND, "64001f"), headers=SDP)
    rows = server.rows_in_use()
    for offer, offered in (
        (in_h264(RECEIVE, "42e01f"), "H264 (constrained-baseline, packetization-mode=1)"),
        (RECEIVE, "VP8"),
        (RECEIVE.replace("VP8/90000", "H265/90000"), "H265"),
        (make_offer(("video", "recvonly")), "VP8"),
        (make_offer(("audio", "sendrecv"), ("video", "sendrecv")), "VP8"),
    ):
        refused = await http.post("/rooms/lobby/whep?peer=bob", content=offer, headers=SDP)
        assert (refused.status_code, "retry-after" in refused.headers) == (406, False)
        assert "Published: H264 (high, packetization-mode=1)" in refused.json()["detail"]
        assert f"Offered: {offered}" in refused.json()["detail"]
        assert server.rows_in_use() == rows
    audio = await http.post("/rooms/lobby/whep?peer=bob", content=make_offer(("audio", "recvonly")), headers=SDP)
    assert audio.status_code == 201
    await publish(http, "carol")  # in VP8: with several publishers one that fits is enough
    both = await http.post("/rooms/lobby/whep?peer=bob", content=RECEIVE, headers=SDP)
    assert both.status_code == 201


async def test_what_nobody_publishes_yet_may_still_be_tried_again(http: httpx.AsyncClient) -> None:
    await http.post("/rooms/lobby/whip?peer=alice", content=make_offer(("audio", "sendonly")), headers=SDP)
    refused = await http.post("/rooms/lobby/whep?peer=bob", content=make_offer(("video", "recvonly")), headers=SDP)
    assert (refused.status_code, refused.headers["retry-after"]) == (409, "1")


async def test_many_sections_fit_into_offers_answers_and_bodies(http: httpx.AsyncClient) -> None:
    """One limit, which follows from the number of sections: what we offer can be answered."""
    publishers = [(kind, "sendonly") for kind in ("audio", "video")] * 4
    filler = "".join(f"a=candidate:{k} 1 udp 1 192.0.2.1 9 typ host generation 0\r\n" for k in range(150))
    big = make_offer(*publishers).replace("a=rtcp-mux\r\n", f"a=rtcp-mux\r\n{filler}")
    assert len(big) > 65536
    assert (await http.post("/rooms/lobby/whip?peer=alice", content=big, headers=SDP)).status_code == 201
    offered = await http.post("/rooms/lobby/whep?peer=bob")
    answer = make_answer(offered.text).replace("a=rtcp-mux\r\n", f"a=rtcp-mux\r\n{filler}")
    assert len(answer) > 65536
    location = offered.headers["location"]
    assert (await http.patch(location, content=answer, headers=SDP)).status_code == 204
    fragment = {"Content-Type": "application/trickle-ice-sdpfrag"}
    assert (await http.patch(location, content=filler * 12, headers=fragment)).status_code == 204


async def test_the_session_outlives_a_publisher_that_comes_again(http: httpx.AsyncClient, server: sfu.Server) -> None:
    await http.post("/rooms/lobby/whip?peer=alice", content=SEND, headers=SDP)
    viewing = await http.post("/rooms/lobby/whep?peer=bob&publisher=alice", content=RECEIVE, headers=SDP)
    await http.post("/rooms/lobby/whip?peer=alice", content=SEND, headers=SDP)
    room = server.rooms["lobby"]
    (connection,) = room.peers["bob"].connections
    connection.handle_timeout(time.monotonic())
    assert [held.track for held in connection.subscriptions] == list(room.peers["alice"].tracks)
    assert (await http.get(viewing.headers["location"])).status_code == 204


async def test_the_session_ends_when_only_a_new_offer_would_help(http: httpx.AsyncClient, server: sfu.Server) -> None:
    offer = make_offer(("VP8 or VP9", "recvonly"))
    await http.post("/rooms/lobby/whip?peer=alice", content=SEND, headers=SDP)
    viewing = await http.post("/rooms/lobby/whep?peer=bob&publisher=alice", content=offer, headers=SDP)
    (connection,) = server.rooms["lobby"].peers["bob"].connections
    await http.post("/rooms/lobby/whip?peer=alice", content=make_offer(("VP9", "sendonly")), headers=SDP)
    connection.handle_timeout(time.monotonic())
    assert (await http.get(viewing.headers["location"])).status_code == 404
    assert (await http.post("/rooms/lobby/whep?publisher=alice", content=offer, headers=SDP)).status_code == 201


async def test_a_player_that_wants_nothing_is_not_told_to_try_again(
    http: httpx.AsyncClient, server: sfu.Server
) -> None:
    await publish(http, "alice")
    rows = server.rows_in_use()
    offer = make_offer(("audio", "inactive"), ("video", "inactive"))
    refused = await http.post("/rooms/lobby/whep?peer=bob", content=offer, headers=SDP)
    assert (refused.status_code, "retry-after" in refused.headers) == (422, False)
    assert "a=recvonly" in refused.json()["detail"]
    assert server.rows_in_use() == rows
