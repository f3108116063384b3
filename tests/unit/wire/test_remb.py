"""REMB: ours is what aiortc reads, aiortc's is what we read, and whatever else is no rate."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from aiortc import rtp
from hypothesis import given
from hypothesis import strategies as st

from sfu.wire.kernels.remb import MOST_BITRATE_BPS, parse_remb
from sfu.wire.remb import build_remb

SSRCS = st.lists(st.integers(0, 0xFFFFFFFF), max_size=255)
HAND_MADE = bytes.fromhex(
    "8fce0006"  # V=2, FMT 15, PT 206, 7 words
    "00000001 00000000"
    "52454d42"  # REMB
    "02"  # SSRCs
    "1203d1"  # exponent 4, mantissa 0x203d1 = 132,049
    "48bf8c29 00000007"
)
"""Its rate is 132,049 * 2^4 = 2,112,784 bps."""


def parse(data: bytes) -> int:
    """Also among other octets: they make no difference."""
    outcomes = set()
    for before, after in ((b"", b""), (b"\xff" * 3, b"\xff" * 9)):
        buffer = np.frombuffer(before + data + after, np.uint8)
        outcomes.add(int(parse_remb(buffer, len(before), len(before) + len(data))))
    (found,) = outcomes
    return found


def test_a_remb_by_hand() -> None:
    assert parse(HAND_MADE) == 2_112_784
    assert build_remb(1, 2_112_784, [0x48BF8C29, 7]) == HAND_MADE
    assert build_remb(1, 2_112_784 + 15, [0x48BF8C29, 7]) == HAND_MADE


@given(sender=st.integers(0, 0xFFFFFFFF), rate=st.integers(0, 1 << 42), ssrcs=SSRCS)
def test_agrees_with_aiortc(sender: int, rate: int, ssrcs: list[int]) -> None:
    theirs = rtp.RtcpPsfbPacket(fmt=15, ssrc=sender, media_ssrc=0, fci=rtp.pack_remb_fci(rate, ssrcs))
    ours = build_remb(sender, rate, ssrcs)
    assert ours == bytes(theirs)
    (packet,) = rtp.RtcpPacket.parse(ours)
    told, named = rtp.unpack_remb_fci(packet.fci)
    assert named == ssrcs
    assert told <= rate <= told + (rate >> 17)
    assert parse(ours) == min(told, MOST_BITRATE_BPS)


@given(rate=st.integers(0, (0x3FFFF << 63)))
def test_every_rate_that_fits_is_built_and_read_within_bounds(rate: int) -> None:
    told = parse(build_remb(1, rate, []))
    assert 0 <= told <= min(rate, MOST_BITRATE_BPS)
    assert told >= min(rate - (rate >> 17), MOST_BITRATE_BPS)


@pytest.mark.parametrize("exponent", range(64))
def test_nothing_is_the_same_with_any_exponent(exponent: int) -> None:
    data = bytearray(build_remb(1, 0, [2]))
    data[17] = exponent << 2
    assert parse(bytes(data)) == 0
    data[19] = 1
    assert parse(bytes(data)) == min(1 << exponent, MOST_BITRATE_BPS)


@pytest.mark.parametrize(
    ("rate", "ssrcs", "why"),
    [(1, [0] * 256, "256 SSRCs"), (-1, [], "bit rate of -1"), ((0x3FFFF << 63) + (1 << 63), [], "bit rate of")],
)
def test_what_does_not_fit_is_the_callers_mistake(rate: int, ssrcs: list[int], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        build_remb(1, rate, ssrcs)


def test_every_truncation_is_refused() -> None:
    assert {parse(HAND_MADE[:length]) for length in range(len(HAND_MADE))} == {-1}
    assert parse(HAND_MADE + bytes(4)) == -1


@pytest.mark.parametrize(
    ("at", "value"),
    [(0, 0x4F), (0, 0x8E), (1, 205), (12, 0x53), (15, 0x41), (16, 1), (16, 3), (16, 255)],
)
def test_what_is_no_remb_is_refused(at: int, value: int) -> None:
    data = bytearray(HAND_MADE)
    data[at] = value
    assert parse(bytes(data)) == -1


@given(data=st.binary(max_size=40), count=st.integers(0, 6))
def test_any_octets_give_a_rate_or_none(data: bytes, count: int) -> None:
    dressed = struct.pack("!BBHLL4sB", 0x8F, 206, 5, 1, 0, b"REMB", count) + data
    found = parse(dressed)
    assert (found >= 0) == (len(data) == 3 + 4 * count)
    assert parse(data) == -1
    assert found <= MOST_BITRATE_BPS
