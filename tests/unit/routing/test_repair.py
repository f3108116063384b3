"""Retransmission through the plane, in both directions (RFC 4588)."""

from __future__ import annotations

import socket
import struct
import time

import pytest

from sfu.routing.plane import Gap, Plane, PlaneLimits, Repaired, RepeatMissed
from sfu.wire.payload_format import PayloadFormat

from .conftest import rtp, wait_until
from .stage import Stage, ask_again_and_again, parse, read_vp8, vp8


@pytest.fixture
def stage(plane, make_peer):
    return Stage(plane, make_peer, repair=True)


def send_frames(stage, count, **options):
    for k in range(count):
        stage.send(k, vp8(k, key=k == 0, temporal=k % 2), timestamp=3000 * k)
    return stage.take(count)


def test_a_packet_is_repeated_as_it_was_sent(stage):
    sent = send_frames(stage, 6)
    stage.subscriber.ask(stage.row, sent[2][0], 0b101, interval_ms=1000)  # it, the next, and the third after it
    wait_until(lambda: stage.plane.counters()["repeated_packets"] == 3)
    again = [parse(packet) for packet in stage.subscriber.receive(3)]
    assert [struct.unpack("!H", a[5][:2])[0] for a in again] == [sent[k][0] for k in (2, 3, 5)]
    assert [read_vp8(a[5][2:])[2] for a in again] == [sent[k][4] for k in (2, 3, 5)]
    assert [a[2] for a in again] == [sent[k][1] for k in (2, 3, 5)]
    assert {(a[0] & 0x7F, a[3]) for a in again} == {(98, 8)}
    assert [(a[1] - again[0][1]) & 0xFFFF for a in again] == [0, 1, 2]
    stage.subscriber.ask(stage.row, sent[2][0], 0, interval_ms=1000)  # too soon
    wait_until(lambda: stage.plane.counters()["repeat_refused"] == 1)
    assert stage.subscriber.silent()


def test_a_repeat_keeps_the_numbers_of_its_time(stage):
    """After Layers were left out, the offsets have moved on; the repeated packet has those that it went out with."""
    stage.aim(0, temporal=0)
    for k in range(9):
        stage.send(k, vp8(k, key=k == 0, temporal=k % 2, tl0=k), timestamp=3000 * k)
    sent = stage.take(5)
    stage.subscriber.ask(stage.row, sent[1][0], 0, interval_ms=1000)
    again = parse(stage.subscriber.receive(1)[0])
    assert (again[2], *read_vp8(again[5][2:])) == sent[1][1:]


def test_what_was_never_sent_is_not_repeated(stage):
    sent = send_frames(stage, 3)
    stage.subscriber.ask(stage.row, (sent[2][0] + 1) & 0xFFFF, 0xFFFF, interval_ms=10)
    wait_until(lambda: stage.plane.settled)
    assert stage.subscriber.silent()
    assert stage.plane.counters()["repeated_packets"] == stage.plane.counters()["repeat_missed"] == 0


def test_beyond_the_history_a_notice_asks_for_a_key_frame(make_peer):
    plane = Plane(0, host="127.0.0.1", port=0, limits=PlaneLimits(8, 8, 8, 8, 4, 4))
    plane.start()
    try:
        stage = Stage(plane, make_peer, repair=True)
        sent = send_frames(stage, 9)
        plane.poll_notices()
        stage.subscriber.ask(stage.row, sent[0][0], 0b1, interval_ms=10)
        wait_until(lambda: plane.counters()["repeat_missed"] == 2)
        assert RepeatMissed(stage.subscriber.connection, stage.row) in plane.poll_notices()
        assert stage.subscriber.silent()
    finally:
        plane.stop()


def test_repeats_have_a_budget(stage):
    """A client that asks for everything again gets no more than the budget: 125 kB at once, 250 kB a second."""
    stage.subscriber.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    sent = []
    for k in range(200):
        stage.send(k, vp8(k, key=k == 0) + bytes(1000), timestamp=3000 * k)
        sent += stage.take(1)
    began = time.monotonic()
    for first in range(0, 200, 17):
        stage.subscriber.ask(stage.row, sent[first][0], 0xFFFF, interval_ms=1)
    wait_until(lambda: stage.plane.settled)
    counters = stage.plane.counters()
    assert counters["repeated_packets"] + counters["repeat_refused"] == 200
    assert 100 <= counters["repeated_packets"] <= 126 + 250 * (time.monotonic() - began)
    assert len(stage.subscriber.receive(counters["repeated_packets"])) == counters["repeated_packets"]


