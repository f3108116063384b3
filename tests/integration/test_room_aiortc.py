"""Real sockets, real media: aiortc publishers and subscribers meet in a Server of this process."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import aioice.ice
import pytest
from aiortc import RTCBundlePolicy, RTCRtpReceiver, RTCRtpSender
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtp import RtcpByePacket, RtcpRrPacket

from sfu import Config, ConnectionState, EventStream, Server
from sfu.errors import RoomFullError
from sfu.events import (
    ActiveSpeakersChanged,
    ConnectionStateChanged,
    DominantSpeakerChanged,
    Event,
    NegotiationNeeded,
    TrackEnded,
    TrackMuted,
    TrackUnmuted,
)
from tests.integration.clients import PATIENCE_S, Client, client, moments, until
from tests.unit.fakes import NO_ROWS

CONSENT_S = 2.0


@pytest.fixture(autouse=True)
def frequent_consent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aioice.ice, "CONSENT_INTERVAL", 0.3)


@pytest.fixture(params=[1, 2], ids=["one_shard", "two_shards"])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    async with Server(Config(shards=request.param, consent_timeout=CONSENT_S, max_peers_per_room=3)) as running:
        yield running
        for room in list(running.rooms.values()):
            room.close()
        assert running.rows_in_use() == NO_ROWS
        assert "drop_internal_error" not in running.counters()


async def wait_for(stream: EventStream, *kinds: type[Event]) -> Event:
    async with asyncio.timeout(PATIENCE_S):
        async for event in stream:
            if isinstance(event, kinds):
                return event
    raise AssertionError("the stream of events ended")


async def wait_for_state(stream: EventStream, state: ConnectionState) -> ConnectionStateChanged:
    while True:
        event = await wait_for(stream, ConnectionStateChanged)
        assert isinstance(event, ConnectionStateChanged)
        if event.state is state:
            return event


def answered_checks(of: Client) -> list[float]:
    """When checks of consent are answered to a client, from now on."""
    loop, times = asyncio.get_running_loop(), list[float]()
    ice = of.pc.getTransceivers()[0].sender.transport.transport._connection
    for pair in ice._nominated.values():
        request = pair.protocol.request

        async def counted(*about: Any, request: Any = request, **more: Any) -> Any:
            answer = await request(*about, **more)
            times.append(loop.time())
            return answer

        pair.protocol.request = counted
    return times


async def reported(side: RTCRtpSender | RTCRtpReceiver, kind: str) -> Any:
    """What the other side's reports have told a client, once they have come."""
    found: list[Any] = []
    async for _ in moments():
        found = [entry for entry in (await side.getStats()).values() if entry.type == kind]
        if found:
            break
    (entry,) = found
    return entry


async def publish(server: Server, publisher: Client, name: str = "alice") -> None:
    publisher.send()
    answered = server.room("lobby").join(name, leave_when_idle=True).answer(await publisher.offer())
    await publisher.take_answer(answered.sdp)


async def subscribe(server: Server, subscriber: Client, name: str = "bob") -> None:
    subscriber.receive("audio", "video")
    peer = server.room("lobby").join(name, leave_when_idle=True)
    answered = peer.answer(await subscriber.offer(), subscribe="all")
    assert answered.unfilled == ()
    await subscriber.take_answer(answered.sdp)


async def test_picture_and_tone_arrive_when_the_client_offers(server: Server) -> None:
    async with client() as publisher, client() as subscriber:
        await publish(server, publisher)
        await subscribe(server, subscriber)
        await subscriber.see_bar_move()
        assert await subscriber.hear() == pytest.approx(440, abs=5)


async def test_picture_and_tone_arrive_when_the_server_offers(server: Server) -> None:
    """The subscriber is there first: tracks come to it by renegotiation, and go."""
    room = server.room("lobby")
    stream = room.events()
    async with client() as subscriber, client() as publisher:
        bob = room.join("bob", leave_when_idle=True)
        connection = bob.offer(subscribe="all")
        connection.accept(await subscriber.answer(connection.offer()))
        await wait_for_state(stream, ConnectionState.CONNECTED)
        await publish(server, publisher)
        assert await wait_for(stream, NegotiationNeeded) == NegotiationNeeded("lobby", "bob", connection.id)
        connection.accept(await subscriber.answer(connection.offer()))
        await subscriber.see_bar_move()
        assert await subscriber.hear() == pytest.approx(440, abs=5)

        await publisher.pc.close()
        await wait_for(stream, NegotiationNeeded)
        assert not bob.subscriptions
        connection.accept(await subscriber.answer(connection.offer()))
        assert connection.state is ConnectionState.CONNECTED

        async with client() as second:
            second.send(frequency=880)
            answered = room.join("carol").answer(await second.offer())
            await second.take_answer(answered.sdp)
            await wait_for(stream, NegotiationNeeded)
            connection.accept(await subscriber.answer(connection.offer()))
            await subscriber.see_bar_move()
            assert await subscriber.hear() == pytest.approx(880, abs=5)


