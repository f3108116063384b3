"""Payload descriptors byte by byte, laid out after the figures of their RFCs."""

from __future__ import annotations

import numpy as np
import pytest

from sfu.wire.kernels.av1 import describe_av1
from sfu.wire.kernels.frame_marking import describe_frame_marking
from sfu.wire.kernels.h264 import describe_h264
from sfu.wire.kernels.layers import describe_opaque, layer_bit, layers_from, layers_of
from sfu.wire.kernels.red import primary_of
from sfu.wire.kernels.rtp import PACKET
from sfu.wire.kernels.vp8 import describe_vp8
from sfu.wire.kernels.vp9 import describe_vp9, find_top_layer
from sfu.wire.layers import ALL_LAYERS


def describe(function, payload: str, *more, marker=0):
    """The status, and the record after `function` has read the hexadecimal payload in the midst of other bytes."""
    data = bytes.fromhex(payload)
    buffer = np.frombuffer(b"\xff" * 7 + data + b"\xff" * 7, np.uint8)
    packets = np.zeros(1, PACKET)
    packets[0]["payload"], packets[0]["payload_bytes"], packets[0]["marker"] = 7, len(data), marker
    describe_opaque(packets, 0)
    return function(buffer, packets, 0, *more), packets[0]


@pytest.mark.parametrize(
    ("payload", "facts"),
    [
        # RFC 7741 section 4.2: |X|R|N|S|R|PID|, then |I|L|T|K|RSV|, |M|PictureID|, |TL0PICIDX|, |TID|Y|KEYIDX|
        ("10 00", {"key": 1, "frame_start": 1, "picture_id": -1, "temporal": 0, "switch": ALL_LAYERS}),
        ("10 01", {"key": 0, "frame_start": 1, "switch": 0, "discardable": 0}),
        ("00 00", {"key": 0, "frame_start": 0}),  # goes on within a partition
        ("11 00", {"key": 0, "frame_start": 0}),  # partition 1 begins
        ("58 00", {"key": 1, "frame_start": 1}),  # both reserved bits set
        ("90 80 11 00", {"picture_id": 0x11, "picture_id_at": 2, "picture_id_bits": 7, "key": 1}),
        ("90 80 92 34 01", {"picture_id": 0x1234, "picture_id_at": 2, "picture_id_bits": 15}),
        ("90 c0 92 34 56 01", {"tl0_picture": 0x56, "tl0_picture_at": 4}),
        ("90 e0 92 34 56 a0 01", {"temporal": 2, "switch": layers_of(0, 2) * 0x01010101 & 0x04040404}),
        ("90 e0 92 34 56 80 01", {"temporal": 2, "present": layers_from(0, 2), "switch": 0}),
        ("b0 e0 92 34 56 80 01", {"discardable": layers_from(0, 2)}),  # N: not used for reference
        ("90 10 05 01", {"temporal": 0}),  # KEYIDX alone
        ("", {"key": 0, "present": ALL_LAYERS}),
    ],
)
def test_vp8(payload, facts):
    status, packet = describe(describe_vp8, payload)
    assert status == 0
    assert {name: int(packet[name]) for name in facts} == facts


@pytest.mark.parametrize("payload", ["90", "10", "90 80", "90 80 92", "90 80 92 34", "90 c0 11", "90 e0 11 22 33"])
def test_vp8_cut_off(payload):
    assert describe(describe_vp8, payload)[0] == 1