def test_each_further_repeat_of_a_packet_waits_twice_as_long(stage):
    """Some receivers ask for everything that they have lost until it is out of their window, whether it came or not."""
    sent = send_frames(stage, 3)
    repeats, most = ask_again_and_again(stage, sent[1][0])
    assert 3 <= repeats <= most
    assert len(stage.subscriber.receive(repeats)) == repeats
    stage.subscriber.ask(stage.row, sent[2][0], 0, interval_ms=10)  # another one does not wait for it
    assert len(stage.subscriber.receive(1)) == 1


def test_without_a_subscriber_nothing_is_stored(plane, make_peer):
    stage = Stage(plane, make_peer)
    plane.close_subscription(stage.row)
    for k in range(3):
        stage.send(k, vp8(k, key=k == 0), timestamp=3000 * k)
    assert int(plane._tables.history_written[0]) == 0


def test_gaps_are_told_and_retransmissions_restored(plane, make_peer):
    stage = Stage(plane, make_peer)
    plane.open_encoding(
        stage.track,
        stage.publisher.connection,
        mid="0",
        ssrc=300,
        payload_type=99,
        clock_rate=90000,
        audio=False,
        repairs=stage.rows[0],
    )
    for k in (0, 1, 4):
        stage.send(k, vp8(k, key=k == 0), timestamp=3000 * k)
    assert Gap(stage.publisher.connection, stage.rows[0], 2, 2) in plane.poll_notices()
    assert [plane.arrived(stage.rows[0], k) for k in range(5)] == [True, True, False, False, True]
    lost = struct.pack("!H", 2) + vp8(2)
    stage.publisher.send(rtp(900, lost, ssrc=300, payload_type=99, timestamp=6000, marker=True, padding=5))
    taken = stage.take(4)
    assert [t[4] for t in taken] == [b"0/0", b"1/0", b"4/0", b"2/0"]
    assert [(t[0] - taken[0][0]) & 0xFFFF for t in taken] == [0, 1, 4, 2]
    assert Repaired(stage.publisher.connection, stage.rows[0], 2) in plane.poll_notices()
    assert plane.arrived(stage.rows[0], 2)
    state = plane.encoding_state(stage.rows[0])
    assert (state.packets, state.repaired, state.expected) == (3, 1, 5)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "repair_padding"),
        (b"\x00", "drop_repair"),
        (b"\x00\x02", "drop_repair"),
        (struct.pack("!H", 9) + vp8(9), "drop_repair"),  # ahead of all that came
        (struct.pack("!H", 40000) + vp8(9), "drop_repair"),
        (struct.pack("!H", 1) + vp8(1), "drop_duplicate"),
    ],
)
def test_useless_retransmissions_are_dropped_and_counted(plane, make_peer, payload, reason):
    stage = Stage(plane, make_peer)
    plane.open_encoding(
        stage.track,
        stage.publisher.connection,
        mid="0",
        ssrc=300,
        payload_type=99,
        clock_rate=90000,
        audio=False,
        repairs=stage.rows[0],
    )
    for k in (0, 1, 3):
        stage.send(k, vp8(k, key=k == 0), timestamp=3000 * k)
    stage.take(3)
    stage.publisher.send(rtp(900, payload, ssrc=300, payload_type=99, padding=0 if payload else 200))
    wait_until(lambda: plane.counters()[reason] == 1)
    assert stage.subscriber.silent()


@pytest.mark.parametrize("takes_red", [True, False])
def test_red_passes_or_is_unpacked(plane, make_peer, takes_red):
    publisher, subscriber = make_peer(plane, 1), make_peer(plane, 2)
    track = plane.open_track()
    plane.open_encoding(
        track,
        publisher.connection,
        mid="0",
        ssrc=50,
        payload_type=111,
        redundant_type=63,
        clock_rate=48000,
        audio=True,
        codec=PayloadFormat.OPUS,
    )
    plane.open_subscription(
        track,
        subscriber.connection,
        mid="0",
        ssrc=7,
        payload_type=100,
        redundant_type=101 if takes_red else 0,
    )
    redundant = bytes([0x80 | 111, 0x0F, 0x00 | 960 & 0x03, 4]) + bytes([111]) + b"once" + b"now!"
    publisher.send(rtp(1, b"plain", ssrc=50, payload_type=111))
    publisher.send(rtp(2, redundant, ssrc=50, payload_type=63))
    publisher.send(rtp(3, bytes([0xFF, 0, 3, 0xFF]), ssrc=50, payload_type=63))  # longer than it is
    plain, second = [parse(packet) for packet in subscriber.receive(2)]
    assert (plain[0] & 0x7F, plain[5]) == (100, b"plain")
    if takes_red:
        assert second[0] & 0x7F == 101
        assert second[5] == bytes([0x80 | 100, *redundant[1:4], 100]) + b"oncenow!"
    else:
        assert (second[0] & 0x7F, second[5]) == (100, b"now!")
    wait_until(lambda: plane.counters()["drop_descriptor"] == 1)