async def test_who_is_heard_is_told_and_last_n_lets_only_him_through(server: Server) -> None:
    """By the levels that aiortc declares of a tone. Nobody was heard before, so who came first has the place."""
    room = server.room("lobby")
    room.set_last_n("audio", 1)
    stream = room.events()
    async with client() as silent, client() as publisher, client(RTCBundlePolicy.MAX_BUNDLE) as subscriber:
        silent.send(frequency=0)
        first = room.join("sam", leave_when_idle=True).answer(await silent.offer())
        await silent.take_answer(first.sdp)
        await publish(server, publisher)
        held = {track.peer: track.held for track in room.tracks if track.kind == "audio"}
        bob = room.join("bob", leave_when_idle=True)
        connection = bob.offer(subscribe="all")
        connection.accept(await subscriber.answer(connection.offer()))
        assert await wait_for(stream, ActiveSpeakersChanged) == ActiveSpeakersChanged("lobby", ("alice",))
        assert await wait_for(stream, DominantSpeakerChanged) == DominantSpeakerChanged("lobby", "alice")
        assert held == {"sam": False, "alice": True}
        held = {track.peer: track.held for track in room.tracks if track.kind == "audio"}
        assert held == {"sam": True, "alice": False}
        by_peer = {one.track.peer: one for one in bob.subscriptions if one.track.kind == "audio"}
        await until(lambda: by_peer["alice"].stats().packets > 50)
        sent = by_peer["sam"].stats().packets
        await until(lambda: by_peer["alice"].stats().packets > 100)
        assert by_peer["sam"].stats().packets == sent

        await publisher.pc.close()
        assert await wait_for(stream, ActiveSpeakersChanged) == ActiveSpeakersChanged("lobby", ())
        assert await wait_for(stream, DominantSpeakerChanged) == DominantSpeakerChanged("lobby", None)


async def test_a_late_subscriber_gets_a_key_frame_at_once(server: Server) -> None:
    async with client() as publisher, client() as first, client() as second:
        await publish(server, publisher)
        await subscribe(server, first)
        await first.see_bar_move()
        video = next(track for track in server.room("lobby").tracks if track.kind == "video")
        before = video.encodings[0].key_frames.sent
        await subscribe(server, second, "carol")
        await second.see_bar_move()
        assert video.encodings[0].key_frames.sent > before


async def test_two_peers_in_one_connection_each(server: Server) -> None:
    """Both publish and receive over a single connection; nobody hears himself."""
    room = server.room("lobby")
    async with client() as alice, client() as bob:
        alice.send(frequency=440)
        first = room.join("alice").answer(await alice.offer(), subscribe="all")
        await alice.take_answer(first.sdp)
        bob.send(frequency=880)
        second = room.join("bob").answer(await bob.offer(), subscribe="all")
        await bob.take_answer(second.sdp)
        assert await bob.hear() == pytest.approx(440, abs=5)
        await bob.see_bar_move()
        assert not room.peers["alice"].subscriptions
        third = first.connection.answer(await alice.offer())  # now Alice's sections can be filled
        assert third.unfilled == ()
        await alice.take_answer(third.sdp)
        assert await alice.hear() == pytest.approx(880, abs=5)
        await alice.see_bar_move()


async def test_reports_flow_both_ways(server: Server) -> None:
    async with client() as publisher, client() as subscriber:
        await publish(server, publisher)
        await subscribe(server, subscriber)
        held = server.room("lobby").peers["bob"].subscriptions
        await until(lambda: all(one.reports.round_trip_time is not None for one in held))
        assert all(0 <= (one.reports.round_trip_time or 0.0) < 1 for one in held)
        assert all(one.reports.fraction_lost == 0 for one in held)
        # What the publisher got of our receiver reports, and the subscriber of our sender reports.
        for sender in publisher.pc.getSenders():
            if sender.track is not None:
                assert (await reported(sender, "remote-inbound-rtp")).packetsLost == 0
        for receiver in subscriber.pc.getReceivers():
            assert (await reported(receiver, "remote-outbound-rtp")).packetsSent > 0


async def test_a_publisher_that_vanishes_is_gone_within_the_consent_timeout(server: Server) -> None:
    stream = server.room("lobby").events()
    async with client() as publisher, client() as subscriber:
        await publish(server, publisher)
        await subscribe(server, subscriber)
        await subscriber.see_bar_move()
        loop = asyncio.get_running_loop()
        answered = answered_checks(subscriber)
        await publisher.vanish()
        gone = loop.time()
        await wait_for(stream, TrackEnded)
        event = await wait_for_state(stream, ConnectionState.CLOSED)
        assert (event.peer, event.reason) == ("alice", "consent_lost")
        assert 1.0 < loop.time() - gone < 3.0
        # What the subscriber received waits for the publisher's return, in its place.
        assert server.rows_in_use() == NO_ROWS | {"connections": 1, "subscriptions": 2, "logs": 1}
        # The subscriber, whose checks go on, stays longer than the time-out.
        await until(lambda: bool(answered) and answered[-1] > gone + 1.5 * CONSENT_S)
        assert server.room("lobby").peers["bob"].connections[0].state is ConnectionState.CONNECTED