@pytest.mark.parametrize(
    ("payload", "top", "facts"),
    [
        # RFC 9628 section 4.2: |I|P|L|F|B|E|V|Z|, |M|PICTURE ID|, |TID|U|SID|D|, |TL0PICIDX| or |P_DIFF|N|
        ("8c 92 34 00", -1, {"key": 1, "frame_start": 1, "frame_end": 1, "picture_id": 0x1234, "switch": ALL_LAYERS}),
        ("cc 11 00", -1, {"key": 0, "picture_id": 0x11, "switch": 0}),
        (
            "ac 11 02 33 00",
            -1,
            {"key": 0, "spatial": 1, "tl0_picture": 0x33, "tl0_picture_at": 3, "switch": layers_from(1, 0)},
        ),
        ("ec 11 53 33 00", -1, {"temporal": 2, "spatial": 1, "raises": 2, "present": layers_from(1, 2)}),
        ("ed 11 42 33 00", 2, {"present": layers_of(1, 2)}),  # Z: upper layers do without it
        ("ed 11 44 33 00", 2, {"present": layers_from(2, 2)}),  # the top layer has none above
        ("ac 11 02 33 00", 2, {"switch": layers_of(1, 0)}),  # without earlier pictures, but what is above has them
        ("ac 11 04 33 00", 2, {"switch": layers_from(2, 0)}),
        ("ef 11 42 33 20 00", 2, {"present": layers_from(1, 2)}),  # and the structure says: two layers from now on
        ("8c 92 34 82", -1, {"key": 1}),  # the frame's header: |frame marker 2|profile 2|show existing|frame type|
        ("08 86", -1, {"key": 0, "switch": 0}),  # FFmpeg's descriptor: P is never set
        ("08 82", -1, {"key": 1, "switch": ALL_LAYERS}),
        ("08 8a", -1, {"key": 0, "switch": 0}),  # shows a picture that is known
        ("08 b0", -1, {"key": 1}),  # profile 3 has a bit more
        ("08 b2", -1, {"key": 0}),
        (
            "ac 11 02 33 86",
            -1,
            {"switch": layers_from(1, 0)},
        ),  # an upper layer of a key picture is predicted from below
        ("fc 11 40 03 05 02 00", -1, {"temporal": 2, "tl0_picture": -1}),  # three references
        ("7c 40 03 00", -1, {"temporal": 2, "tl0_picture": 3, "picture_id": -1}),  # F does not count without I
    ],
)
def test_vp9(payload, top, facts):
    status, packet = describe(describe_vp9, payload, top)
    assert status == 0
    assert {name: int(packet[name]) for name in facts} == facts


def test_vp9_scalability_structure():
    # |N_S|Y|G|RES|, widths and heights, N_G, and for each picture |TID|U|R|RES| with its references
    structure = "58 014000b4 02800168 050002d0 02 04 01 28 02 01"
    status, packet = describe(describe_vp9, "ae 11 00 33" + structure + "00", -1)
    assert (status, int(packet["key"])) == (0, 1)
    data = bytes.fromhex("ae 11 00 33" + structure + "00")
    buffer = np.frombuffer(data, np.uint8)
    packets = np.zeros(1, PACKET)
    packets[0]["payload_bytes"] = len(data)
    describe_vp9(buffer, packets, 0, -1)
    assert find_top_layer(buffer, packets, 0) == 2
    assert describe(describe_vp9, "ae 11 00 33" + structure, -1)[0] == 1  # no frame behind it
    assert describe(describe_vp9, "ae 11 00 33" + structure[:-3], -1)[0] == 1


@pytest.mark.parametrize(
    "payload",
    ["80", "80 92", "a0 11", "a0 11 00", "f0 11 00", "fc 11 00 03 05 07 02 00", "ec 11 08 33 00", "ec 11 01 33 00"],
)
def test_vp9_broken(payload):
    assert describe(describe_vp9, payload, -1)[0] == 1


@pytest.mark.parametrize(
    ("payload", "key"),
    [
        # RFC 6184 section 5: |F|NRI|Type|; 24 STAP-A, 28 FU-A
        ("67 42", 0),  # parameter sets, which may stand before any picture
        ("78 0002 6742 0001 68", 0),
        ("65 88", 1),
        ("61 9a", 0),
        ("78 0002 6742 0001 68 0001 65", 1),
        ("78 0001 68 0001 61", 0),
        ("7c 85", 1),  # an IDR slice starts
        ("7c 85 88", 1),
        ("7c 85 48", 0),  # not the picture's first: first_mb_in_slice is above 0
        ("65 48", 0),
        ("7c 87 42", 0),
        # SEI messages (H.264 section 7.3.2.3.1): type, size, payload; 6 is a recovery point
        ("06 06 01 84 80", 1),
        ("06 05 02 aabb 06 01 84 80", 1),
        ("06 05 03 0000 03 01 06 01 84 80", 1),  # the emulation prevention octet does not count
        ("06 05 02 aabb 80", 0),
        ("06 05 02 0601 80", 0),
        ("06 05", 0),
        ("06 ff 06 01 00", 0),  # type 261
        ("06 05 ff", 0),
        ("78 0005 0606018480 0002 619a", 1),
        ("7c 05", 0),
        ("7c 81", 0),
        ("", 0),
    ],
)
def test_h264(payload, key):
    status, packet = describe(describe_h264, payload)
    assert (status, int(packet["key"])) == (0, key)


