"""Layers in the plane: what each subscriber gets of a Track with several Encodings or temporal layers."""

from __future__ import annotations

import pytest

from sfu.wire.payload_format import PayloadFormat

from .conftest import rtp, wait_until
from .stage import Stage, parse, vp8


@pytest.fixture
def stage(plane, make_peer):
    return Stage(plane, make_peer)


@pytest.fixture
def simulcast(plane, make_peer):
    return Stage(plane, make_peer, 3)


def test_video_begins_with_a_key_frame(stage):
    stage.send(1, vp8(1))
    stage.send(2, vp8(2, key=True), timestamp=3000)
    stage.send(3, vp8(3), timestamp=6000)
    taken = stage.take(2)
    assert [t[4] for t in taken] == [b"2/0", b"3/0"]
    assert stage.subscriber.silent()


def test_a_switch_waits_for_a_key_frame_and_goes_on_in_all_numbers(simulcast):
    stage = simulcast
    stage.aim(0)
    stage.send(10, vp8(500, key=True, tl0=9), timestamp=1000)
    stage.send(7000, vp8(20, key=True, tl0=200), encoding=2, timestamp=77000)  # not wanted yet
    stage.aim(2)
    stage.send(11, vp8(501, tl0=10), timestamp=4000)
    stage.send(7001, vp8(21, tl0=201), encoding=2, timestamp=80000)  # no key frame
    stage.send(7002, vp8(22, key=True, tl0=202), encoding=2, timestamp=83000)
    stage.send(12, vp8(502, tl0=11), timestamp=7000)  # the old Encoding is over
    stage.send(7003, vp8(23, tl0=203), encoding=2, timestamp=86000)
    taken = stage.take(4)
    assert [t[4] for t in taken] == [b"500/0", b"501/0", b"22/0", b"23/0"]
    first = taken[0]
    assert [(t[0] - first[0]) & 0xFFFF for t in taken] == [0, 1, 2, 3]
    assert [t[2] for t in taken] == [500, 501, 502, 503]
    assert [t[3] for t in taken] == [9, 10, 11, 12]
    stamps = [(t[1] - first[1]) & 0xFFFFFFFF for t in taken]
    assert stamps == sorted(stamps) and len(set(stamps)) == 4 and stamps[3] - stamps[2] == 3000
    assert stage.subscriber.silent()
    assert stage.state().current_index == 2 and stage.state().switches == 1


def test_known_clocks_align_the_timestamps_of_encodings(simulcast):
    stage = simulcast
    stage.aim(0)
    stage.plane.set_clock_offset(stage.rows[0], 0)
    stage.plane.set_clock_offset(stage.rows[1], -500_000)
    wait_until(lambda: stage.plane.settled)
    stage.send(1, vp8(1, key=True), timestamp=90_000)
    stage.aim(1)
    stage.send(1, vp8(1, key=True), encoding=1, timestamp=500_000 + 96_000)
    stage.send(2, vp8(2), encoding=1, timestamp=500_000 + 99_000)
    stage.aim(0)
    stage.send(2, vp8(2, key=True), timestamp=99_000)  # the moment of the last one: time must not stand still
    stage.send(3, vp8(3), timestamp=102_000)
    taken = stage.take(5)
    stamps = [(t[1] - taken[0][1]) & 0xFFFFFFFF for t in taken]
    assert stamps == [0, 6000, 9000, 9001, 12001]


def test_until_the_target_comes_a_lower_encoding_is_shown(simulcast):
    stage = simulcast
    stage.aim(2)
    stage.send(1, vp8(1, key=True), encoding=0)
    stage.send(1, vp8(1, key=True), encoding=1)  # lower than the target, and something flows already
    stage.send(1, vp8(7, key=True), encoding=2)
    assert [t[4] for t in stage.take(2)] == [b"1/0", b"7/0"]
    assert stage.subscriber.silent()


