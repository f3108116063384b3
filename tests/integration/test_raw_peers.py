"""Clients that do what is legal and unusual, part by part, in a Server of this process."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from sfu import Config, ConnectionState, Server, SigningKey
from sfu.events import ConnectionStateChanged
from sfu.recording.folder import LEDGER
from sfu.recording.ledger import parse_ledger
from tests.integration.raw_peer import RawPeer
from tests.unit.offers import make_answer, make_offer

CONSENT_S = 2.0


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server(Config(consent_timeout=CONSENT_S)) as running:
        yield running
        assert "drop_internal_error" not in running.counters()


@pytest.fixture
async def raw() -> AsyncIterator[Callable[..., RawPeer]]:
    made: list[RawPeer] = []

    def make(*, passive: bool = False) -> RawPeer:
        made.append(RawPeer(passive=passive))
        return made[-1]

    yield make
    for peer in made:
        peer.close()


Join = Callable[..., Awaitable[tuple[RawPeer, socket.socket]]]


@pytest.fixture
async def join(server: Server, raw: Callable[..., RawPeer]) -> Join:
    """Brings a client with one section into the room, by an offer of its own, and connects it."""

    async def joined(
        name: str, direction: str, *, passive: bool = False, kind: str = "audio"
    ) -> tuple[RawPeer, socket.socket]:
        client = raw(passive=passive)
        offer = make_offer((kind, direction), setup="passive" if passive else "actpass")
        peer = server.room("lobby").join(name, leave_when_idle=True)
        answered = peer.answer(client.describe(offer), subscribe="all" if direction == "recvonly" else None)
        assert f"a=setup:{'active' if passive else 'passive'}\r\n" in answered.sdp
        client.read(answered.sdp)
        home = client.open()
        await client.connect(home)
        await client.until(lambda: server.room("lobby").peers[name].connections[0].state is ConnectionState.CONNECTED)
        return client, home

    return joined


async def flow(
    publisher: RawPeer, where: socket.socket, viewer: RawPeer, at: socket.socket, *, first: int = 1, seconds: float = 10
) -> int:
    """Media of the publisher's, 50 a second, until five have come to the viewer; return the next number."""
    before = len(viewer.heard[at])
    for sequence in range(first, first + int(seconds * 50)):
        publisher.send_rtp(where, sequence)
        await asyncio.sleep(0.02)
        if len(viewer.heard[at]) >= before + 5:
            return sequence + 1
    raise AssertionError("no media came through")


@pytest.mark.parametrize("publishes", [False, True])
@pytest.mark.parametrize("views", [False, True])
async def test_each_role_of_dtls_carries_media_both_ways(join: Join, publishes: bool, views: bool) -> None:
    publisher, source = await join("alice", "sendonly", passive=publishes)
    viewer, sink = await join("bob", "recvonly", passive=views)
    await flow(publisher, source, viewer, sink)


async def test_an_answer_may_leave_the_handshake_to_us(server: Server, join: Join, raw: Callable[..., RawPeer]) -> None:
    publisher, source = await join("alice", "sendonly")
    viewer = raw(passive=True)
    connection = server.room("lobby").join("bob", leave_when_idle=True).offer()
    offer = connection.offer()
    assert "a=setup:actpass\r\n" in offer
    viewer.read(offer)
    sink = viewer.open()
    viewer.check(sink, nominate=True)  # before the answer
    await viewer.until(lambda: viewer.answered[sink] > 0)
    connection.accept(viewer.describe(make_answer(offer)).replace("a=setup:active", "a=setup:passive"))
    await viewer.connect(sink)
    await flow(publisher, source, viewer, sink)


async def test_media_keep_a_publisher_that_sends_no_more_checks_and_silence_ends_it(server: Server, join: Join) -> None:
    events = server.room("lobby").events()
    publisher, source = await join("alice", "sendonly")
    viewer, sink = await join("bob", "recvonly")
    for sequence in range(int(3 * CONSENT_S / 0.05)):
        publisher.send_rtp(source, sequence)
        viewer.send_report(sink)
        await asyncio.sleep(0.05)
    assert len(viewer.heard[sink]) > CONSENT_S / 0.05
    peers = server.room("lobby").peers
    assert peers["alice"].connections[0].state is peers["bob"].connections[0].state is ConnectionState.CONNECTED
    gone = set()
    async with asyncio.timeout(10):
        async for event in events:
            if isinstance(event, ConnectionStateChanged) and event.state is ConnectionState.CLOSED:
                gone.add((event.peer, event.reason))
            if len(gone) == 2:
                break
    assert gone == {("alice", "consent_lost"), ("bob", "consent_lost")}


