"""RTCP that comes in, transport-wide feedback both ways, and the estimate that follows: through a real plane."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from sfu.routing.kernels.connection_columns import MAX_SOURCES
from sfu.routing.plane import Datagram, Estimate, Feedback
from sfu.wire.extensions import Extension
from sfu.wire.kernels.transport_feedback import NOT_RECEIVED, parse_transport_feedback
from sfu.wire.kernels.transport_feedback_build import build_transport_feedback
from sfu.wire.remb import build_remb

from .conftest import rtp, wait_until
from .stage import Stage, vp8

WIDE = 4
SSRC = 77
REPORT = bytes.fromhex("80c90001 00000009")


def feedback(first: int, arrivals: list[int | None], count: int = 0) -> bytes:
    """Transport-wide feedback on the packets from `first` on; times in microseconds."""
    ring = np.full(8192, NOT_RECEIVED, np.int64)
    for k, arrival in enumerate(arrivals):
        if arrival is not None:
            ring[(first + k) % 8192] = arrival
    out = np.zeros(1500, np.uint8)
    size, covered = build_transport_feedback(out, 0, 1400, 9, SSRC, count, ring, first, first + len(arrivals) - 1)
    assert covered == len(arrivals)
    return out[:size].tobytes()


@pytest.fixture
def stage(plane, make_peer):
    """One publisher, and one subscriber whose connection is controlled."""
    made = Stage(plane, make_peer)
    ids = {Extension.MID: 1, Extension.TRANSPORT_SEQUENCE: WIDE}
    plane.set_extensions(made.subscriber.connection, ids)
    plane.set_extensions(made.publisher.connection, ids)
    plane.set_control(made.subscriber.connection, Feedback.PACKETS, reports=Feedback.NONE)
    return made


def send(peer, packet: bytes) -> None:
    peer.socket.send(peer.send_srtp.protect_rtcp(packet))


def estimates(plane) -> list[int]:
    return [notice.rate_bps for notice in plane.poll_notices() if isinstance(notice, Estimate)]


def wide_number(packet: bytes) -> int:
    at = 16
    while packet[at] >> 4 != WIDE:
        at += 2 + (packet[at] & 15)
    return int.from_bytes(packet[at + 1 : at + 3], "big")


def publish(stage, count: int, start: int = 0) -> list[bytes]:
    """Send so many pictures through the plane; return what the subscriber got."""
    for number in range(start, start + count):
        stage.publisher.send(
            rtp(number, vp8(number, key=number == 0) + bytes(800), ssrc=100, timestamp=3000 * number, marker=True)
        )
        stage.got = stage.subscriber.receive(1)
        stage.all = [*getattr(stage, "all", []), *stage.got]
    return stage.all[-count:]


def test_what_only_tells_of_the_path_stays_in_the_plane(plane, stage):
    numbers = [wide_number(packet) for packet in publish(stage, 20)]
    assert numbers == list(range(20))
    send(stage.subscriber, REPORT + feedback(0, [1_000_000 + 1_000 * k for k in range(20)]))
    wait_until(lambda: plane.counters()["received_feedback"] == 1)
    assert plane.estimator_state(stage.subscriber.connection).feedbacks == 1
    assert not [notice for notice in plane.poll_notices() if isinstance(notice, Datagram)]
    send(stage.subscriber, REPORT + feedback(0, [1_000_000]) + bytes.fromhex("81ce0002 00000009 00000064"))
    wait_until(lambda: plane.counters()["received_feedback"] == 2)
    (notice,) = [notice for notice in plane.poll_notices() if isinstance(notice, Datagram)]
    assert notice.kind == "rtcp"
    assert notice.data.endswith(bytes.fromhex("81ce0002 00000009 00000064"))


def test_feedback_on_what_was_never_sent_changes_nothing(plane, stage):
    publish(stage, 5)
    before = plane.estimator_state(stage.subscriber.connection)
    send(stage.subscriber, feedback(5, [1_000_000 + k for k in range(100)]))
    send(stage.subscriber, feedback(60_000, [1_000_000 + k for k in range(100)]))
    wait_until(lambda: plane.counters()["received_feedback"] == 2)
    after = plane.estimator_state(stage.subscriber.connection)
    assert plane.counters()["feedback_unsent"] == 200
    assert after.estimate_bps == before.estimate_bps
    assert after.feedbacks == 0


def test_feedback_that_is_malformed_or_not_agreed_on_is_counted(plane, stage):
    publish(stage, 5)
    whole = feedback(0, [1_000_000] * 5)
    cut = whole[:2] + struct.pack("!H", 4) + whole[4:20]
    send(stage.subscriber, cut)
    send(stage.publisher, whole)
    wait_until(lambda: plane.counters()["drop_feedback"] == 2)
    assert plane.counters()["received_feedback"] == 0


def test_feedback_that_cannot_be_read_is_no_silence_and_is_told_from_what_can(plane, stage):
    connection = stage.subscriber.connection
    publish(stage, 10)
    assert plane.estimator_state(connection).unanswered_us > 0
    cut = REPORT + feedback(0, [1_000_000] * 5)[:20]
    cut = cut[:10] + struct.pack("!H", 4) + cut[12:]
    for _ in range(4):
        send(stage.subscriber, cut)
    wait_until(lambda: plane.counters()["drop_feedback"] == 4)
    state = plane.estimator_state(connection)
    assert (state.unread, state.feedbacks, state.unanswered_us) == (4.0, 0, 0)
    for k in range(5):
        send(stage.subscriber, feedback(k, [1_000_000 + k]))
    wait_until(lambda: plane.counters()["received_feedback"] == 5)
    assert plane.estimator_state(connection).unread == pytest.approx(4.0 * 0.8**5)


@pytest.mark.parametrize("liar", ["at once", "backwards", "jumping", "all lost", "random"])
def test_the_estimate_of_a_liar_stays_within_bounds(plane, stage, liar):
    rng = np.random.default_rng(5)
    connection = stage.subscriber.connection
    for burst in range(40):
        publish(stage, 10, 10 * burst)
        times: list[int | None] = {
            "at once": [5_000_000] * 10,
            "backwards": [9_000_000 - 1_000 * (10 * burst + k) for k in range(10)],
            "jumping": [((burst * 7919) % 1000) * 1_000_000 + k for k in range(10)],
            "all lost": [None] * 9 + [5_000_000],
            "random": [int(when) for when in 10_000_000 + rng.integers(-3_000_000, 3_000_000, 10)],
        }[liar]
        send(stage.subscriber, feedback(10 * burst, times, burst))
    wait_until(lambda: plane.counters()["received_feedback"] == 40)
    state = plane.estimator_state(connection)
    assert 30_000 <= state.estimate_bps <= 1e9
    assert all(value == value and abs(value) < 1e12 for value in (state.delay_bps, state.loss_bps, state.queue_ms))
    assert all(30_000 <= rate <= 1_000_000_000 for rate in estimates(plane))


def test_remb_bounds_the_estimate_of_those_who_send_no_more(plane, stage):
    connection = stage.subscriber.connection
    plane.set_control(connection, Feedback.RATES, reports=Feedback.NONE)
    wait_until(lambda: plane.estimator_state(connection).estimate_bps == 1e9)
    send(stage.subscriber, build_remb(9, 750_000, [SSRC]))
    wait_until(lambda: plane.estimator_state(connection).estimate_bps < 1e9)
    assert plane.estimator_state(connection).estimate_bps == pytest.approx(750_000, rel=0.01)
    wait_until(lambda: bool(found := estimates(plane)) and found[-1] < 760_000)
    plane.set_loss_bound(connection, 500_000)
    wait_until(lambda: plane.estimator_state(connection).estimate_bps == 500_000)


def test_publishers_are_told_of_each_packet(plane, stage):
    plane.set_control(stage.publisher.connection, Feedback.PACKETS, reports=Feedback.PACKETS)
    plane.set_extensions(stage.publisher.connection, {Extension.TRANSPORT_SEQUENCE: WIDE})
    wait_until(lambda: plane.settled)
    plane._tables.connections[stage.publisher.connection]["report_ssrc"] = 4242
    for number in (65_533, 65_534, 65_535, 1, 0, 3):  # 2 is lost, 0 late, and it wraps
        extensions = {WIDE: struct.pack("!H", number)}
        packet = rtp(number, vp8(0, key=True), ssrc=100, extensions=extensions, marker=True)
        stage.publisher.send(packet)
    told: dict[int, bool] = {}
    head, arrivals = np.zeros(4, np.int64), np.zeros(4096, np.int64)

    def take() -> bool:
        while not stage.publisher.silent():
            plain = stage.publisher.receive_srtp.unprotect_rtcp(stage.publisher.socket.recv(2048))
            if plain[0] == 0x81:
                continue  # what it is told of its Encoding
            assert plain[:8] == struct.pack("!BBHL", 0x80, 201, 1, 4242)
            data = np.frombuffer(plain[8:], np.uint8)
            count = parse_transport_feedback(data, 0, len(data), head, arrivals)
            assert count > 0
            for k in range(count):
                told[(int(head[0]) + k) & 0xFFFF] = arrivals[k] != NOT_RECEIVED
        return 3 in told

    wait_until(take)
    assert told == {65_533: True, 65_534: True, 65_535: True, 0: True, 1: True, 2: False, 3: True}


def test_rtcp_that_is_forged_replayed_or_cut_off_is_dropped(plane, make_peer):
    peer = make_peer(plane, 1)
    whole = peer.send_srtp.protect_rtcp(REPORT + bytes.fromhex("81cb0001 00000009"))
    broken = 0
    for length in range(2, len(whole)):
        peer.socket.send(whole[:length])
        broken += 1
    for at in range(4, len(whole)):
        forged = bytearray(whole)
        forged[at] ^= 1
        peer.socket.send(forged)
        broken += 1
    wait_until(lambda: plane.counters()["drop_rtcp_authentication"] == broken)
    peer.socket.send(whole)
    wait_until(lambda: len(plane.poll_notices()) == 1)
    peer.socket.send(whole)
    wait_until(lambda: plane.counters()["drop_rtcp_authentication"] == broken + 1)


def test_a_peer_cannot_have_rtcp_sources_without_end(plane, make_peer):
    peer = make_peer(plane, 1)
    extra = 20
    for ssrc in range(MAX_SOURCES + extra):
        send(peer, struct.pack("!BBHL", 0x81, 203, 1, ssrc))
        wait_until(lambda ssrc=ssrc: plane.counters()["received_datagrams"] > ssrc)
    wait_until(lambda: plane.counters()["drop_rtcp_source_limit"] == extra)
    send(peer, struct.pack("!BBHL", 0x81, 203, 1, 5))  # known ones go on
    wait_until(lambda: plane.counters()["received_datagrams"] == MAX_SOURCES + extra + 1)
    assert plane.counters()["drop_rtcp_source_limit"] == extra
    keyless = make_peer(plane, 2, keyed=False)
    keyless.socket.send(REPORT)
    wait_until(lambda: plane.counters()["drop_rtcp_no_keys"] == 1)
