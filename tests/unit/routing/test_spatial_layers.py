"""Spatial layers in the plane: what is announced to a subscriber, and what the control side is told."""

from __future__ import annotations

import pytest

from sfu.routing.plane import KeyFrameNeeded
from sfu.wire.extensions import Extension
from sfu.wire.kernels.layers import layers_from, layers_of
from sfu.wire.payload_format import PayloadFormat
from tests.unit.wire.descriptors import head, octets, two_layers

from .conftest import rtp, wait_until
from .stage import parse

DEPENDENCIES = 8
STRUCTURE = "10000"
ACTIVE = "01000"
KEY, DELTA = b"\x18key", b"\x10delta"  # AV1 aggregation headers, N set and not


class Stage:
    """A publisher of one Encoding with spatial layers, and one subscriber."""

    def __init__(self, plane, make_peer, codec=PayloadFormat.AV1, *, described=True):
        self.plane = plane
        self.publisher, self.subscriber = make_peer(plane, 1), make_peer(plane, 2)
        if described:
            for peer in (self.publisher, self.subscriber):
                plane.set_extensions(peer.connection, {Extension.DEPENDENCY_DESCRIPTOR: DEPENDENCIES}, mixed=True)
        self.track = plane.open_track()
        self.encoding = plane.open_encoding(
            self.track,
            self.publisher.connection,
            mid="0",
            ssrc=100,
            payload_type=96,
            clock_rate=90000,
            audio=False,
            codec=codec,
        )
        self.row = plane.open_subscription(self.track, self.subscriber.connection, mid="0", ssrc=7, payload_type=97)
        self.aim(3)
        self.sent = 0

    def aim(self, spatial: int) -> None:
        self.plane.set_target(self.row, 0, spatial, 7)
        wait_until(lambda: self.plane.settled)

    def send(self, payload: bytes, picture: int, descriptor: str = "") -> None:
        extensions = {DEPENDENCIES: octets(descriptor)} if descriptor else None
        self.sent += 1
        before = self.plane.counters()["received_rtp"]
        self.publisher.send(rtp(self.sent, payload, ssrc=100, timestamp=3000 * picture, extensions=extensions))
        wait_until(lambda: self.plane.counters()["received_rtp"] == before + 1)

    def described(self, count: int) -> list[bytes]:
        """The descriptors of the next packets."""
        packets = self.subscriber.receive(count)
        assert len(packets) == count
        return [parse(packet)[4][DEPENDENCIES] for packet in packets]

    def told(self) -> list[KeyFrameNeeded]:
        return [notice for notice in self.plane.poll_notices() if isinstance(notice, KeyFrameNeeded)]


@pytest.fixture
def stage(plane, make_peer):
    return Stage(plane, make_peer)


def test_a_subscriber_that_falls_is_told_what_it_will_get(stage):
    """Also in a descriptor of three octets, which has no room for it."""
    stage.send(KEY, 1, head(0, 1) + STRUCTURE + two_layers())
    stage.send(DELTA, 1, head(2, 2))
    whole, upper = stage.described(2)
    assert whole[3:] == octets(head(0, 1) + STRUCTURE + two_layers())[3:]
    assert len(upper) == 3

    stage.aim(0)
    stage.send(DELTA, 2, head(1, 3))
    stage.send(DELTA, 2, head(2, 4))  # not for it any more
    stage.send(DELTA, 3, head(1, 5))
    fallen, next_one = stage.described(2)
    number = fallen[1] << 8 | fallen[2]
    assert fallen == octets(head(1, number) + ACTIVE + "01")
    assert next_one == octets(head(1, number + 2))  # frames refer to each other by their distance

    stage.aim(3)
    stage.send(KEY, 4, head(0, 6) + STRUCTURE + two_layers())
    (risen,) = stage.described(1)
    assert risen[3:] == octets(head(0, 1) + STRUCTURE + two_layers())[3:]
    assert stage.told() == []