async def test_checks_that_the_plane_answers_keep_a_client_and_silence_ends_it(server: Server, join: Join) -> None:
    client, home = await join("alice", "recvonly")
    await client.until(lambda: server.rows_in_use()["connections"] == 1)
    connection = server.room("lobby").peers["alice"].connections[0]
    shard = connection.shard
    await client.until(lambda: shard.plane.settled)
    before = server.counters()["control_sent"]
    answered = client.answered[home]
    for _ in range(int(2 * CONSENT_S / 0.1)):
        client.check(home, nominate=True)
        await asyncio.sleep(0.1)
    assert connection.state is ConnectionState.CONNECTED
    await client.until(lambda: client.answered[home] == answered + int(2 * CONSENT_S / 0.1))
    assert server.counters()["control_sent"] == before
    assert server.counters()["answered_checks"] == int(2 * CONSENT_S / 0.1)
    await client.until(lambda: connection.state is ConnectionState.CLOSED)


async def test_a_check_that_the_plane_has_answered_proves_nothing_from_elsewhere(server: Server, join: Join) -> None:
    client, home = await join("alice", "recvonly")
    shard = server.room("lobby").peers["alice"].connections[0].shard
    await client.until(lambda: shard.plane.settled)
    captured = client.build_check(nominate=True)
    home.send(captured)
    await client.until(lambda: server.counters()["answered_checks"] == 1)
    elsewhere = client.open()
    elsewhere.send(captured)
    await client.until(lambda: server.counters().get("drop_endpoint_ice_replayed_check") == 1)
    assert client.answered[elsewhere] == 0


async def test_media_pass_on_a_checked_pair_that_is_not_the_last_nominated(join: Join) -> None:
    publisher, source = await join("alice", "sendonly")
    viewer, sink = await join("bob", "recvonly")
    other = publisher.open()
    publisher.check(other, nominate=True)
    await publisher.until(lambda: publisher.answered[other] > 0)
    first = await flow(publisher, source, viewer, sink)
    await flow(publisher, other, viewer, sink, first=first)


@pytest.mark.parametrize("nominate", [False, True])
async def test_a_viewer_that_moves_is_sent_to_where_it_is(join: Join, nominate: bool) -> None:
    publisher, source = await join("alice", "sendonly")
    viewer, sink = await join("bob", "recvonly")
    first = await flow(publisher, source, viewer, sink)
    moved = viewer.open()
    viewer.check(moved, nominate=nominate)
    await viewer.until(lambda: viewer.answered[moved] > 0)
    for sequence in range(first, first + 200):
        publisher.send_rtp(source, sequence)
        viewer.send_report(moved)
        await asyncio.sleep(0.02)
        if len(viewer.heard[moved]) >= 5:
            return
    raise AssertionError("nothing came to where the viewer is")


async def test_a_publisher_that_moves_goes_on_at_once(join: Join) -> None:
    publisher, source = await join("alice", "sendonly")
    viewer, sink = await join("bob", "recvonly")
    first = await flow(publisher, source, viewer, sink)
    moved = publisher.open()
    publisher.check(moved)
    await publisher.until(lambda: publisher.answered[moved] > 0)
    await flow(publisher, moved, viewer, sink, first=first, seconds=1)


async def test_nothing_passes_from_where_no_check_came(server: Server, join: Join) -> None:
    publisher, source = await join("alice", "sendonly")
    viewer, sink = await join("bob", "recvonly")
    first = await flow(publisher, source, viewer, sink)
    stranger = publisher.open()
    heard = len(viewer.heard[sink])
    for sequence in range(first, first + 10):
        publisher.send_rtp(stranger, sequence)
    await publisher.until(lambda: server.counters()["drop_unknown_address"] >= 10)
    assert len(viewer.heard[sink]) == heard


KEY_FRAME = b"\x10\x00\x00\x00\x9d\x01\x2a\x40\x01\xb4\x00" + bytes(40)
DELTA = b"\x10\x01\x00\x00" + bytes(40)
PICTURE_LOSS = b"\x81\xce"


