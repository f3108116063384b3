"""The payload formats that the server reads."""

from __future__ import annotations

import enum


class PayloadFormat(enum.IntEnum):
    """How the payload of a codec is parsed."""

    OPAQUE = 0
    """Any other format: it is forwarded as it comes, and no frames are told apart."""
    VP8 = 1
    VP9 = 2
    H264 = 3
    AV1 = 4
    OPUS = 5
    RED = 6
    """Opus with redundancy (RFC 2198)."""
