"""A key frame whose first packet is lost on its way in and repaired is a key frame, for who begins and who switches."""

from __future__ import annotations

import pytest

from sfu.wire.payload_format import PayloadFormat

from .conftest import wait_until
from .stage import Repaired, parse, read_vp8, vp8


def key_frame(picture):
    """Of three packets."""
    return [vp8(picture, key=True)] + [vp8(picture, start=False) + bytes([48 + k]) for k in (1, 2)]


@pytest.fixture(params=[True, False], ids=["rtx", "the same packet"])
def rtx(request):
    return request.param


@pytest.mark.parametrize("logged", [True, False])
def test_the_first_key_frame_is_entered_when_its_first_packet_is_there(plane, make_peer, rtx, logged):
    stage = Repaired(plane, make_peer, rtx=rtx, repair=logged)
    first, second, third = key_frame(1)
    stage.packet(9, vp8(0), timestamp=0, marker=True)  # so that the numbering is known
    stage.packet(11, second, timestamp=3000)
    stage.packet(12, third, timestamp=3000, marker=True)
    stage.packet(13, vp8(2), timestamp=6000, marker=True)
    assert stage.subscriber.silent()
    stage.repair(10, first, timestamp=3000)
    stage.packet(14, vp8(3), timestamp=9000, marker=True)
    taken = stage.texts(5)
    assert [text for _, text in taken] == [b"1/0", b"1/01", b"1/02", b"2/0", b"3/0"]
    assert [(number - taken[0][0]) & 0xFFFF for number, _ in taken] == [0, 1, 2, 3, 4]
    assert stage.plane.counters()["drop_late"] == stage.plane.counters()["drop_protect_failed"] == 0


def test_holes_within_stay_holes_until_they_are_repaired(plane, make_peer, rtx):
    stage = Repaired(plane, make_peer, rtx=rtx)
    first, second, third = key_frame(1)
    stage.packet(9, vp8(0), timestamp=0, marker=True)
    stage.packet(12, third, timestamp=3000, marker=True)
    stage.packet(14, vp8(3), timestamp=9000, marker=True)
    stage.repair(11, second, timestamp=3000)
    stage.repair(10, first, timestamp=3000)
    stage.repair(13, vp8(2), timestamp=6000, marker=True)
    taken = stage.texts(5)
    assert [text for _, text in taken] == [b"1/0", b"1/01", b"1/02", b"3/0", b"2/0"]
    assert [(number - taken[0][0]) & 0xFFFF for number, _ in taken] == [0, 1, 2, 4, 3]


def test_a_switch_with_the_first_packet_lost_each_time(plane, make_peer, rtx):
    stage = Repaired(plane, make_peer, 3, rtx=rtx, repair=True)
    stage.aim(0)
    stage.packet(1, vp8(1, key=True), timestamp=0, marker=True)
    for k in (1, 2):
        stage.packet(100 * k, vp8(50), encoding=k, marker=True)  # so that their numbering is known
    expected = [b"1/0"]
    for turn, index in enumerate((2, 1, 2, 0, 1)):
        stage.aim(index)
        stamp, picture = 30_000 * (turn + 1), 100 * (turn + 1)
        first, second, third = key_frame(picture)
        number = stage.plane.encoding_state(stage.rows[index]).extended_sequence + 1
        stage.packet(number + 1, second, encoding=index, timestamp=stamp)
        stage.packet(number + 2, third, encoding=index, timestamp=stamp, marker=True)
        stage.packet(number + 3, vp8(picture + 1), encoding=index, timestamp=stamp + 3000, marker=True)
        stage.repair(number, first, encoding=index, timestamp=stamp)
        expected += [f"{picture}/0{k}".encode() for k in ("", "1", "2")] + [f"{picture + 1}/0".encode()]
    taken = stage.texts(len(expected))
    assert [text for _, text in taken] == expected
    assert [(number - taken[0][0]) & 0xFFFF for number, _ in taken] == list(range(len(expected)))
    assert stage.state().switches == 5
    assert stage.plane.counters()["drop_protect_failed"] == 0


def test_a_repair_that_comes_after_the_next_key_frame_changes_nothing(plane, make_peer, rtx):
    stage = Repaired(plane, make_peer, rtx=rtx)
    first, second, third = key_frame(1)
    stage.packet(9, vp8(0), timestamp=0, marker=True)
    stage.packet(11, second, timestamp=3000)
    stage.packet(12, third, timestamp=3000, marker=True)
    stage.packet(13, vp8(5, key=True), timestamp=6000, marker=True)
    stage.repair(10, first, timestamp=3000)
    stage.packet(14, vp8(6), timestamp=9000, marker=True)
    assert [text for _, text in stage.texts(2)] == [b"5/0", b"6/0"]
    assert stage.subscriber.silent()


