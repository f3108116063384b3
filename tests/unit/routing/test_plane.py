"""The plane end to end: encrypted packets in, rewritten and encrypted packets out."""

from __future__ import annotations

import struct

import pytest

from sfu.routing.plane import CapacityError, Datagram, SourceLearned, TappedPackets
from sfu.wire.extensions import Extension
from sfu.wire.payload_format import PayloadFormat

from .conftest import EXTENSIONS, PROFILES, build_check, rtp, wait_until
from .stage import parse, publish_one


@pytest.mark.parametrize("profile", PROFILES)
def test_forwards_to_each_subscriber_with_its_own_header(plane, make_peer, profile):
    publisher = make_peer(plane, 1, profile=profile)
    track, _ = publish_one(plane, publisher)
    subscribers = [make_peer(plane, 2 + k, profile=profile) for k in range(3)]
    for k, subscriber in enumerate(subscribers):
        plane.set_extensions(subscriber.connection, EXTENSIONS)
        plane.open_subscription(track, subscriber.connection, mid=f"m{k}", ssrc=7000 + k, payload_type=100 + k)
    payloads = [bytes([k]) * (1000 + k % 2) for k in range(9)]
    for k, payload in enumerate(payloads):
        publisher.send(rtp(65530 + k & 0xFFFF, payload, timestamp=90000, marker=k == 8))
    for k, subscriber in enumerate(subscribers):
        received = [parse(p) for p in subscriber.receive(9)]
        assert [r[5] for r in received] == payloads
        assert {r[3] for r in received} == {7000 + k}
        assert {r[0] & 0x7F for r in received} == {100 + k}
        assert [r[0] >> 7 for r in received] == [0] * 8 + [1]
        first = received[0][1]
        assert [(r[1] - first) & 0xFFFF for r in received] == list(range(9))
        assert len({r[2] for r in received}) == 1
        assert {r[4][1] for r in received} == {f"m{k}".encode()}
        assert [struct.unpack("!H", r[4][4])[0] for r in received] == list(range(9))
        assert all(len(r[4][3]) == 3 for r in received)
    wait_until(lambda: plane.counters()["sent_packets"] == 27)  # counted once the system call has returned


def test_a_burst_that_waits_in_the_socket_leaves_in_shared_messages(plane, make_peer, make_planes):
    publisher = make_peer(plane, 1)
    subscriber = make_peer(plane, 2)
    track, _ = publish_one(plane, publisher)
    plane.open_subscription(track, subscriber.connection, mid="0", ssrc=7, payload_type=96)
    # UDP_SEGMENT from the publisher: UDP_GRO hands all nine to the plane as one message
    even = [publisher.send_srtp.protect(rtp(100 + k, bytes(1100))) for k in range(8)]
    publisher.socket.sendmsg([b"".join(even)], [(17, 103, struct.pack("H", len(even[0])))])
    received = [parse(p) for p in subscriber.receive(8)]
    assert len(received) == 8
    wait_until(lambda: plane.counters()["sent_packets"] == 8)  # counted once the system call has returned
    assert plane.counters()["received_datagrams"] == 8
    assert plane.counters()["sent_messages"] == 1


def test_audio_level_passes_with_the_subscribers_id(plane, make_peer):
    publisher, subscriber = make_peer(plane, 1), make_peer(plane, 2)
    plane.set_extensions(publisher.connection, {Extension.AUDIO_LEVEL: 9})
    plane.set_extensions(subscriber.connection, {Extension.AUDIO_LEVEL: 5})
    track, _ = publish_one(plane, publisher, audio=True, clock_rate=48000)
    plane.open_subscription(track, subscriber.connection, mid="0", ssrc=7, payload_type=96)
    publisher.send(rtp(1, b"opus", extensions={9: b"\x85", 8: b"zz"}))
    assert parse(subscriber.receive(1)[0])[4] == {5: b"\x85"}


def test_padding_is_stripped_and_empty_packets_keep_the_sequence(plane, make_peer):
    publisher, subscriber = make_peer(plane, 1), make_peer(plane, 2)
    track, _ = publish_one(plane, publisher)
    plane.open_subscription(track, subscriber.connection, mid="0", ssrc=7, payload_type=96)
    for k, (payload, padding) in enumerate([(b"abc", 20), (b"", 200), (b"def", 0)]):
        publisher.send(rtp(k, payload, padding=padding))
    received = [parse(p) for p in subscriber.receive(3)]
    assert [r[5] for r in received] == [b"abc", b"", b"def"]
    assert [(r[1] - received[0][1]) & 0xFFFF for r in received] == [0, 1, 2]


