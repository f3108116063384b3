"""What is a packet of a data track, and what is not."""

from __future__ import annotations

import random

import pytest

from sfu.signaling.livekit.data_tracks.packet import MAX_PACKET_BYTES, PacketError, parse_packet
from tests.unit.signaling.livekit.data_tracks.packets import E2EE, ENDS, EXTENDED, STARTS, make_packet


def test_a_packet_is_read_as_far_as_its_frame() -> None:
    packet = parse_packet(make_packet(0x8811, frame=0x4411, flags=ENDS))
    assert (packet.handle, packet.frame, packet.starts) == (0x8811, 0x4411, False)
    assert parse_packet(make_packet(1, b"", flags=STARTS)).starts


@pytest.mark.parametrize("extensions", [b"", E2EE, E2EE + bytes([2, 8, *range(8)]), bytes([200, 0])])
def test_nothing_but_the_handle_changes(extensions: bytes) -> None:
    octets = make_packet(0x0102, b"secret" * 100, extensions=extensions)
    addressed = parse_packet(octets).address(0xFFFE)
    assert addressed == octets[:2] + b"\xff\xfe" + octets[4:]
    assert octets[2:4] == b"\x01\x02", "what came is not changed, since it goes to others, too"


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        pytest.param(b"", "malformed", id="nothing"),
        pytest.param(make_packet(1, b"")[:11], "malformed", id="half-a-header"),
        pytest.param(make_packet(0), "malformed", id="handle-0"),
        pytest.param(make_packet(1, flags=0x20), "unknown_version", id="version-1"),
        pytest.param(make_packet(1, bytes(MAX_PACKET_BYTES)), "too_large", id="too-large"),
        pytest.param(make_packet(1, b"", flags=EXTENDED), "malformed", id="no-length"),
        pytest.param(make_packet(1, b"\x00", flags=EXTENDED), "malformed", id="half-a-length"),
        pytest.param(make_packet(1, b"\x00\x01\x00\x00", flags=EXTENDED), "malformed", id="beyond-the-packet"),
        pytest.param(make_packet(1, b"\xff\xff" + bytes(60_000), flags=EXTENDED), "malformed", id="beyond-all"),
        pytest.param(make_packet(1, b"\x01\x01" + bytes(2000), flags=EXTENDED), "malformed", id="too-many"),
        pytest.param(make_packet(1, b"\x00\x00\x01\x01", flags=EXTENDED), "malformed", id="longer-than-all"),
        pytest.param(make_packet(1, b"\x00\x01\x02\x03abc\x01", flags=EXTENDED), "malformed", id="id-alone"),
    ],
)
def test_what_is_no_packet_is_refused(octets: bytes, reason: str) -> None:
    with pytest.raises(PacketError) as caught:
        parse_packet(octets)
    assert caught.value.reason == reason


def test_padding_ends_the_extensions() -> None:
    parse_packet(make_packet(1, b"\x00\x01\x00\xff\xff\xff\xff\xff", flags=EXTENDED))
    parse_packet(make_packet(1, b"\x00\x00\x07\x00", flags=EXTENDED))


def test_whatever_comes_is_read_or_refused() -> None:
    chance = random.Random(20)
    read = 0
    for _ in range(20_000):
        extensions = E2EE[: chance.randrange(16)]
        octets = bytearray(make_packet(chance.randrange(8), chance.randbytes(8), extensions=extensions))
        for _ in range(chance.randrange(4)):
            octets[chance.randrange(len(octets))] = chance.randrange(256)
        cut = bytes(octets[: chance.choice((len(octets), chance.randrange(len(octets))))])
        try:
            packet = parse_packet(cut)
        except PacketError:
            continue
        read += 1
        assert len(packet.address(9)) == len(cut) and packet.handle
    assert 1000 < read < 19_000
