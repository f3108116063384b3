"""The payload formats that the server reads."""

from __future__ import annotations

import enum


class PayloadFormat(enum.IntEnum):
    """How a payload is read."""

    OPAQUE = 0
    """Any: forwarded as it comes, no frames are told apart."""
    VP8 = 1
    VP9 = 2
    H264 = 3
    AV1 = 4
    OPUS = 5
    RED = 6
    """Opus with redundancy (RFC 2198)."""
