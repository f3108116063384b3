"""NACK without RTX, in both directions: the same packet again."""

from __future__ import annotations

import random
import select
import struct
import time

import pytest
from pylibsrtp import Error, Policy

from sfu.bwe.kernels.sent_log import ARRIVED, UNKNOWN
from sfu.routing.kernels.subscription_columns import EGRESS_WINDOW, SEALED_AUDIO_BYTES, SEALED_BYTES
from sfu.routing.plane import Feedback, Gap, Plane, PlaneLimits, RepeatMissed
from sfu.routing.plane import Repaired as RepairedNotice
from sfu.transport.srtp import REORDER_WINDOW
from sfu.wire.extensions import Extension
from sfu.wire.payload_format import PayloadFormat

from .conftest import PROFILES, make_session, rtp, wait_until
from .stage import Repaired, Stage, ask_again_and_again, parse, read_vp8, vp8


class Resent(Stage):
    """Its subscriber asks without RTX; `sealed` are packets as they came, by their number."""

    def __init__(self, plane, make_peer, **options):
        super().__init__(plane, make_peer, **options)
        assert plane.repairs.use_resending(self.row, audio=False)
        wait_until(lambda: plane.settled)
        self.sealed: dict[int, bytes] = {}

    def datagrams(self, count: int) -> list[bytes]:
        """The next ones, as they are on the wire."""
        found: list[bytes] = []
        while len(found) < count and select.select([self.subscriber.socket], [], [], 5.0)[0]:
            found.append(self.subscriber.socket.recv(2048))
        assert len(found) == count
        for datagram in found:
            self.sealed.setdefault(number_of(datagram), datagram)
        return found


def number_of(datagram: bytes) -> int:
    """The sequence number, which is not encrypted."""
    return int(struct.unpack("!H", datagram[2:4])[0])


def send_frames(stage: Resent, count: int) -> list[bytes]:
    for k in range(count):
        stage.send(k, vp8(k, key=k == 0, temporal=k % 2) + bytes(50), timestamp=3000 * k)
    return stage.datagrams(count)


@pytest.mark.parametrize("extensions", [{}, {Extension.ABS_SEND_TIME: 3, Extension.TRANSPORT_SEQUENCE: 4}])
def test_the_very_octets_go_out_again(plane, make_peer, extensions):
    """Whatever else is encrypted under an index of SRTP gives a GCM key away, be it only another time of sending."""
    stage = Resent(plane, make_peer)
    plane.set_extensions(stage.subscriber.connection, extensions)
    sent = send_frames(stage, 6)
    stage.subscriber.ask(stage.row, number_of(sent[2]), 0b101, interval_ms=1000)  # it, the next, and the third after it
    again = stage.datagrams(3)
    assert again == [sent[2], sent[3], sent[5]]
    assert plane.counters()["repeated_packets"] == 3
    stage.subscriber.ask(stage.row, number_of(sent[2]), 0, interval_ms=1000)  # too soon
    wait_until(lambda: plane.counters()["repeat_refused"] == 1)
    assert stage.subscriber.silent()
    assert plane.subscription_state(stage.row).repeated == 3


def test_a_receiver_that_lost_it_takes_it(plane, make_peer):
    stage = Resent(plane, make_peer)
    sent = send_frames(stage, 3)
    for k in (0, 2):
        stage.subscriber.receive_srtp.unprotect(sent[k])
    stage.subscriber.ask(stage.row, number_of(sent[1]), 0, interval_ms=10)
    packet = parse(stage.subscriber.receive_srtp.unprotect(stage.datagrams(1)[0]))
    assert read_vp8(packet[5])[2].startswith(b"1/1")
    with pytest.raises(Error):
        stage.subscriber.receive_srtp.unprotect(sent[1])


def test_fillers_are_sent_again_too(plane, make_peer):
    stage = Resent(plane, make_peer)
    stage.aim(0, temporal=0)
    for k in (0, 2, 3):
        stage.send(k, vp8(k, key=k == 0, temporal=k % 2), timestamp=3000 * k)
    stage.send(1, vp8(1, temporal=1), timestamp=3000)
    filler = stage.datagrams(3)[2]
    stage.subscriber.ask(stage.row, number_of(filler), 0, interval_ms=10)
    assert stage.datagrams(1) == [filler]