def test_an_unknown_ssrc_is_learned_by_mid_and_rid(plane, make_peer):
    publisher, subscriber = make_peer(plane, 1), make_peer(plane, 2)
    plane.set_extensions(publisher.connection, {Extension.MID: 1, Extension.RID: 2})
    publish_one(plane, publisher, ssrc=0, mid="a", rid="hi")
    low, low_encoding = publish_one(plane, publisher, ssrc=0, mid="a", rid="lo")
    plane.open_subscription(low, subscriber.connection, mid="0", ssrc=7, payload_type=96)
    publisher.send(rtp(1, b"nobody", ssrc=50, extensions={1: b"a", 2: b"xx"}))
    publisher.send(rtp(1, b"low", ssrc=51, extensions={1: b"a", 2: b"lo"}))
    publisher.send(rtp(2, b"low again", ssrc=51))
    assert [parse(p)[5] for p in subscriber.receive(2)] == [b"low", b"low again"]
    assert plane.poll_notices() == [SourceLearned(publisher.connection, low_encoding, 51)]
    assert plane.counters()["drop_unknown_source"] == 1
    assert plane.encoding_state(low_encoding).packets == 2


def test_numbering_goes_on_when_the_publisher_changes_its_ssrc(plane, make_peer):
    publisher, subscriber = make_peer(plane, 1), make_peer(plane, 2)
    track, _ = publish_one(plane, publisher, ssrc=0)
    plane.open_subscription(track, subscriber.connection, mid="0", ssrc=7, payload_type=96)
    publisher.send(rtp(10, b"a", ssrc=1, timestamp=5))
    publisher.send(rtp(11, b"b", ssrc=1, timestamp=3005))
    publisher.send(rtp(60000, b"c", ssrc=2, timestamp=4000000000))
    received = [parse(p) for p in subscriber.receive(3)]
    assert [(r[1] - received[0][1]) & 0xFFFF for r in received] == [0, 1, 2]
    assert 0 < (received[2][2] - received[1][2]) & 0xFFFFFFFF < 90000 * 5


def test_hostile_packets_are_dropped_and_counted(plane, make_peer):
    publisher, subscriber = make_peer(plane, 1), make_peer(plane, 2)
    stranger, keyless = make_peer(plane, 3), make_peer(plane, 4, keyed=False)
    track, _ = publish_one(plane, publisher)
    plane.open_subscription(track, subscriber.connection, mid="0", ssrc=7, payload_type=96)
    good = publisher.send(rtp(1, b"good"))
    assert len(subscriber.receive(1)) == 1
    publisher.socket.send(good)  # replayed
    other = publisher.send_srtp.protect(rtp(9, b"never arrives whole"))
    publisher.socket.send(other[:-1] + bytes([other[-1] ^ 1]))  # forged
    publisher.socket.send(other[:30])  # truncated
    publisher.socket.send(b"\x80\x60\x00")  # shorter than a header
    publisher.socket.send(b"\xa0" + other[1:])  # its header changed
    publisher.socket.send(b"\x90\x60" + bytes(10) + b"\xbe\xde\xff\xff")  # extension beyond the end
    publisher.socket.send(good[:12] + bytes(1600))
    publisher.send(rtp(2, b"", payload_type=97))
    stranger.socket.send(good)
    keyless.socket.send(good)
    publisher.socket.send(b"\x50 nothing")
    publisher.send(rtp(3, b"end"))
    assert [parse(p)[5] for p in subscriber.receive(1)] == [b"end"]
    drops = {k: v for k, v in plane.counters().items() if k.startswith("drop") and v}
    assert drops == {
        "drop_srtp_replay": 1,
        "drop_srtp_authentication": 3,
        "drop_rtp_truncated": 1,
        "drop_rtp_extension": 1,
        "drop_rtp_oversize": 1,
        "drop_payload_type": 1,
        "drop_unknown_source": 1,
        "drop_no_keys": 1,
        "drop_unknown_protocol": 1,
    }
    assert subscriber.silent()


def test_a_peer_cannot_introduce_sources_without_end(plane, make_peer):
    publisher = make_peer(plane, 1)
    publish_one(plane, publisher, ssrc=0)
    for ssrc in range(1, 101):
        publisher.send(rtp(1, b"x", ssrc=ssrc))
    wait_until(lambda: plane.counters()["received_datagrams"] == 100)
    assert plane.counters()["received_rtp"] == 64
    assert plane.counters()["drop_source_limit"] == 36


