"""REMB, the receiver's estimate of the bit rate that a path carries (draft-alvestrand-rmcat-remb-03 section 2.2)."""

from __future__ import annotations

import struct
from collections.abc import Sequence

REMB_TYPE = 206
"""RTCP packet type of payload-specific feedback (RFC 4585 section 6.1)."""
REMB_FORMAT = 15
"""Format of application layer feedback (RFC 4585 section 6.4); REMB is one kind, identified by its name."""

MOST_SSRCS = 255

_BUILD = struct.Struct("!BBHLL4sBBH")
_MANTISSA_BITS, _MOST_EXPONENT = 18, 63


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