async def test_a_client_that_never_comes_is_forgotten() -> None:
    async with Server(Config(handshake_timeout=1.0)) as server, client() as publisher:
        stream = server.room("lobby").events()
        publisher.send()
        server.room("lobby").join("alice", leave_when_idle=True).answer(await publisher.offer())
        event = await wait_for_state(stream, ConnectionState.CLOSED)
        assert event.reason == "handshake_timeout"
        assert server.rows_in_use() == NO_ROWS
        assert dict(server.rooms) == {}


async def test_a_full_room_refuses_and_those_inside_notice_nothing(server: Server) -> None:
    room = server.room("lobby")
    async with client() as publisher, client() as subscriber:
        await publish(server, publisher)
        await subscribe(server, subscriber)
        room.join("carol")
        with pytest.raises(RoomFullError):
            room.join("dave")
        await subscriber.see_bar_move()


async def test_media_go_on_over_an_ice_restart(server: Server) -> None:
    stream = server.room("lobby").events()
    async with client() as publisher, client() as subscriber:
        await publish(server, publisher)
        await subscribe(server, subscriber)
        await subscriber.see_bar_move()
        connection = server.room("lobby").peers["alice"].connections[0]
        before = connection.local_ufrags()
        fragment = connection.restart_ice_fragment("fresh", "f" * 24)
        assert fragment is not None
        assert set(before) < set(connection.local_ufrags())
        # aiortc cannot restart; this is what its agent would do after one.
        ice = publisher.pc.getTransceivers()[0].sender.transport.transport._connection
        lines = [line for line in fragment.split("\r\n") if line.startswith(("a=ice-ufrag:", "a=ice-pwd:"))]
        values = dict(line[2:].split(":", 1) for line in lines)
        ice._local_username, ice._local_password = "fresh", "f" * 24
        ice.remote_username, ice.remote_password = values["ice-ufrag"], values["ice-pwd"]
        answered, restarted = answered_checks(publisher), asyncio.get_running_loop().time()
        await until(lambda: connection.local_ufrags() == [values["ice-ufrag"]])
        await until(lambda: bool(answered) and answered[-1] > restarted + 1.25 * CONSENT_S)
        assert connection.state is ConnectionState.CONNECTED
        await subscriber.see_bar_move()
        stream.close()
        assert not [event async for event in stream if isinstance(event, TrackEnded)]


async def test_goodbye_mutes_and_media_unmute(server: Server) -> None:
    """Browsers say goodbye when a sender loses its track, and go on under the same SSRC when it gets another."""
    room = server.room("lobby")
    stream = room.events()
    async with client() as publisher, client() as subscriber:
        await publish(server, publisher)
        await subscribe(server, subscriber)
        await subscriber.see_bar_move()
        sender = publisher.pc.getSenders()[0]
        track = room.peers["alice"].tracks[0]
        goodbye = bytes(RtcpRrPacket(ssrc=sender._ssrc)) + bytes(RtcpByePacket(sources=[sender._ssrc]))
        await sender.transport._send_rtp(goodbye)
        assert await wait_for(stream, TrackMuted) == TrackMuted("lobby", "alice", track.id)
        assert await wait_for(stream, TrackUnmuted) == TrackUnmuted("lobby", "alice", track.id)
        assert not track.ended


async def test_hostile_rtcp_is_counted_and_changes_nothing(server: Server) -> None:
    stream = server.room("lobby").events()
    async with client() as publisher, client() as subscriber:
        await publish(server, publisher)
        await subscribe(server, subscriber)
        await subscriber.see_bar_move()
        transport: RTCDtlsTransport = publisher.pc.getSenders()[0].transport
        rng = random.Random(1)
        for _ in range(50):
            # authentic, but nonsense
            await transport._send_rtp(b"\x81\xc8\x00\x09" + rng.randbytes(4) + b"\x00" * 8)
            # not even authentic
            await transport.transport._send(b"\x80\xc9" + rng.randbytes(60))
        await subscriber.see_bar_move()
        for reason in ("drop_rtcp_malformed", "drop_rtcp_authentication"):
            await until(lambda reason=reason: server.counters().get(reason) == 50)
        stream.close()
        assert not [event async for event in stream if isinstance(event, TrackEnded)]


async def test_strangers_get_nothing_and_are_counted(server: Server) -> None:
    loop = asyncio.get_running_loop()
    sent = 0
    rng = random.Random(2)
    transport, _ = await loop.create_datagram_endpoint(
        asyncio.DatagramProtocol, remote_addr=("127.0.0.1", server.udp_ports[0])
    )
    for first in (0, 1, 22, 128):
        for _ in range(10):
            transport.sendto(bytes([first]) + rng.randbytes(100))
            sent += 1
    await until(lambda: sent <= sum(count for name, count in server.counters().items() if name.startswith("drop_")))
    transport.close()
    counters = server.counters()
    assert counters["drop_stun_unknown_user"] == 20
    assert counters["drop_dtls_unknown_address"] == 10
    assert counters.get("control_sent", 0) == 0