def test_notices_carry_stun_dtls_and_rtcp_with_their_sender(plane, make_peer):
    peer = make_peer(plane, 1)
    plane.set_ufrags(peer.connection, ["ourfrag+"])
    check = build_check("ourfrag+")
    peer.socket.send(check)
    peer.socket.send(b"\x16dtls")
    report = b"\x80\xc9\0\1rtcp" + b"\x81\xcb\0\1more"
    peer.socket.send(peer.send_srtp.protect_rtcp(report))
    wait_until(lambda: plane.counters()["received_datagrams"] == 3)
    address = peer.socket.getsockname()
    wanted = [("stun", check), ("dtls", b"\x16dtls"), ("rtcp", report)]
    assert plane.poll_notices() == [Datagram(k, d, address, peer.connection) for k, d in wanted]
    assert plane.poll_notices() == []


def test_pausing_and_closing_a_subscription(plane, make_peer):
    publisher, subscriber = make_peer(plane, 1), make_peer(plane, 2)
    track, _ = publish_one(plane, publisher)
    row = plane.open_subscription(track, subscriber.connection, mid="0", ssrc=7, payload_type=96)
    other = plane.open_subscription(track, subscriber.connection, mid="1", ssrc=8, payload_type=96)
    plane.set_paused(row, True)
    publisher.send(rtp(1, b"a"))
    assert [parse(p)[3] for p in subscriber.receive(1)] == [8]
    plane.set_paused(row, False)
    plane.close_subscription(other)
    publisher.send(rtp(2, b"b"))
    assert [parse(p)[3] for p in subscriber.receive(1)] == [7]
    assert plane.subscription_state(row).packets == 1


def test_no_sequence_number_is_used_twice_after_a_pause(plane, make_peer):
    """Half a round of sequence numbers goes by unseen; a second packet under an old index would give the key away."""
    publisher, subscriber = make_peer(plane, 1), make_peer(plane, 2)
    track, _ = publish_one(plane, publisher)
    row = plane.open_subscription(track, subscriber.connection, mid="0", ssrc=7, payload_type=96)
    for sequence in (30000, 32000):
        publisher.send(rtp(sequence, b"seen"))
    first = [parse(p)[1] for p in subscriber.receive(2)]
    plane.set_paused(row, True)
    wait_until(lambda: plane.settled)
    unseen = range(34000, 30000 + 65536, 2000)  # once around, in steps that are no restart of the numbering
    for sequence in unseen:
        publisher.send(rtp(sequence & 0xFFFF, b"unseen"))
    wait_until(lambda: plane.counters()["received_rtp"] == 2 + len(unseen))
    plane.set_paused(row, False)
    wait_until(lambda: plane.settled)
    publisher.send(rtp(30001, b"c"))
    assert parse(subscriber.receive(1)[0])[1] == (first[1] + 1) & 0xFFFF
    assert plane.counters()["drop_protect_failed"] == 0


def test_rows_are_limited_and_come_back(plane, make_peer):
    rows = [plane.open_connection() for _ in range(64)]
    with pytest.raises(CapacityError, match="all 64 connections"):
        plane.open_connection()
    plane.close_connection(rows[0])
    assert plane.open_connection() == rows[0]


def test_a_track_is_relayed_to_subscribers_on_another_shard(make_planes, make_peer):
    left, right = make_planes(2)
    publisher, subscriber = make_peer(left, 1), make_peer(right, 2)
    track, _ = publish_one(left, publisher)
    relayed = right.open_track()
    right.open_subscription(relayed, subscriber.connection, mid="0", ssrc=7, payload_type=96)
    wait_until(lambda: right.settled)
    left.set_relay(track, right.index, relayed)
    payloads = [bytes([k % 256]) * 1100 for k in range(1000)]
    for k, payload in enumerate(payloads):
        publisher.send(rtp(k, payload))
        assert parse(subscriber.receive(1)[0])[5] == payload
    assert left.counters()["relayed_packets"] == 1000


def test_the_tap_gets_decrypted_packets_in_order(plane, make_peer):
    publisher = make_peer(plane, 1)
    track, _ = publish_one(plane, publisher)
    plane.set_tapped(track, 0b1)
    sent = [rtp(k, bytes([k]) * 50) for k in range(20)]
    for packet in sent:
        publisher.send(packet)
    wait_until(lambda: plane.counters()["tapped_packets"] == 20)
    (tapped,) = plane.poll_tap()
    assert [(t.sequence, t.payload) for t in tapped] == [(k, bytes([k]) * 50) for k in range(20)]
    assert {(t.track, t.encoding, t.marker, t.late) for t in tapped} == {(track, 0, False, False)}
    plane.set_tapped(track, 0b10)
    publisher.send(rtp(30, b"untapped"))
    wait_until(lambda: plane.counters()["received_rtp"] == 21)
    assert plane.poll_tap() == []


