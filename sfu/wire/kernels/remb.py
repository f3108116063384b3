"""REMB, the receiver's estimate of the bit rate that a path carries (draft-alvestrand-rmcat-remb-03 section 2.2)."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from sfu.wire.kernels.kernel import i64, kernel
from sfu.wire.kernels.octets import Octets, load16, load32

REMB_TYPE = 206
"""Payload-specific feedback (RFC 4585 section 6.1)."""
REMB_FORMAT = 15
"""Application layer feedback (RFC 4585 section 6.4); REMB is one of them, told by its name."""

MOST_SSRCS = 255
MOST_BITRATE_BPS = 1 << 40
"""`parse_remb` makes nothing more of a rate; the format reaches up to 2^81."""

_HEADER_BYTES = 20
_BUILD = struct.Struct("!BBHLL4sBBH")
_MANTISSA_BITS, _MOST_EXPONENT = 18, 63
_NAME = int.from_bytes(b"REMB", "big")
_RATE_SHIFT = 40  # a larger exponent is above the most with any mantissa but 0


def build_remb(sender_ssrc: int, bitrate_bps: int, ssrcs: Sequence[int]) -> bytes:
    """Build an RTCP packet that says that `ssrcs` together may have `bitrate_bps`, rounded down to 18 binary digits.

    Raises:
        ValueError: more than 255 SSRCs, or a rate that is negative or above what the format holds.
    """
    if len(ssrcs) > MOST_SSRCS:
        raise ValueError(f"{len(ssrcs)} SSRCs; one REMB holds {MOST_SSRCS}")
    exponent = max(0, bitrate_bps.bit_length() - _MANTISSA_BITS)
    if bitrate_bps < 0 or exponent > _MOST_EXPONENT:
        raise ValueError(f"a bit rate of {bitrate_bps} bps; a REMB holds 0 to 2^81 - 2^63")
    mantissa = bitrate_bps >> exponent
    count = len(ssrcs)
    # "SSRC media source: always 0"
    header = _BUILD.pack(
        0x80 | REMB_FORMAT,
        REMB_TYPE,
        4 + count,
        sender_ssrc,
        0,
        b"REMB",
        count,
        exponent << 2 | mantissa >> 16,
        mantissa & 0xFFFF,
    )
    return header + struct.pack(f"!{count}L", *ssrcs)


@kernel
def parse_remb(buffer: Octets, start: int, end: int) -> int:
    """The bit rate (bps, at most MOST_BITRATE_BPS) that the RTCP packet in `buffer[start:end]` tells.

    The packet includes its header but not its RTCP padding. -1 where it is no REMB, or its length does not agree with
    the number of SSRCs in it. Which SSRCs they are is not looked at: all that a connection sends shares one path.
    """
    if end - start < _HEADER_BYTES:
        return -1
    if i64(buffer[start]) & 0xDF != 0x80 | REMB_FORMAT or buffer[start + 1] != REMB_TYPE:
        return -1
    if load32(buffer, start + 12) != _NAME or end - start != _HEADER_BYTES + 4 * i64(buffer[start + 16]):
        return -1
    lead = i64(buffer[start + 17])
    exponent = lead >> 2
    mantissa = (lead & 3) << 16 | load16(buffer, start + 18)
    if mantissa == 0:
        return 0
    if exponent > _RATE_SHIFT:
        return MOST_BITRATE_BPS
    return min(mantissa << exponent, MOST_BITRATE_BPS)