@pytest.mark.parametrize(
    ("payload", "starts"),
    [("61 9a", 1), ("61 4a", 0), ("42 9a", 1), ("09 10", 1), ("06 05", 0), ("7c 81 9a", 1), ("7c 41 9a", 0)],
)
def test_h264_frame_starts(payload, starts):
    # Slices and data partitions A with first_mb_in_slice 0, and access unit delimiters (H.264 section 7.4.1.2.3)
    status, packet = describe(describe_h264, payload)
    assert (status, int(packet["frame_start"])) == (0, starts)


@pytest.mark.parametrize("payload", ["7c", "78 00", "78 0000", "78 0003 6742", "79 00", "7d 00", "7a 00"])
def test_h264_cut_off_or_interleaved(payload):
    assert describe(describe_h264, payload)[0] == 1


@pytest.mark.parametrize(
    ("payload", "status", "key"),
    [
        ("10 0a", 0, 0),
        ("18 0a", 0, 1),
        ("98 0a", 1, 0),
        ("90 0a", 0, 0),
        # OBUs: |0|type|extension|has size|0|, 1 a sequence header, 3 and 6 frames: |show existing|frame type 2|
        ("28 02 0800 30 10", 0, 1),
        ("28 02 0800 30 30", 0, 0),  # the sequence header is repeated before another frame
        ("28 02 0800 18 b0", 0, 0),
        ("20 02 0800 30 10", 0, 1),  # a sender that leaves N out
        ("20 02 0800 30 30", 0, 0),
        ("10 30 10", 0, 0),  # nobody can begin without a sequence header
        ("18 30 10", 0, 1),
        ("18 30 30", 0, 0),
        ("38 02 1200 02 0800 30 30", 0, 0),  # a temporal delimiter first
        ("08 03 0a0100 03 3201 30", 0, 0),  # W 0: all have sizes, inside and out
        ("08 03 0a0100 03 3201 10", 0, 1),
        ("28 02 0808 30 30", 0, 1),  # reduced_still_picture_header
        ("28 7f 08", 0, 1),  # cut off: N is all that is known
    ],
)
def test_av1_aggregation_header(payload, status, key):
    # AV1 payload format section 4.4: |Z|Y|W|N|
    found, packet = describe(describe_av1, payload)
    assert (found, int(packet["key"])) == (status, key)


@pytest.mark.parametrize(
    ("value", "facts"),
    [
        # RFC 9626 section 3: |S|E|I|D|B|TID|, LID, TL0PICIDX
        ("a0 00 00", {"frame_start": 1, "frame_end": 0, "switch": ALL_LAYERS, "present": ALL_LAYERS}),
        ("52 00 00", {"frame_end": 1, "temporal": 2, "present": layers_from(0, 2), "discardable": layers_from(0, 2)}),
        ("8a 00 07", {"switch": sum(layer_bit(s, 2) for s in range(4))}),
        ("82", {"temporal": 0, "present": ALL_LAYERS}),
    ],
)
def test_frame_marking(value, facts):
    data = bytes.fromhex(value)
    packets = np.zeros(1, PACKET)
    describe_opaque(packets, 0)
    assert describe_frame_marking(np.frombuffer(data, np.uint8), 0, len(data), packets, 0) == 0
    assert {name: int(packets[0][name]) for name in facts} == facts


def red(data: bytes) -> int:
    return primary_of(np.frombuffer(b"\x00" + data, np.uint8), 1, 1 + len(data)) - 1


def test_red_blocks():
    # RFC 2198 section 3: |F|block PT|timestamp offset, 14 bits|block length, 10 bits|
    first = bytes([0x80 | 111]) + ((960 << 10) | 3).to_bytes(3, "big")
    second = bytes([0x80 | 111]) + ((480 << 10) | 2).to_bytes(3, "big")
    assert red(first + second + bytes([111]) + b"aaabbPRIMARY") == 9 + 5
    assert red(bytes([111]) + b"P") == 1
    assert red(bytes([111])) == -2
    assert red(first + bytes([111]) + b"aaa") == -2  # no primary block
    assert red(first[:3]) == -2
    assert red(first * 9 + bytes([111]) + b"a" * 40) == -2  # more blocks than anyone sends
    assert red(b"") == 0  # padding only
