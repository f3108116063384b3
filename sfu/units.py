"""What numbers on the wire have in common."""

from __future__ import annotations

MASK_32 = 0xFFFFFFFF
"""Timestamps, SSRCs and counters on the wire are modulo 2^32."""