def test_what_was_never_sent_is_unknown_and_what_has_given_way_is_told(plane, make_peer):
    stage = Resent(plane, make_peer)
    stage.subscriber.socket.setsockopt(1, 8, 1 << 20)
    first = send_frames(stage, 1)[0]
    stage.subscriber.ask(stage.row, number_of(first) + 1 & 0xFFFF, 0xFFFF, interval_ms=10)
    wait_until(lambda: plane.settled)
    assert plane.counters()["repeated_packets"] == plane.counters()["repeat_missed"] == 0
    for k in range(1, 2 + SEALED_BYTES // 1300):
        stage.send(k, vp8(k) + bytes(1300), timestamp=3000 * k)
        stage.datagrams(1)
    plane.poll_notices()
    stage.subscriber.ask(stage.row, number_of(first), 0, interval_ms=10)
    wait_until(lambda: plane.counters()["repeat_missed"] == 1)
    assert RepeatMissed(stage.subscriber.connection, stage.row) in plane.poll_notices()
    last = max(stage.sealed, key=lambda number: (number - number_of(first)) & 0xFFFF)
    stage.subscriber.ask(stage.row, last, 0, interval_ms=10)
    assert stage.datagrams(1) == [stage.sealed[last]]


def test_repeats_have_the_budget_of_rtx(plane, make_peer):
    stage = Resent(plane, make_peer)
    stage.subscriber.socket.setsockopt(1, 8, 1 << 20)
    sent = []
    for k in range(160):
        stage.send(k, vp8(k, key=k == 0) + bytes(1000), timestamp=3000 * k)
        sent += stage.datagrams(1)
    began = time.monotonic()
    for first in range(0, 160, 17):
        stage.subscriber.ask(stage.row, number_of(sent[first]), 0xFFFF, interval_ms=1)
    wait_until(lambda: plane.settled)
    counters = plane.counters()
    assert counters["repeated_packets"] + counters["repeat_refused"] == 160
    assert 95 <= counters["repeated_packets"] <= 126 + 250 * (time.monotonic() - began)
    again = stage.datagrams(counters["repeated_packets"])
    assert all(datagram == stage.sealed[number_of(datagram)] for datagram in again)


def test_each_further_repeat_waits_twice_as_long(plane, make_peer):
    stage = Resent(plane, make_peer)
    for k in range(3):
        stage.send(k, vp8(k, key=k == 0), timestamp=3000 * k)
    sent = stage.datagrams(3)
    repeats, most = ask_again_and_again(stage, number_of(sent[1]))
    assert 3 <= repeats <= most
    assert set(stage.datagrams(repeats)) == {sent[1]}


def test_repeats_wait_for_the_pacer_and_tell_nothing_of_the_path(plane, make_peer):
    stage = Resent(plane, make_peer)
    connection = stage.subscriber.connection
    stage.subscriber.socket.setsockopt(1, 8, 1 << 20)
    plane.set_extensions(connection, {Extension.ABS_SEND_TIME: 3, Extension.TRANSPORT_SEQUENCE: 4})
    plane.set_control(connection, Feedback.PACKETS, reports=Feedback.NONE)
    wait_until(lambda: plane.settled)
    for k in range(30):
        stage.send(k, vp8(k, key=k == 0) + bytes(1100), timestamp=3000 * k)
    first = stage.datagrams(3)
    assert plane.counters()["paced_packets"] > 10
    stage.subscriber.ask(stage.row, number_of(first[0]), 0b11, interval_ms=10)
    following = [number for number in (number_of(one) for one in stage.datagrams(30)) if number not in stage.sealed]
    assert following == []
    wait_until(lambda: plane.connection_state(connection).queued_bytes == 0)
    assert plane.counters()["repeated_packets"] == 3
    log = plane._tables.sent[connection]
    assert [int(log[k]["fate"]) for k in range(5)] == [ARRIVED] * 3 + [UNKNOWN] * 2
    assert plane.counters()["drop_protect_failed"] == 0


def test_audio_is_sent_again(plane, make_peer):
    publisher, subscriber = make_peer(plane, 1), make_peer(plane, 2)
    track = plane.open_track()
    about = {"payload_type": 111, "clock_rate": 48000, "audio": True, "codec": PayloadFormat.OPUS}
    encoding = plane.open_encoding(track, publisher.connection, mid="0", ssrc=50, asks=True, resent=True, **about)
    row = plane.open_subscription(track, subscriber.connection, mid="0", ssrc=7, payload_type=100)
    assert plane.repairs.use_resending(row, audio=True)
    wait_until(lambda: plane.settled)
    taken = []
    order = [*range(100), *range(101, 120), 100, *range(120, 2 + SEALED_AUDIO_BYTES // 200)]
    for k in order:
        publisher.send(rtp(k, bytes([k % 256]) * 200, ssrc=50, payload_type=111, timestamp=960 * k))
        taken.append(subscriber.socket.recv(2048))
    assert [(number_of(datagram) - number_of(taken[0])) & 0xFFFF for datagram in taken] == order
    notices = plane.poll_notices()
    assert Gap(publisher.connection, encoding, 100, 1) in notices
    assert RepairedNotice(publisher.connection, encoding, 100) in notices
    subscriber.ask(row, number_of(taken[119]), 0, interval_ms=10)
    assert subscriber.socket.recv(2048) == taken[119]
    subscriber.ask(row, number_of(taken[0]), 0, interval_ms=10)
    wait_until(lambda: plane.settled)
    assert plane.counters()["repeated_packets"] == 1
    assert plane.counters()["repeat_missed"] == 1
    state = plane.encoding_state(encoding)
    assert (state.packets, state.repaired, state.expected) == (len(order), 0, len(order))


def test_rows_to_keep_packets_in_are_bounded_and_given_back(make_peer):
    plane = Plane(0, host="127.0.0.1", port=0, limits=PlaneLimits(8, 8, 8, 8, 4, 64, 1))
    plane.start()
    try:
        stage = Resent(plane, make_peer)
        other = plane.open_subscription(stage.track, stage.subscriber.connection, mid="0", ssrc=8, payload_type=97)
        assert not plane.repairs.use_resending(other, audio=True)
        assert plane.rows_in_use()["resent"] == 1
        plane.close_subscription(stage.row)
        assert plane.rows_in_use()["resent"] == 0
        assert plane.repairs.use_resending(other, audio=False)
        plane.close_subscription(other)
        assert plane.rows_in_use() == {
            "connections": 2, "tracks": 1, "encodings": 1, "subscriptions": 0, "logs": 0, "resent": 0
        }  # fmt: skip
        wait_until(lambda: plane.settled)
    finally:
        plane.stop()


def test_an_index_is_never_used_for_two_texts(plane, make_peer):
    """Random losses upstream and downstream, repairs, layers left out and switches, and numbers that come round."""
    rng = random.Random(4)
    stage = Resent(plane, make_peer, encodings=2)
    plane.set_extensions(stage.subscriber.connection, {Extension.ABS_SEND_TIME: 3, Extension.TRANSPORT_SEQUENCE: 4})
    numbers = [65500, 65400]
    withheld: list[tuple[int, int, bytes, int]] = []
    for k in range(300):
        if k % 20 == 0:
            stage.aim(rng.randrange(2), temporal=rng.choice((0, 1, 7)))
        for encoding in (0, 1):
            payload = vp8(k, key=(k + 5 * encoding) % 10 == 0, temporal=k % 2) + bytes(rng.randrange(100))
            item = (encoding, numbers[encoding], payload, 3000 * k)
            numbers[encoding] += 1
            if rng.random() < 0.1 and k:
                withheld.append(item)
            else:
                deliver(stage, *item)
        while withheld and rng.random() < 0.3:
            deliver(stage, *withheld.pop(rng.randrange(len(withheld))))
        drain(stage)
        for number in rng.sample(sorted(stage.sealed), min(3, len(stage.sealed))):
            stage.subscriber.ask(stage.row, number, rng.getrandbits(16), interval_ms=1)
    wait_until(lambda: plane.settled)
    drain(stage)
    counters = plane.counters()
    assert counters["repeated_packets"] > 100
    assert counters["drop_protect_failed"] == 0


def deliver(stage: Resent, encoding: int, sequence: int, payload: bytes, timestamp: int) -> None:
    stage.send(sequence, payload, encoding=encoding, timestamp=timestamp)


def drain(stage: Resent) -> None:
    """All that has come is what came under its number before."""
    while not stage.subscriber.silent():
        datagram = stage.subscriber.socket.recv(2048)
        assert stage.sealed.setdefault(number_of(datagram), datagram) == datagram


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_libsrtp_still_refuses_what_it_has_encrypted(profile):
    """Why the octets are kept: nothing is encrypted twice."""
    session = make_session(profile, Policy.SSRC_ANY_OUTBOUND, 1)
    session.protect(rtp(1, b"one"))
    with pytest.raises(Error):
        session.protect(rtp(1, b"two"))


def test_a_subscription_that_ends_takes_no_other_stream_with_it(make_peer):
    """Its row may have been another's with RTX, whose stream of repeats goes on elsewhere."""
    plane = Plane(0, host="127.0.0.1", port=0, limits=PlaneLimits(8, 8, 8, 2, 4, 64, 4))
    plane.start()
    try:
        check_streams_of_others(plane, make_peer)
    finally:
        plane.stop()


def check_streams_of_others(plane, make_peer):
    stage = Stage(plane, make_peer, repair=True)
    first = stage.row
    plane.close_subscription(first)
    opened = {
        plane.open_subscription(stage.track, stage.subscriber.connection, mid="0", ssrc=ssrc, payload_type=97): ssrc
        for ssrc in (17, 18)
    }
    stage.row, (other,) = first, [row for row in opened if row != first]
    assert plane.repairs.use_resending(stage.row, audio=False)
    assert plane.repairs.use_rtx(other, ssrc=8, payload_type=98)
    wait_until(lambda: plane.settled)
    stage.send(1, vp8(1, key=True))
    sent = {parse(packet)[3]: parse(packet)[1] for packet in stage.subscriber.receive(2)}
    stage.subscriber.ask(other, sent[opened[other]], 0, interval_ms=10)
    stage.subscriber.ask(stage.row, sent[opened[first]], 0, interval_ms=10)
    wait_until(lambda: plane.counters()["repeated_packets"] == 2)
    plane.close_subscription(stage.row)
    wait_until(lambda: plane.settled)
    session = stage.subscriber.receive_srtp
    found = [stage.subscriber.socket.recv(2048) for _ in range(2)]
    (repeat,) = [datagram for datagram in found if struct.unpack("!I", datagram[8:12])[0] == 8]
    session.unprotect(repeat)
    stage.subscriber.ask(other, sent[opened[other]], 0, interval_ms=0)
    wait_until(lambda: plane.counters()["repeated_packets"] == 3)
    session.unprotect(stage.subscriber.socket.recv(2048))


def test_the_planes_window_is_that_of_the_transports():
    assert EGRESS_WINDOW == REORDER_WINDOW


def test_a_repair_beyond_the_window_comes_by_rtx_when_it_is_asked_for(plane, make_peer):
    stage = Repaired(plane, make_peer, repair=True)
    for k in range(200):
        if k != 20:
            stage.packet(k, vp8(k, key=k == 0), timestamp=3000 * k, marker=True)
    taken = stage.take(199)
    stage.repair(20, vp8(20), timestamp=60000, marker=True)
    assert stage.subscriber.silent()
    assert plane.counters()["drop_protect_failed"] == 0
    stage.subscriber.ask(stage.row, taken[0][0] + 20 & 0xFFFF, 0, interval_ms=10)
    again = parse(stage.subscriber.receive(1)[0])
    assert again[3] == 8
    assert struct.unpack("!H", again[5][:2])[0] == taken[0][0] + 20 & 0xFFFF
    assert read_vp8(again[5][2:])[2] == b"20/0"


def test_a_filler_that_is_lost_is_repeated_empty(plane, make_peer):
    stage = Stage(plane, make_peer, repair=True)
    stage.aim(0, temporal=0)
    for k in (0, 2, 3):
        stage.send(k, vp8(k, key=k == 0, temporal=k % 2), timestamp=3000 * k)
    stage.send(1, vp8(1, temporal=1), timestamp=3000)
    filler = parse(stage.subscriber.receive(3)[2])
    stage.subscriber.ask(stage.row, filler[1], 0, interval_ms=10)
    again = parse(stage.subscriber.receive(1)[0])
    assert (again[3], again[5]) == (8, struct.pack("!H", filler[1]))
