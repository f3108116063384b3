"""What the plane makes of a stream, packet by packet: the frame that each is of, whatever the codec says it by."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sfu.routing.kernels.counters import COUNTER_COUNT, Counter
from sfu.routing.kernels.tables import make_tables
from sfu.wire.extensions import Extension
from sfu.wire.kernels.layers import layers_from, layers_of
from sfu.wire.kernels.rtp import PACKET
from sfu.wire.layers import ALL_LAYERS
from sfu.wire.payload_format import PayloadFormat
from tests.unit.wire.descriptors import head, octets, two_layers

from . import kernels
from .stage import vp8

VP8, VP9, H264, AV1 = PayloadFormat.VP8, PayloadFormat.VP9, PayloadFormat.H264, PayloadFormat.AV1
AT = 40
"""Where a packet begins in the buffer."""
STRUCTURE, ACTIVE = "10000", "01000"
"""Flags of a dependency descriptor: a structure follows, or the active decode targets do."""
AV1_KEY, AV1_DELTA = b"\x18key", b"\x10delta"
IDR, SLICE = b"\x65\x88", b"\x61\x88"


class Publisher:
    """An encoding of one codec, whose packets are described as they come."""

    def __init__(self, codec: PayloadFormat, *, audio: bool = False) -> None:
        self.tables = make_tables(1, 1, 2, 1, COUNTER_COUNT)
        self.entry = self.tables.encodings[1]
        self.entry["codec"], self.entry["audio"], self.entry["spatial_top"] = codec, audio, -1
        self.codec, self.sent = codec, 0

    def send(
        self,
        payload: bytes,
        *,
        codec: PayloadFormat | None = None,
        late: bool = False,
        marker: bool = False,
        **extensions: bytes,
    ) -> Any:
        """The row of a packet; None: it is dropped as broken, which is counted."""
        packets, buffer, at = np.zeros(1, PACKET), np.full(1500, 0xEE, np.uint8), AT
        packet = packets[0]
        for name in PACKET.names or ():  # whatever was in the row before
            packet[name] = 77
        self.sent += 1
        packet["sequence"], packet["codec"] = self.sent, self.codec if codec is None else codec
        packet["late"], packet["marker"], packet["extension_bytes"] = late, marker, 0
        for name, value in extensions.items():
            kind = Extension[name.upper()]
            buffer[at : at + len(value)] = np.frombuffer(value, np.uint8)
            packet["extension_at"][kind], packet["extension_bytes"][kind] = at, len(value)
            at += len(value)
        buffer[at : at + len(payload)] = np.frombuffer(payload, np.uint8)
        packet["payload"], packet["payload_bytes"] = at, len(payload)
        dropped = self.counted(Counter.DROP_DESCRIPTOR)
        described = kernels.describe_packet(self.tables, 1, buffer, packets, 0)
        assert self.counted(Counter.DROP_DESCRIPTOR) == dropped + (0 if described else 1)
        return packet if described else None

    def counted(self, counter: Counter) -> int:
        return int(self.tables.counters[counter])


def about(packet: Any, *names: str) -> tuple[int, ...]:
    return tuple(int(packet[name]) for name in names)


def vp9(spatial: int, *, key: bool = False, top: int | None = None) -> bytes:
    """A whole frame, not flexible (RFC 9628 section 4.2); `top`: it announces this as the highest layer."""
    first = 0x20 | 0x0C | (0 if key else 0x40) | (0x02 if top is not None else 0)
    layer = spatial << 1 | (0x01 if spatial else 0)
    return bytes([first, layer, 0]) + (bytes([top << 5]) if top is not None else b"") + b"\x00data"


@pytest.mark.parametrize("marker", [False, True])
def test_of_what_no_codec_tells_of_every_subscriber_gets_all(marker: bool) -> None:
    packet = Publisher(PayloadFormat.OPAQUE).send(b"anything", marker=marker)
    assert about(packet, "key", "spatial", "temporal", "present", "switch") == (0, 0, 0, ALL_LAYERS, 0)
    assert about(packet, "picture_id", "tl0_picture", "frame_number", "frame_end") == (-1, -1, -1, marker)


def test_audio_is_opaque_whatever_extensions_it_has() -> None:
    descriptor = octets(head(0) + STRUCTURE + two_layers())
    packet = Publisher(PayloadFormat.OPUS, audio=True).send(b"\x10", dependency_descriptor=descriptor)
    assert about(packet, "key", "present", "frame_number") == (0, ALL_LAYERS, -1)


def test_of_redundant_audio_the_place_of_the_newest_is_known() -> None:
    publisher = Publisher(PayloadFormat.OPUS, audio=True)
    one_copy = bytes([0x80 | 111, 0, 0, 3, 111]) + b"oldnew"
    assert publisher.send(one_copy, codec=PayloadFormat.RED)["primary"] == 8
    assert publisher.send(bytes([111]) + b"new", codec=PayloadFormat.RED)["primary"] == 1
    assert publisher.send(b"", codec=PayloadFormat.RED)["primary"] == 0


@pytest.mark.parametrize("payload", [bytes([0x80 | 111, 0, 0]), bytes([0x80 | 111, 0, 0, 9, 111]) + b"old"])
def test_redundant_audio_that_is_cut_off_is_dropped(payload: bytes) -> None:
    assert Publisher(PayloadFormat.OPUS, audio=True).send(payload, codec=PayloadFormat.RED) is None


def test_a_vp8_stream() -> None:
    publisher = Publisher(VP8)
    key, delta = publisher.send(vp8(7, key=True, tl0=3)), publisher.send(vp8(8, temporal=1, tl0=3, sync=True))
    assert about(key, "key", "frame_start", "switch", "picture_id", "tl0_picture") == (1, 1, ALL_LAYERS, 7, 3)
    assert about(delta, "key", "temporal", "present", "picture_id") == (0, 1, layers_from(0, 1), 8)
    assert publisher.send(vp8(8, start=False))["frame_start"] == 0


@pytest.mark.parametrize(
    ("codec", "payload"),
    [(VP8, b"\x90\xe0\x80"), (VP9, b"\xa0\x80"), (H264, b"\x78\x00\x09\x65"), (AV1, b"\x88")],
    ids=["VP8", "VP9", "H264", "AV1"],
)
def test_what_is_cut_off_is_dropped_and_the_stream_goes_on(codec: PayloadFormat, payload: bytes) -> None:
    publisher = Publisher(codec)
    assert publisher.send(payload) is None
    assert publisher.send(b"") is not None  # padding only
    assert publisher.counted(Counter.DROP_DESCRIPTOR) == 1


def test_a_vp9_stream_means_more_once_it_has_said_how_many_layers_it_has() -> None:
    publisher = Publisher(VP9)
    assert publisher.send(vp9(1, key=True))["switch"] == layers_from(1, 0)
    assert publisher.send(vp9(0, key=True, top=2))["key"] == 1
    assert publisher.send(vp9(1, key=True))["switch"] == layers_of(1, 0)  # above it there may be references still
    assert publisher.send(vp9(2, key=True))["switch"] == layers_from(2, 0)
    assert publisher.entry["spatial_top"] == 2


def test_layers_of_vp9_that_end_between_key_frames_areneeds_key_frame() -> None:
    publisher = Publisher(VP9)
    publisher.send(vp9(0, key=True, top=2))
    publisher.send(vp9(0))
    assert publisher.entry["needs_key_frame"] == 0
    publisher.send(vp9(0, top=1))
    assert publisher.entry["needs_key_frame"] == layers_of(2, 0)
    publisher.send(vp9(0, top=0))
    assert publisher.entry["needs_key_frame"] == layers_of(2, 0) | layers_of(1, 0)
    publisher.send(vp9(0, top=2))  # that they go on helps nobody: what they build on was not sent
    assert publisher.entry["needs_key_frame"] == layers_of(2, 0) | layers_of(1, 0)


def test_a_vp9_key_frame_helps_them_and_may_have_fewer_layers() -> None:
    publisher = Publisher(VP9)
    publisher.send(vp9(0, key=True, top=2))
    publisher.send(vp9(0, top=1))
    publisher.send(vp9(0, key=True, top=0))
    assert about(publisher.entry, "needs_key_frame", "spatial_top") == (0, 0)


@pytest.mark.parametrize(
    ("payload", "late"), [(vp9(0, top=0), True), (vp9(0, top=0)[:4], False)], ids=["late", "broken"]
)
def test_what_a_late_or_broken_vp9_packet_announces_does_not_count(payload: bytes, late: bool) -> None:
    publisher = Publisher(VP9)
    publisher.send(vp9(0, key=True, top=2))
    assert (publisher.send(payload, late=late) is None) == (not late)
    assert about(publisher.entry, "needs_key_frame", "spatial_top") == (0, 2)


def test_an_h264_stream() -> None:
    publisher = Publisher(H264)
    assert publisher.send(b"\x67\x42\x00\x1f\xe9")["sets"] == 1
    assert publisher.send(b"\x68\xce")["sets"] == 2
    assert about(publisher.send(IDR), "key", "sets", "switch") == (1, 0, ALL_LAYERS)
    assert about(publisher.send(SLICE), "key", "frame_start", "present") == (0, 1, ALL_LAYERS)


def test_frame_marking_tells_the_temporal_layers_of_h264() -> None:
    publisher = Publisher(H264)
    packet = publisher.send(SLICE, frame_marking=bytes([0xC0 | 0x10 | 2, 0, 0]))
    assert about(packet, "temporal", "present", "discardable") == (2, layers_from(0, 2), layers_from(0, 2))
    assert about(packet, "frame_start", "frame_end", "key") == (1, 1, 0)
    assert about(publisher.send(IDR, frame_marking=b"\xe0"), "key", "temporal", "switch") == (1, 0, ALL_LAYERS)


def test_of_other_codecs_and_of_broken_packets_it_is_not_read() -> None:
    marking = bytes([0xC0 | 2, 0, 0])
    assert Publisher(VP8).send(vp8(1, temporal=1), frame_marking=marking)["temporal"] == 1
    assert Publisher(H264).send(b"\x78\x00\x09\x65", frame_marking=marking) is None


def test_a_dependency_descriptor_goes_before_it() -> None:
    descriptor = octets(head(0, 5) + STRUCTURE + two_layers())
    marking = bytes([0xC0 | 2, 0, 0])
    packet = Publisher(H264).send(IDR, frame_marking=marking, dependency_descriptor=descriptor)
    assert about(packet, "temporal", "frame_number", "key") == (0, 5, 1)


def test_dependency_descriptors_tell_the_layers_of_an_av1_stream() -> None:
    publisher = Publisher(AV1)
    key = publisher.send(AV1_KEY, dependency_descriptor=octets(head(0, 1) + STRUCTURE + two_layers()))
    lower = publisher.send(AV1_DELTA, dependency_descriptor=octets(head(1, 2)))
    upper = publisher.send(AV1_DELTA, dependency_descriptor=octets(head(2, 3)))
    assert about(key, "key", "spatial", "frame_number") == (1, 0, 1)
    assert about(lower, "key", "spatial", "frame_number") == (0, 0, 2)
    assert about(upper, "key", "spatial", "frame_number") == (0, 1, 3)
    assert upper["present"] & layers_of(0, 0) == 0
    assert publisher.counted(Counter.UNKNOWN_STRUCTURE) == 0


def test_before_the_structure_has_come_descriptors_are_of_no_use_and_do_no_harm() -> None:
    publisher = Publisher(AV1)
    packet = publisher.send(AV1_DELTA, dependency_descriptor=octets(head(2, 3)))
    assert about(packet, "spatial", "present", "frame_number") == (0, ALL_LAYERS, 3)
    assert publisher.counted(Counter.UNKNOWN_STRUCTURE) == 1


def test_another_stream_has_to_tell_its_structure_again() -> None:
    publisher = Publisher(AV1)
    publisher.send(AV1_KEY, dependency_descriptor=octets(head(0, 1) + STRUCTURE + two_layers()))
    kernels.forget_structure(publisher.tables, 1)
    assert publisher.send(AV1_DELTA, dependency_descriptor=octets(head(2, 3)))["spatial"] == 0
    assert publisher.counted(Counter.UNKNOWN_STRUCTURE) == 1


def test_a_broken_descriptor_is_dropped_with_its_packet_and_the_stream_goes_on() -> None:
    publisher = Publisher(AV1)
    publisher.send(AV1_KEY, dependency_descriptor=octets(head(0, 1) + STRUCTURE + two_layers()))
    assert publisher.send(AV1_DELTA, dependency_descriptor=b"\xc1\x00") is None
    assert publisher.send(AV1_DELTA, dependency_descriptor=octets(head(2, 3)))["spatial"] == 1


def test_of_a_broken_payload_no_descriptor_is_read() -> None:
    publisher = Publisher(AV1)
    descriptor = octets(head(0, 1) + STRUCTURE + two_layers())
    assert publisher.send(b"\x88", dependency_descriptor=descriptor) is None
    publisher.send(AV1_DELTA, dependency_descriptor=octets(head(2, 3)))
    assert publisher.counted(Counter.UNKNOWN_STRUCTURE) == 1


def test_layers_whose_frames_stop_are_stranded_until_a_key_frame() -> None:
    publisher = Publisher(AV1)
    publisher.send(AV1_KEY, dependency_descriptor=octets(head(0, 1) + STRUCTURE + two_layers(second="-")))
    assert publisher.entry["needs_key_frame"] == 0
    publisher.send(AV1_DELTA, dependency_descriptor=octets(head(1, 2) + ACTIVE + "01"))
    assert publisher.entry["needs_key_frame"] == layers_from(1, 0)
    publisher.send(AV1_KEY, dependency_descriptor=octets(head(0, 3) + "11000" + two_layers(second="-") + "01"))
    assert publisher.entry["needs_key_frame"] == 0
