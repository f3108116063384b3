"""What the payload descriptors of real browsers say, held against what the senders say otherwise."""

from __future__ import annotations

import importlib.util
import itertools
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from sfu.wire.extensions import Extension
from sfu.wire.kernels.h264 import describe_h264
from sfu.wire.kernels.layers import describe_opaque, layers_from
from sfu.wire.kernels.red import primary_of
from sfu.wire.kernels.rtp import PACKET, parse_rtp
from sfu.wire.kernels.vp8 import describe_vp8
from sfu.wire.kernels.vp9 import describe_vp9, find_top_layer
from sfu.wire.layers import ALL_LAYERS

_READING = Path(__file__).parent / "rtp" / "reading.py"
_specification = importlib.util.spec_from_file_location("_reading_of_payload_captures", _READING)
reading = importlib.util.module_from_spec(_specification)
sys.modules[_specification.name] = reading
_specification.loader.exec_module(reading)

DEPENDENCIES = int(Extension.DEPENDENCY_DESCRIPTOR)
VP8 = [name for name in reading.names() if "_vp8_" in name]
VP9 = [name for name in reading.names() if "_vp9" in name]
H264 = [name for name in reading.names() if "_h264_" in name]


@dataclass
class Described:
    """One media packet of a capture: what its descriptor says, and the first octet of its dependency descriptor."""

    record: np.void
    dependencies: int | None
    announced_top: int = -1

    def __getattr__(self, name: str) -> int:
        return int(self.record[name])


def describe(name: str, codec: str) -> dict[int, list[Described]]:
    """The packets of a capture with a payload, by SSRC; every one of them must be in order."""
    capture = reading.load(name)
    kinds = np.zeros(16, np.uint8)
    kinds[capture.extension_id(Extension.DEPENDENCY_DESCRIPTOR.uri)] = DEPENDENCIES
    kinds[0] = 0
    streams: dict[int, list[Described]] = {}
    tops: dict[int, int] = {}
    for captured in capture.packets:
        if captured.payload_type != capture.payload_type(codec):
            continue
        buffer = np.frombuffer(captured.data, np.uint8)
        packets = np.zeros(1, PACKET)
        assert parse_rtp(buffer, 0, len(buffer), kinds, packets, 0) == 0
        describe_opaque(packets, 0)
        top, ssrc = tops.get(captured.ssrc, -1), captured.ssrc
        if codec == "VP8":
            assert describe_vp8(buffer, packets, 0) == 0
        elif codec == "VP9":
            assert describe_vp9(buffer, packets, 0, top) == 0
            top = find_top_layer(buffer, packets, 0)
            tops[ssrc] = top if top >= 0 else tops.get(ssrc, -1)
        else:
            assert describe_h264(buffer, packets, 0) == 0
        if packets[0]["payload_bytes"] == 0:
            continue
        at = int(packets[0]["extension_at"][DEPENDENCIES])
        said = int(buffer[at]) if packets[0]["extension_bytes"][DEPENDENCIES] else None
        streams.setdefault(ssrc, []).append(Described(packets[0], said, top))
    assert streams
    return streams


def all_pictures(stream: list[Described]) -> list[list[Described]]:
    return [list(group) for _, group in itertools.groupby(stream, key=lambda packet: packet.timestamp)]


def pictures(stream: list[Described]) -> list[list[Described]]:
    """All that are whole: a capture may end within one, and Chromium breaks one off where a key frame comes next."""
    found = all_pictures(stream)
    return [
        picture
        for picture, after in itertools.pairwise(found)
        if picture[-1].marker or not any(packet.key for packet in after)
    ]


def check_key_frames(name: str, streams: dict[int, list[Described]]) -> None:
    """As many as the sender says to have encoded, where it says so; of a simulcast, the capture has not all."""
    for one in reading.load(name).facts["stats"]:
        keys = sum(any(packet.key for packet in picture) for picture in all_pictures(streams[one["ssrc"]]))
        stated = one.get("keyFramesEncoded", keys)
        assert 0 < keys <= stated
        assert keys == stated or "simulcast" in name


@pytest.mark.parametrize("name", VP8)
def test_vp8(name):
    streams = describe(name, "VP8")
    check_key_frames(name, streams)
    for stream in streams.values():
        for picture in pictures(stream):
            assert [packet.frame_start for packet in picture] == [1] + [0] * (len(picture) - 1)
            assert [packet.frame_end for packet in picture] == [0] * (len(picture) - 1) + [1]
            assert len({packet.present for packet in picture}) == 1
        for packet in stream:
            if packet.dependencies is not None:
                assert packet.frame_start == packet.dependencies >> 7