def test_layers_that_end_between_key_frames_are_told_of_once(stage):
    stage.send(KEY, 1, head(0, 1) + STRUCTURE + two_layers(second="-"))
    stage.send(DELTA, 2, head(1, 2))
    stage.send(DELTA, 2, head(2, 3))
    assert stage.told() == []
    for picture in (3, 4, 5):
        stage.send(DELTA, picture, head(1, picture + 1) + ACTIVE + "01")
    (notice,) = stage.told()
    assert notice == KeyFrameNeeded(stage.publisher.connection, stage.encoding, layers_from(1, 0))
    stage.send(KEY, 6, head(0, 7) + "11000" + two_layers(second="-") + "01")
    stage.send(DELTA, 7, head(1, 8))
    assert stage.told() == []
    packets = [parse(packet)[5] for packet in stage.subscriber.receive(4)]
    assert packets == [KEY, DELTA, KEY, DELTA]  # the upper layer of the second picture, then what there is


def vp9(spatial: int, picture: int, *, key: bool = False, top: int | None = None) -> bytes:
    """A VP9 payload, not flexible, a whole frame (RFC 9628 section 4.2)."""
    first = 0xA0 | 0x0C | (0 if key and spatial == 0 else 0x40) | (0x02 if top is not None else 0)
    layer = spatial << 1 | (0x01 if spatial else 0)
    structure = bytes([top << 5]) if top is not None else b""
    return bytes([first, 0x80 | picture >> 8, picture & 0xFF, layer, picture & 0xFF]) + structure + b"data"


def test_a_vp9_stream_whose_top_layer_ends_between_key_frames_is_told_of(plane, make_peer):
    stage = Stage(plane, make_peer, PayloadFormat.VP9, described=False)
    stage.send(vp9(0, 1, key=True, top=2), 1)
    stage.send(vp9(1, 1), 1)
    stage.send(vp9(2, 1), 1)
    assert stage.told() == []
    stage.send(vp9(0, 2, top=1), 2)
    stage.send(vp9(1, 2), 2)
    assert stage.told() == [KeyFrameNeeded(stage.publisher.connection, stage.encoding, layers_of(2, 0))]
    stage.send(vp9(0, 3, key=True, top=1), 3)
    stage.send(vp9(0, 4, key=True, top=2), 4)
    assert stage.told() == []
    stage.send(vp9(0, 5, top=0), 5)
    assert stage.told() == [
        KeyFrameNeeded(stage.publisher.connection, stage.encoding, layers_of(1, 0) | layers_of(2, 0)),
    ]


def test_an_h264_key_frame_in_several_packets_counts_once(plane, make_peer):
    stage = Stage(plane, make_peer, PayloadFormat.H264, described=False)
    stage.send(b"\x67parameters", 1)
    stage.send(b"\x65\x88slice", 1)
    stage.send(b"\x41\x9aslice", 2)
    stage.send(b"\x65\x88slice", 3)
    assert plane.encoding_state(stage.encoding).key_frames == 2


@pytest.mark.parametrize("spatial", [3, 0])
def test_an_av1_key_frame_whose_first_packet_is_repaired_can_be_entered(plane, make_peer, spatial):
    """The structure comes with that packet, so the others are not understood before."""
    stage = Stage(plane, make_peer)
    stage.aim(spatial)
    stage.send(KEY, 1, head(0, 1) + STRUCTURE + two_layers())
    stage.described(1)
    stage.plane.set_paused(stage.row, True)
    stage.plane.set_paused(stage.row, False)
    wait_until(lambda: stage.plane.settled)
    stage.sent += 1
    lost = stage.sent
    stage.send(DELTA, 2, head(2, 3))
    stage.send(DELTA, 3, head(1, 4))
    assert stage.subscriber.silent()
    stage.publisher.send(
        rtp(
            lost,
            KEY,
            ssrc=100,
            timestamp=6000,
            extensions={DEPENDENCIES: octets(head(0, 2) + STRUCTURE + two_layers())},
        )
    )
    upper = [DELTA] if spatial else []
    packets = stage.subscriber.receive(2 + len(upper))
    assert [parse(packet)[5] for packet in packets] == [KEY, *upper, DELTA]
    numbers = [parse(packet)[1] for packet in packets]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