async def test_who_changes_its_ssrc_with_each_key_frame_is_not_asked_for_more(join: Join) -> None:
    publisher, source = await join("alice", "sendonly", kind="video")
    viewer, sink = await join("bob", "recvonly", kind="video")
    sequence = 0

    async def send_group(ssrc: int, first: bytes) -> None:
        nonlocal sequence
        for number in range(15):
            sequence += 1
            payload = first if number == 0 else DELTA
            publisher.send_rtp(source, sequence, ssrc=ssrc, payload_type=96, payload=payload, marker=True)
            await asyncio.sleep(0.02)

    await send_group(1000, KEY_FRAME)
    await send_group(1000, KEY_FRAME)  # whatever was asked for at the beginning has come
    await viewer.until(lambda: len(viewer.heard[sink]) > 0)
    heard, asked = len(viewer.heard[sink]), _count(publisher.feedback)
    for ssrc in range(2000, 2010):
        await send_group(ssrc, KEY_FRAME)
        viewer.send_report(sink)
    await viewer.until(lambda: len(viewer.heard[sink]) >= heard + 140)
    assert _count(publisher.feedback) == asked
    # One that does not begin with a key frame is asked for it.
    await send_group(3000, DELTA)
    await publisher.until(lambda: _count(publisher.feedback) > asked)


def _count(feedback: list[bytes]) -> int:
    return sum(PICTURE_LOSS in packet for packet in feedback)


async def test_what_is_muted_by_word_is_neither_forwarded_nor_recorded(
    server: Server, join: Join, tmp_path: Path
) -> None:
    publisher, source = await join("alice", "sendonly")
    viewer, sink = await join("bob", "recvonly")
    room = server.room("lobby")
    recording = room.record(tmp_path / "record", key=SigningKey.generate())
    number = await flow(publisher, source, viewer, sink)
    (track,) = room.peers["alice"].tracks
    (held,) = room.peers["bob"].subscriptions
    room.set_track_muted(track, True)
    for each in range(number, number + 25):
        publisher.send_rtp(source, each)
        await asyncio.sleep(0.01)
    sent = held.stats().packets
    received = track.stats().encodings[0].packets
    for each in range(number + 25, number + 50):
        publisher.send_rtp(source, each)
        await asyncio.sleep(0.01)
    assert (track.muted, held.stats().packets) == (True, sent)
    assert track.stats().encodings[0].packets > received, "its client still sends"
    room.set_track_muted(track, False)
    await flow(publisher, source, viewer, sink, first=number + 50)
    numbers = [int.from_bytes(packet[2:4], "big") for packet in viewer.heard[sink]]
    assert [later - earlier for earlier, later in itertools.pairwise(numbers)] == [1] * (len(numbers) - 1)
    await recording.stop()
    lines = list(parse_ledger((tmp_path / "record" / LEDGER).read_bytes()))
    told = [line.fields.get("event") for line in lines if line.type == "track"]
    assert told[:3] == ["begin", "muted", "unmuted"]
    muted_us, unmuted_us = (line.fields["at_us"] for line in lines if line.fields.get("event") in ("muted", "unmuted"))
    gaps = [(line.fields["begin_us"], line.fields["end_us"]) for line in lines if line.fields.get("cause") == "mute"]
    assert gaps and gaps[0][0] <= muted_us + 30_000 and gaps[-1][1] >= unmuted_us
    assert not any(line.type in ("silent", "alarm") for line in lines)


async def test_what_is_published_late_on_a_connection_is_measured_and_reported_on(
    server: Server, raw: Callable[..., RawPeer]
) -> None:
    client = raw()
    peer = server.room("lobby").join("alice")
    receive, send = ("audio", "recvonly"), ("audio", "sendonly")
    answered = peer.steer(client.describe(make_offer(receive)))
    client.read(answered.sdp)
    home = client.open()
    await client.connect(home)
    connection = answered.connection
    await client.until(lambda: connection.state is ConnectionState.CONNECTED)
    await client.until(lambda: connection._reporter.poll_timeout() is None)  # nothing to report on
    connection.answer(client.describe(make_offer(receive, send)))
    (track,) = connection.tracks
    for sequence in range(1, 200):
        client.send_rtp(home, sequence, ssrc=1001)
        await asyncio.sleep(0.01)
        if track.stats().encodings[0].bit_rate_bps:
            break
    assert track.stats().encodings[0].active and track.stats().encodings[0].bit_rate_bps > 0