def test_what_is_too_far_behind_is_no_start(plane, make_peer):
    stage = Repaired(plane, make_peer)
    first, second, _ = key_frame(1)
    stage.packet(9, vp8(0), timestamp=0, marker=True)
    stage.packet(11, second, timestamp=3000)
    for k in range(600):
        stage.packet(12 + k, vp8(2 + k), timestamp=6000 + 3000 * k, marker=True)
    stage.repair(10, first, timestamp=3000)
    stage.packet(612, vp8(700, key=True), timestamp=3_000_000, marker=True)
    assert [text for _, text in stage.texts(1)] == [b"700/0"]


def test_several_viewers_enter_at_once_on_each_shard(make_planes, make_peer):
    first_plane, second_plane = make_planes(2)
    stage = Repaired(first_plane, make_peer)
    relayed = second_plane.open_track()
    first_plane.set_relay(stage.track, 1, relayed)
    viewers = [stage.subscriber]
    for k, plane in enumerate((first_plane, second_plane, second_plane)):
        peer = make_peer(plane, 5 + k)
        track = stage.track if plane is first_plane else relayed
        plane.open_subscription(track, peer.connection, mid="0", ssrc=70 + k, payload_type=97)
        viewers.append(peer)
    wait_until(lambda: first_plane.settled and second_plane.settled)
    first, second, third = key_frame(1)
    stage.packet(9, vp8(0), timestamp=0, marker=True)
    stage.packet(11, second, timestamp=3000)
    stage.packet(12, third, timestamp=3000, marker=True)
    stage.repair(10, first, timestamp=3000)
    for viewer in viewers:
        packets = [parse(packet) for packet in viewer.receive(3)]
        assert [read_vp8(packet[5])[2] for packet in packets] == [b"1/0", b"1/01", b"1/02"]


def test_parameter_sets_that_come_late_make_their_picture_a_start(plane, make_peer, rtx):
    """The first packet of an H.264 key frame is that of its parameter sets."""
    stage = Repaired(plane, make_peer, rtx=rtx, codec=PayloadFormat.H264)
    sets = b"\x78\x00\x05\x67\x42\xc0\x1e\xd9\x00\x03\x68\xce\x3c"
    stage.packet(9, b"\x41\x9aslice", timestamp=0, marker=True)
    stage.packet(11, b"\x7c\x85\x88idr", timestamp=3000)
    stage.packet(12, b"\x7c\x45end", timestamp=3000, marker=True)
    stage.packet(13, b"\x41\x9aslice", timestamp=6000, marker=True)
    assert stage.subscriber.silent()  # nobody could decode it
    stage.repair(10, sets, timestamp=3000)
    packets = [parse(packet) for packet in stage.subscriber.receive(4)]
    assert [packet[5] for packet in packets] == [sets, b"\x7c\x85\x88idr", b"\x7c\x45end", b"\x41\x9aslice"]
    assert [(packet[1] - packets[0][1]) & 0xFFFF for packet in packets] == [0, 1, 2, 3]


SETS = b"\x78\x00\x05\x67\x42\xc0\x1e\xd9\x00\x03\x68\xce\x3c"
OTHER_SETS = b"\x78\x00\x05\x67\x42\xc0\x1f\xd9\x00\x03\x68\xce\x3d"


@pytest.mark.parametrize("paused", [False, True], ids=["goes on", "begins"])
def test_parameter_sets_that_are_lost_may_be_others_than_those_before(plane, make_peer, rtx, paused):
    """A picture of another size: nobody gets the former sets before it, and nobody begins without the new ones."""
    stage = Repaired(plane, make_peer, rtx=rtx, codec=PayloadFormat.H264)
    stage.packet(1, SETS, timestamp=0)
    stage.packet(2, b"\x65\x88idr", timestamp=0, marker=True)
    assert len(stage.subscriber.receive(2)) == 2
    if paused:
        plane.set_paused(stage.row, True)
        plane.set_paused(stage.row, False)
        wait_until(lambda: plane.settled)
    stage.packet(4, b"\x7c\x85\x88idr", timestamp=3000)
    stage.packet(5, b"\x7c\x45end", timestamp=3000, marker=True)
    stage.repair(3, OTHER_SETS, timestamp=3000)
    packets = [parse(packet) for packet in stage.subscriber.receive(3)]
    in_order = sorted(packets, key=lambda packet: (packet[1] - packets[0][1] + 8) & 0xFFFF)
    assert [packet[5] for packet in in_order] == [OTHER_SETS, b"\x7c\x85\x88idr", b"\x7c\x45end"]
    assert (packets == in_order) == paused
    assert stage.subscriber.silent()