@pytest.mark.parametrize("name", [name for name in VP8 if name.endswith("bare")])
def test_vp8_numbers_count_pictures(name):
    temporal = set()
    for stream in describe(name, "VP8").values():
        for before, after in itertools.pairwise(all_pictures(stream)):
            assert (after[0].picture_id - before[0].picture_id) & 0x7FFF == 1
            steps = (after[0].tl0_picture - before[0].tl0_picture) & 0xFF
            assert steps == (1 if after[0].temporal == 0 else 0)
        for packet in stream:
            assert packet.picture_id_bits == 15
            temporal.add(packet.temporal)
            assert packet.present == layers_from(0, packet.temporal)
            assert not packet.switch or packet.key or packet.temporal
    assert temporal == ({0, 1} if name.startswith("firefox") else {0, 1, 2})


@pytest.mark.parametrize("name", VP9)
def test_vp9(name):
    streams = describe(name, "VP9")
    check_key_frames(name, streams)
    highest = 2 if "l3t3" in name else 0
    for stream in streams.values():
        assert {packet.spatial for packet in stream} == set(range(highest + 1))
        for before, after in itertools.pairwise(all_pictures(stream)):
            assert (after[0].picture_id - before[0].picture_id) & 0x7FFF == 1
        for picture in pictures(stream):
            spatial = [packet.spatial for packet in picture]
            assert spatial == sorted(spatial)
            for _, frame in itertools.groupby(picture, key=lambda packet: packet.spatial):
                starts, ends = zip(*((packet.frame_start, packet.frame_end) for packet in frame), strict=True)
                assert starts == (1,) + (0,) * (len(starts) - 1)
                assert ends == (0,) * (len(ends) - 1) + (1,)
        for packet in stream:
            if packet.dependencies is not None:
                assert packet.frame_start == packet.dependencies >> 7
                assert packet.frame_end == packet.dependencies >> 6 & 1


@pytest.mark.parametrize("name", [name for name in VP9 if "l3t3" in name])
def test_vp9_layers_depend_on_each_other_as_the_mode_says(name):
    """L3T3: each frame is needed above. L3T3_KEY: only those of key pictures, and of a layer that starts anew."""
    (stream,) = describe(name, "VP9").values()
    upper = [packet for packet in stream if packet.spatial < 2]
    needed = [packet.present == layers_from(packet.spatial, packet.temporal) for packet in upper]
    if "key" not in name:
        assert all(needed)
    else:
        keys = {packet.timestamp for packet in stream if packet.key}
        assert all(need for packet, need in zip(upper, needed, strict=True) if packet.timestamp in keys)
        assert needed.count(False) > 50
    whole = [packet for packet in stream if packet.spatial == 2]
    assert all(packet.present == layers_from(2, packet.temporal) for packet in whole)


@pytest.mark.parametrize("name", [name for name in VP9 if "l3t3" in name])
def test_vp9_may_announce_fewer_layers_between_key_frames(name):
    """So the highest layer is the last one announced, not the highest ever."""
    (stream,) = describe(name, "VP9").values()
    announced = [packet.announced_top for packet in stream if packet.announced_top >= 0]
    assert set(announced) == {1, 2}


@pytest.mark.parametrize("name", H264)
def test_h264(name):
    streams = describe(name, "H264")
    check_key_frames(name, streams)
    for stream in streams.values():
        for picture in pictures(stream):
            assert picture[0].frame_start == 1
            assert [packet.frame_end for packet in picture] == [0] * (len(picture) - 1) + [1]
            if not any(packet.key for packet in picture):
                assert sum(packet.frame_start for packet in picture) == 1
            assert all(packet.switch == (ALL_LAYERS if packet.key else 0) for packet in picture)
        for packet in stream:
            if packet.dependencies is not None:
                assert packet.frame_start >= packet.dependencies >> 7


def test_red():
    """Each packet has the block of the one before; those that probe for bandwidth are empty."""
    capture = reading.load("chromium_opus_red")
    opus, empty, previous = capture.payload_type("opus"), 0, None
    for captured in capture.packets:
        assert captured.payload_type == capture.payload_type("red")
        buffer, packets = np.frombuffer(captured.data, np.uint8), np.zeros(1, PACKET)
        assert parse_rtp(buffer, 0, len(buffer), np.zeros(16, np.uint8), packets, 0) == 0
        at, length = int(packets[0]["payload"]), int(packets[0]["payload_bytes"])
        if captured.data[0] & 0x20:
            length -= captured.data[-1]
        found = primary_of(buffer, at, at + length)
        if length == 0:
            assert found == at
            empty += 1
            continue
        primary = captured.data[found : at + length]
        assert captured.data[at] & 0x7F == opus
        if previous is not None:
            assert captured.data[at] >> 7 == 1
            assert captured.data[found - len(previous) : found] == previous
        previous = primary
    assert empty > 0
