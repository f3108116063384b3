"""REMB as the plane reads it (draft-alvestrand-rmcat-remb-03 section 2.2)."""

from __future__ import annotations

from sfu.wire.kernels.kernel import i64, kernel
from sfu.wire.kernels.octets import Octets, load16, load32
from sfu.wire.remb import REMB_FORMAT, REMB_TYPE

MOST_BITRATE_BPS = 1 << 40
"""Largest rate that `parse_remb` returns; the format reaches up to 2^81."""

_HEADER_BYTES = 20
_NAME = int.from_bytes(b"REMB", "big")
_RATE_SHIFT = 40  # a larger exponent is above the most with any mantissa but 0


@kernel
def parse_remb(buffer: Octets, start: int, end: int) -> int:
    """Return the bit rate (bps, at most MOST_BITRATE_BPS) in the REMB packet in `buffer[start:end]`.

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