def test_temporal_layers_go_with_the_next_frame_and_come_back_at_a_sync_frame(stage):
    pattern = [(0, False), (2, True), (1, True), (2, False)]
    frames = []
    for k in range(20):
        temporal, sync = pattern[k % 4]
        frames.append((k, temporal, sync, k // 4))
    for k, temporal, sync, tl0 in frames:
        if k == 5:
            stage.aim(0, temporal=0)
        if k == 13:
            stage.aim(0, temporal=2)
        payload = vp8(100 + k, key=k == 0, temporal=temporal, sync=sync, tl0=tl0)
        stage.send(k, payload, timestamp=3000 * k)
    expected = [0, 1, 2, 3, 4, 8, 12, 13, 14, 15, 16, 17, 18, 19]
    taken = stage.take(len(expected))
    assert [int(t[4].split(b"/")[0]) - 100 for t in taken] == expected
    assert [(t[0] - taken[0][0]) & 0xFFFF for t in taken] == list(range(len(expected)))
    assert [t[2] for t in taken] == list(range(100, 100 + len(expected)))  # no gap in picture IDs
    assert [t[3] for t in taken] == [tl0 for k, _, _, tl0 in frames if k in expected]
    assert [(t[1] - taken[0][1]) // 3000 for t in taken] == expected
    assert stage.subscriber.silent()


def test_rising_needs_a_sync_frame_for_each_step(stage):
    stage.aim(0, temporal=0)
    stage.send(0, vp8(0, key=True))
    for k, temporal in ((1, 2), (2, 1)):  # left out: from here on neither layer can be decoded without a sync frame
        stage.send(k, vp8(k, temporal=temporal), timestamp=3000 * k)
    stage.aim(0, temporal=2)
    frames = [(3, 0, False), (4, 2, False), (5, 1, False), (6, 1, True), (7, 2, False), (8, 2, True)]
    for k, temporal, sync in frames:
        stage.send(k, vp8(k, temporal=temporal, sync=sync), timestamp=3000 * k)
    assert [t[4] for t in stage.take(4)] == [b"0/0", b"3/0", b"6/1", b"8/2"]
    assert stage.subscriber.silent()


def test_a_late_packet_finds_its_place_among_left_out_ones(stage):
    stage.aim(0, temporal=0)
    frames = {k: vp8(k, key=k == 0, temporal=k % 2) for k in range(9)}
    for k in (0, 1, 2, 3, 5, 6, 7, 8):  # 4, of the base layer, is late
        stage.send(k, frames[k], timestamp=3000 * k)
    before = stage.take(4)
    stage.send(4, frames[4], timestamp=12000)
    late = stage.take(1)[0]
    first = before[0][0]
    assert [(t[0] - first) & 0xFFFF for t in before] == [0, 1, 3, 4]
    assert ((late[0] - first) & 0xFFFF, late[4]) == (2, b"4/0")
    assert (late[1] - before[0][1]) & 0xFFFFFFFF == 12000
    assert late[2] == 2  # its picture ID: two pictures before it were left out


def test_a_late_packet_that_is_not_wanted_leaves_no_hole(stage):
    stage.aim(0, temporal=0)
    for k in (0, 2, 3, 4):
        stage.send(k, vp8(k, key=k == 0, temporal=k % 2), timestamp=3000 * k)
    before = stage.take(3)
    stage.send(1, vp8(1, temporal=1), timestamp=3000)
    filler = parse(stage.subscriber.receive(1)[0])
    assert [(t[0] - before[0][0]) & 0xFFFF for t in before] == [0, 2, 3]
    assert (filler[1] - before[0][0]) & 0xFFFF == 1
    assert filler[5] == b"" and filler[0] >> 7 == 0
    assert stage.plane.counters()["filled_packets"] == 1


def test_padding_of_the_publisher_goes_to_nobody_and_leaves_no_hole(stage):
    stage.send(0, vp8(0, key=True), timestamp=0)
    sequence = 1
    for picture in range(1, 4):
        for _ in range(100):  # more than the changes of numbering that are remembered
            stage.publisher.send(rtp(sequence, b"", ssrc=100, timestamp=3000 * picture - 3000, padding=200))
            sequence += 1
        stage.sent += 100
        if picture != 2:  # it is late
            stage.send(sequence, vp8(picture), timestamp=3000 * picture)
        sequence += 1
    before = stage.take(3)
    stage.send(202, vp8(2), timestamp=6000)
    late = stage.take(1)[0]
    assert [(t[0] - before[0][0]) & 0xFFFF for t in (*before, late)] == [0, 1, 3, 2]
    assert [t[4] for t in (*before, late)] == [b"0/0", b"1/0", b"3/0", b"2/0"]
    state = stage.plane.encoding_state(stage.rows[0])
    assert (state.packets, state.media_packets) == (304, 4)


def test_a_restarted_numbering_is_a_new_source(stage):
    stage.send(1, vp8(1, key=True))
    stage.send(2, vp8(2), timestamp=3000)
    for sequence in (40000, 40001):  # the first of a jump may be a stray (RFC 3550 appendix A.1)
        stage.publisher.send(rtp(sequence, vp8(900 + sequence % 2, key=True), ssrc=100, timestamp=5))
    taken = stage.take(3)
    assert [(t[0] - taken[0][0]) & 0xFFFF for t in taken] == [0, 1, 2]
    assert taken[2][2] == taken[1][2] + 1
    assert stage.plane.counters()["drop_sequence_jump"] == 1


def test_broken_descriptors_are_dropped_and_counted(stage):
    stage.send(1, vp8(1, key=True))
    stage.publisher.send(rtp(2, b"\x90\xe0", ssrc=100))
    wait_until(lambda: stage.plane.counters()["drop_descriptor"] == 1)
    stage.send(3, vp8(2), timestamp=3000)
    assert [t[4] for t in stage.take(2)] == [b"1/0", b"2/0"]


def test_a_pause_ends_with_a_key_frame(stage):
    stage.send(1, vp8(1, key=True))
    stage.plane.set_paused(stage.row, True)
    wait_until(lambda: stage.plane.settled)
    stage.send(2, vp8(2), timestamp=3000)
    stage.plane.set_paused(stage.row, False)
    wait_until(lambda: stage.plane.settled)
    stage.send(3, vp8(3), timestamp=6000)
    stage.send(4, vp8(4, key=True), timestamp=9000)
    assert [t[4] for t in stage.take(2)] == [b"1/0", b"4/0"]
    assert stage.subscriber.silent()


def move_to_another_publisher(stage: Stage, make_peer, *, shift: int | None = None):
    """Another publisher's Track with one Encoding; returns a function that sends in it."""
    publisher = make_peer(stage.plane, 3)
    track = stage.plane.open_track()
    row = stage.plane.open_encoding(
        track,
        publisher.connection,
        mid="5",
        ssrc=100,
        payload_type=111,
        clock_rate=90000,
        audio=False,
        codec=PayloadFormat.VP8,
    )
    if shift is not None:
        stage.plane.set_clock_offset(row, shift)
    stage.plane.move_subscription(stage.row, -1)
    stage.plane.close_track(stage.track)
    stage.plane.move_subscription(stage.row, track)
    wait_until(lambda: stage.plane.settled)

    def send(sequence: int, payload: bytes, *, timestamp: int) -> None:
        publisher.send(rtp(sequence, payload, payload_type=111, ssrc=100, timestamp=timestamp, marker=True))
        stage.sent += 1
        wait_until(lambda: stage.plane.counters()["received_rtp"] == stage.sent)

    return send


def test_another_track_goes_on_in_all_numbers(stage, make_peer):
    stage.send(10, vp8(500, key=True, tl0=9), timestamp=1000)
    stage.send(11, vp8(501, tl0=10), timestamp=4000)
    send = move_to_another_publisher(stage, make_peer)
    stage.send(12, vp8(502, tl0=11), timestamp=7000)  # of the Track that it has left
    send(60000, vp8(7, tl0=100), timestamp=0xFFFF0000)  # no key frame
    send(60001, vp8(8, key=True, tl0=101), timestamp=0xFFFF0BB8)
    send(60002, vp8(9, tl0=102), timestamp=0xFFFF1770)
    taken = stage.take(4)
    assert [t[4] for t in taken] == [b"500/0", b"501/0", b"8/0", b"9/0"]
    first = taken[0]
    assert [(t[0] - first[0]) & 0xFFFF for t in taken] == [0, 1, 2, 3]
    assert [t[2] for t in taken] == [500, 501, 502, 503]
    assert [t[3] for t in taken] == [9, 10, 11, 12]
    stamps = [(t[1] - first[1]) & 0xFFFFFFFF for t in taken]
    assert stamps[3] - stamps[2] == 3000
    assert 3000 < stamps[2] < 3000 + 60 * 90000
    assert stage.subscriber.silent()


def test_the_clocks_of_two_publishers_have_nothing_in_common(stage, make_peer):
    stage.plane.set_clock_offset(stage.rows[0], 5_000_000)
    stage.send(10, vp8(500, key=True), timestamp=1000)
    send = move_to_another_publisher(stage, make_peer, shift=5_000_000)
    send(60001, vp8(8, key=True), timestamp=500_000)  # 5.5 s later, by clocks of different people
    taken = stage.take(2)
    assert (taken[1][1] - taken[0][1]) & 0xFFFFFFFF < 5 * 90000


def test_who_has_left_a_track_asks_for_nothing_of_it_and_is_freed(plane, make_peer):
    stage = Stage(plane, make_peer, repair=True)
    stage.send(1, vp8(1, key=True))
    stage.take(1)
    plane.move_subscription(stage.row, -1)
    plane.move_subscription(stage.row, -1)
    stage.send(2, vp8(2), timestamp=3000)
    other = plane.open_subscription(stage.track, stage.subscriber.connection, mid="1", ssrc=9, payload_type=97)
    plane.close_subscription(stage.row)
    wait_until(lambda: plane.settled)
    stage.send(3, vp8(3, key=True), timestamp=6000)
    assert [parse(packet)[3] for packet in stage.subscriber.receive(1)] == [9]
    plane.close_subscription(other)
    assert plane.rows_in_use()["subscriptions"] == 0
