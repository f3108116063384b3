"""The SSRCs of what one connection sends."""

from __future__ import annotations

import random

from sfu.units import MASK_32

_STEP = 0x9E3779B1
"""Odd, so that the sequence meets all 2^32 values before it repeats one."""


class SsrcSequence:
    """A sequence of SSRCs that starts at random (RFC 3550 section 8.1) and never repeats on a connection.

    An SSRC that was used again would start its packet numbers anew under the same SRTP key, which gives the key stream
    away (RFC 3711 section 9.1).
    """

    def __init__(self, rng: random.Random) -> None:
        self._next = rng.getrandbits(32)

    def take(self) -> int:
        """Return an SSRC that was not returned before; never 0."""
        ssrc = self._next
        self._next = (ssrc + _STEP) & MASK_32
        return ssrc or self.take()