def test_a_stream_without_sets_of_its_own_is_entered_though_what_was_before_is_lost(plane, make_peer):
    stage = Repaired(plane, make_peer, codec=PayloadFormat.H264)
    plane.tell_parameters(stage.track, 0, [SETS[3:8], SETS[10:]])
    wait_until(lambda: plane.settled)
    stage.packet(1, b"\x41\x9aslice", timestamp=0, marker=True)
    stage.packet(3, b"\x65\x88idr", timestamp=6000, marker=True)
    packets = [parse(packet) for packet in stage.subscriber.receive(2)]
    assert [packet[5] for packet in packets] == [SETS, b"\x65\x88idr"]


def test_a_step_down_while_a_base_frame_is_being_repaired(plane, make_peer, rtx):
    """VP8 simulcast with temporal layers: the repair comes between the step and the lower Encoding's key frame, or
    after that.
    """
    stage = Repaired(plane, make_peer, 2, rtx=rtx, repair=True)
    stage.aim(1)
    stage.packet(1, vp8(1, key=True), encoding=1, timestamp=0, marker=True)
    texts, lost = [b"1/0"], []
    sequence, low = 2, 1
    for turn in range(4):
        picture, stamp = 10 * turn + 2, 90_000 * turn + 3000
        stage.packet(sequence, vp8(picture), encoding=1, timestamp=stamp)
        lost.append((sequence + 1, vp8(picture, start=False) + b"tail", stamp))
        stage.aim(0, temporal=0)
        stage.packet(sequence + 2, vp8(picture + 1, temporal=2), encoding=1, timestamp=stamp + 3000, marker=True)
        repair = lost[-1]
        if turn % 2 == 0:
            stage.repair(repair[0], repair[1], encoding=1, timestamp=repair[2], marker=True)
        stage.packet(low, vp8(picture, key=True), timestamp=stamp + 6000)
        stage.packet(low + 1, vp8(picture, start=False) + b"low", timestamp=stamp + 6000, marker=True)
        if turn % 2 == 1:
            stage.repair(repair[0], repair[1], encoding=1, timestamp=repair[2], marker=True)
        stage.aim(1)
        stage.packet(sequence + 3, vp8(picture + 5, key=True), encoding=1, timestamp=stamp + 9000, marker=True)
        texts += [f"{picture}/0".encode(), f"{picture}/0tail".encode(), f"{picture}/0".encode()]
        texts += [f"{picture}/0low".encode(), f"{picture + 5}/0".encode()]
        sequence, low = sequence + 4, low + 2
    taken = stage.texts(len(texts))
    first = taken[0][0]
    assert [text for _, text in sorted(taken, key=lambda each: (each[0] - first) & 0xFFFF)] == texts
    assert sorted((number - first) & 0xFFFF for number, _ in taken) == list(range(len(texts)))
    assert plane.counters()["drop_protect_failed"] == plane.counters()["drop_late"] == 0


@pytest.mark.parametrize("order", [(10, 11), (11, 10)])
def test_parameter_sets_in_packets_of_their_own_may_be_repaired_one_by_one(plane, make_peer, rtx, order):
    stage = Repaired(plane, make_peer, rtx=rtx, codec=PayloadFormat.H264)
    lost = {10: SETS[3:8], 11: SETS[10:]}
    stage.packet(9, b"\x41\x9aslice", timestamp=0, marker=True)
    stage.packet(12, b"\x65\x88idr", timestamp=3000, marker=True)
    stage.repair(order[0], lost[order[0]], timestamp=3000)
    assert stage.subscriber.silent()
    stage.repair(order[1], lost[order[1]], timestamp=3000)
    stage.packet(13, b"\x41\x9aslice", timestamp=6000, marker=True)
    own = [lost[10], lost[11]] if order[1] == 10 else [lost[11]]
    expected = [SETS, *own, b"\x65\x88idr", b"\x41\x9aslice"]  # both kinds go before where it is entered
    packets = [parse(packet) for packet in stage.subscriber.receive(len(expected))]
    assert [packet[5] for packet in packets] == expected
    assert [(packet[1] - packets[0][1]) & 0xFFFF for packet in packets] == list(range(len(expected)))
