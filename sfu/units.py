"""Conversions between seconds and the fixed-point times that stand in RTCP (RFC 3550 section 4)."""

from __future__ import annotations

MASK_32 = 0xFFFFFFFF
"""Timestamps, SSRCs and counters on the wire are modulo 2^32."""


def compact_ntp(ntp_time: int) -> int:
    """Return the middle 32 bits of a 64-bit NTP time: 1/65536 s, wrapping after 18 hours."""
    return ntp_time >> 16 & MASK_32


def compact_from_seconds(seconds: float) -> int:
    """Return a span (>= 0) in 1/65536 s, at most 2^32-1, as the DLSR field has it."""
    return min(int(seconds * 65536), MASK_32)


def seconds_from_compact(compact: int) -> float:
    """Return a span of 1/65536 s in seconds."""
    return compact / 65536


MILLISECONDS = 1000.0
"""Milliseconds in a second."""