def test_the_tap_tells_tracks_apart_and_finds_runs_of_packets(plane, make_peer):
    publisher = make_peer(plane, 1)
    video, _ = publish_one(plane, publisher)
    audio, _ = publish_one(
        plane, publisher, mid="1", ssrc=0x5678, payload_type=111, audio=True, codec=PayloadFormat.OPUS
    )
    for track in (video, audio):
        plane.set_tapped(track, 0b1)
    sent = [(65534 + k & 0xFFFF, 3000 * (k // 3), k % 3 == 2) for k in range(6) if k != 4]
    for k, (sequence, timestamp, marker) in enumerate(sent):
        publisher.send(rtp(sequence, b"picture", timestamp=timestamp, marker=marker))
        publisher.send(rtp(k, b"sound", ssrc=0x5678, payload_type=111, timestamp=960 * k, marker=True))
    publisher.send(rtp(2, b"picture", timestamp=3000))  # late
    wait_until(lambda: plane.counters()["tapped_packets"] == 11)
    found = {packets.track: packets for packets in plane.poll_tap()}
    assert set(found) == {video, audio}
    assert found[video].generation == plane.track_generation(video)
    assert found[video].run_ends == [3, 3, 3, 4, 5, 6]
    assert found[audio].run_ends == [5] * 5  # a frame each
    assert [(p.sequence, p.timestamp, p.marker) for p in found[video]][:5] == sent
    assert [p.late for p in found[video]] == [False] * 5 + [True]
    assert {p.payload for p in found[audio]} == {b"sound"}
    assert list(TappedPackets.of(found[video][:])) == list(found[video])
    assert TappedPackets.of(found[video][:]).run_ends == found[video].run_ends


def test_reception_statistics(plane, make_peer):
    publisher = make_peer(plane, 1)
    _, encoding = publish_one(plane, publisher)
    for sequence in [65533, 65535, 65534, 2, 3]:
        publisher.send(rtp(sequence, b"1234"))
    wait_until(lambda: plane.counters()["received_rtp"] == 5)
    state = plane.encoding_state(encoding)
    assert (state.packets, state.octets, state.expected) == (5, 20, 7)
    assert state.extended_sequence == 65539


def test_a_relayed_packet_that_is_late_reaches_no_other_track(make_planes, make_peer):
    """The row at the other shard has a new track before the relay has ended: nothing may leak into that."""
    left, right = make_planes(2)
    publisher, subscriber = make_peer(left, 1), make_peer(right, 2)
    track, _ = publish_one(left, publisher)
    rows = [right.open_track() for _ in range(64)]
    left.set_relay(track, right.index, rows[5])
    right.close_track(rows[5])
    private = right.open_track()
    assert private == rows[5]
    right.open_subscription(private, subscriber.connection, mid="0", ssrc=7, payload_type=96)
    wait_until(lambda: left.settled and right.settled)
    publisher.send(rtp(1, b"not for you"))
    wait_until(lambda: left.counters()["relayed_packets"] == 1)
    left.set_relay(track, right.index, private)
    wait_until(lambda: left.settled)
    publisher.send(rtp(2, b"for you"))
    assert [parse(p)[5] for p in subscriber.receive(1)] == [b"for you"]
    assert subscriber.silent()


def test_one_port_serves_ipv4_and_ipv6(make_planes, make_peer):
    (plane,) = make_planes(1, host="::")
    publisher = make_peer(plane, 1, host="::1")
    track, _ = publish_one(plane, publisher)
    subscribers = [make_peer(plane, 2, host="127.0.0.1"), make_peer(plane, 3, host="::1")]
    for subscriber in subscribers:
        plane.open_subscription(track, subscriber.connection, mid="0", ssrc=7, payload_type=96)
    payloads = [bytes([k]) * 1100 for k in range(9)]
    for k, payload in enumerate(payloads):
        publisher.send(rtp(k, payload))
    for subscriber in subscribers:
        assert [parse(p)[5] for p in subscriber.receive(9)] == payloads
    subscribers[0].socket.send(b"\x16from IPv4")
    wait_until(lambda: plane.counters()["received_datagrams"] == 10)
    (notice,) = plane.poll_notices()
    assert notice.address == subscribers[0].socket.getsockname()
