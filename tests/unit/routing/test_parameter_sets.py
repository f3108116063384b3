"""H.264 in the plane: only pictures that can be decoded from are starts, and their parameter sets go before them."""

from __future__ import annotations

import struct

import pytest

from sfu.routing.kernels.media_columns import LARGEST_SET_BYTES
from sfu.wire.payload_format import PayloadFormat

from .conftest import wait_until
from .stage import Stage, parse

SPS, PPS = bytes.fromhex("6742c01ed9"), bytes.fromhex("68ce3c80")  # each of id 0
OTHER_SPS, OTHER_PPS = bytes.fromhex("6742c01fd900"), bytes.fromhex("68ce3d80")
PPS_1 = bytes.fromhex("685e3c80")
IDR, SLICE = b"\x65\x88idr", b"\x41\x9aslice"
IDR_START, IDR_END = b"\x7c\x85\x88start", b"\x7c\x45end"
DELIMITER = b"\x09\x10"
RECOVERY = b"\x06\x06\x01\xc4\x80"


def aggregate(*units: bytes) -> bytes:
    """A STAP-A (RFC 6184 section 5.7.1)."""
    return b"\x78" + b"".join(struct.pack("!H", len(unit)) + unit for unit in units)


class Publisher(Stage):
    def __init__(self, plane, make_peer, **options):
        super().__init__(plane, make_peer, codec=PayloadFormat.H264, **options)
        self.sequence = 0

    def picture(self, stamp: int, *payloads: bytes) -> None:
        for payload in payloads:
            self.sequence += 1
            self.send(self.sequence, payload, timestamp=3000 * stamp)

    def join(self, make_peer, fill: int):
        """Another viewer, from now on."""
        peer = make_peer(self.plane, fill)
        self.plane.open_subscription(self.track, peer.connection, mid="0", ssrc=fill, payload_type=97)
        wait_until(lambda: self.plane.settled)
        return peer


def payloads(peer, count: int) -> list[bytes]:
    """Of the next packets, which have consecutive numbers."""
    found = [parse(packet) for packet in peer.receive(count)]
    assert len(found) == count
    assert [(packet[1] - found[0][1]) & 0xFFFF for packet in found] == list(range(count))
    assert peer.silent()
    return [packet[5] for packet in found]


@pytest.fixture
def stage(plane, make_peer):
    return Publisher(plane, make_peer)


def test_parameter_sets_before_every_picture_are_no_start(stage):
    stage.picture(1, SPS, PPS, SLICE)
    stage.picture(2, aggregate(SPS, PPS), SLICE)
    stage.picture(3, aggregate(SPS, PPS, SLICE))
    assert stage.subscriber.silent()
    stage.picture(4, SPS, PPS, IDR)
    stage.picture(5, SPS, PPS, SLICE)
    assert payloads(stage.subscriber, 5) == [aggregate(SPS, PPS), IDR, SPS, PPS, SLICE]
    assert stage.plane.encoding_state(stage.rows[0]).key_frames == 1


@pytest.mark.parametrize(
    ("units", "expected"),
    [
        ([SPS, PPS, IDR], [aggregate(SPS, PPS), IDR]),
        ([DELIMITER, SPS, PPS, IDR], [aggregate(SPS, PPS), IDR]),
        ([aggregate(SPS, PPS), IDR], [aggregate(SPS, PPS), IDR]),
        ([aggregate(SPS, PPS, IDR)], [aggregate(SPS, PPS, IDR)]),
        ([aggregate(SPS, PPS), IDR_START, IDR_END], [aggregate(SPS, PPS), IDR_START, IDR_END]),
        ([SPS, aggregate(PPS, IDR)], [aggregate(SPS, PPS), aggregate(PPS, IDR)]),
        ([SPS, PPS, PPS_1, IDR], [aggregate(SPS, PPS, PPS_1), IDR]),
        ([SPS, PPS, RECOVERY, SLICE], [aggregate(SPS, PPS), RECOVERY, SLICE]),
        ([aggregate(SPS, PPS, RECOVERY), SLICE], [aggregate(SPS, PPS, RECOVERY), SLICE]),
        ([SPS, PPS, RECOVERY, IDR], [aggregate(SPS, PPS), RECOVERY, IDR]),
    ],
)
def test_a_viewer_begins_with_the_parameter_sets_of_the_key_frame(stage, units, expected):
    stage.picture(1, SLICE)
    stage.picture(2, *units)
    assert payloads(stage.subscriber, len(expected)) == expected


def test_sets_of_the_first_picture_go_before_each_key_frame(stage, make_peer):
    stage.picture(1, aggregate(SPS, PPS), IDR_START, IDR_END)
    stage.picture(2, SLICE)
    assert payloads(stage.subscriber, 4) == [aggregate(SPS, PPS), IDR_START, IDR_END, SLICE]
    late = stage.join(make_peer, 9)
    stage.picture(3, SLICE)
    stage.picture(4, IDR_START, IDR_END)
    stage.picture(5, SLICE)
    assert payloads(late, 4) == [aggregate(SPS, PPS), IDR_START, IDR_END, SLICE]
    # who was there before gets them, too: he may have lost them
    assert payloads(stage.subscriber, 5) == [SLICE, aggregate(SPS, PPS), IDR_START, IDR_END, SLICE]


def test_the_packet_of_sets_is_of_the_key_frames_picture(stage):
    stage.picture(1, aggregate(SPS, PPS))
    stage.picture(2, IDR)
    sets, idr = [parse(packet) for packet in stage.subscriber.receive(2)]
    assert (sets[5], idr[5]) == (aggregate(SPS, PPS), IDR)
    assert sets[2] == idr[2]
    assert (sets[0] >> 7, idr[0] >> 7) == (0, 1)


def test_sets_that_only_sdp_tells(plane, make_peer):
    stage = Publisher(plane, make_peer)
    long = SPS + bytes(range(1, 120))  # of several commands
    plane.tell_parameters(stage.track, 0, [long, PPS])
    wait_until(lambda: plane.settled)
    stage.picture(1, SLICE)
    stage.picture(2, IDR)
    assert payloads(stage.subscriber, 2) == [aggregate(long, PPS), IDR]
    assert plane.parameter_sets(stage.track, 0) == (long, PPS)


def test_the_streams_own_sets_go_before_those_of_sdp(plane, make_peer):
    stage = Publisher(plane, make_peer)
    plane.tell_parameters(stage.track, 0, [OTHER_SPS, OTHER_PPS])
    wait_until(lambda: plane.settled)
    stage.picture(1, SPS, PPS, IDR)
    stage.picture(2, IDR)
    assert payloads(stage.subscriber, 4) == [aggregate(SPS, PPS), IDR, aggregate(SPS, PPS), IDR]


def test_sets_that_change_and_sets_of_several_ids(stage, make_peer):
    stage.picture(1, SPS, PPS, PPS_1, IDR)
    stage.picture(2, OTHER_SPS, OTHER_PPS, IDR)
    stage.picture(3, IDR)
    taken = payloads(stage.subscriber, 7)
    assert taken[:2] == [aggregate(SPS, PPS, PPS_1), IDR]
    assert taken[2:5] == [OTHER_SPS, OTHER_PPS, IDR]
    assert taken[5:] == [aggregate(OTHER_SPS, PPS_1, OTHER_PPS), IDR]


def test_a_key_frame_is_no_start_as_long_as_its_sets_are_not_known(stage):
    stage.picture(1, IDR)
    stage.picture(2, PPS)
    stage.picture(3, IDR)
    assert stage.subscriber.silent()
    stage.picture(4, SPS, IDR)
    assert payloads(stage.subscriber, 2) == [aggregate(SPS, PPS), IDR]


def test_what_is_too_much_to_keep_is_left_aside(plane, make_peer):
    stage = Publisher(plane, make_peer)
    stage.picture(1, SPS + bytes(LARGEST_SET_BYTES), PPS)
    plane.tell_parameters(stage.track, 0, [SPS + bytes(LARGEST_SET_BYTES), b""])
    plane.tell_parameters(stage.track, 77, [SPS])
    wait_until(lambda: plane.settled)
    assert plane.parameter_sets(stage.track, 0) == (PPS,)
    for k in range(40):  # ids 1 to 40: the oldest give way
        code = f"{k + 2:b}"
        bits = ("0" * (len(code) - 1) + code).ljust(16, "1")
        stage.picture(2 + k, b"\x68" + int(bits, 2).to_bytes(2) + bytes(50))
    kept = plane.parameter_sets(stage.track, 0)
    assert 10 < len(kept) < 20
    assert kept[-1][0] == 0x68
    assert sum(2 + len(unit) for unit in kept) <= 1024


def test_relayed_viewers_and_repeats_get_them_too(make_planes, make_peer):
    first, second = make_planes(2)
    stage = Publisher(first, make_peer, repair=True)
    relayed = second.open_track()
    first.set_relay(stage.track, 1, relayed)
    peer = make_peer(second, 5)
    second.open_subscription(relayed, peer.connection, mid="0", ssrc=70, payload_type=97)
    wait_until(lambda: first.settled and second.settled)
    stage.picture(1, aggregate(SPS, PPS), SLICE)
    stage.picture(2, IDR)
    assert payloads(peer, 2) == [aggregate(SPS, PPS), IDR]
    sets = parse(stage.subscriber.receive(2)[0])
    stage.subscriber.ask(stage.row, sets[1], 0, interval_ms=10)
    again = parse(stage.subscriber.receive(1)[0])
    assert (again[3], again[5]) == (8, struct.pack("!H", sets[1]) + aggregate(SPS, PPS))
