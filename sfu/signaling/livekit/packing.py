"""Bytes in JSON."""

from __future__ import annotations

import base64


def pack(data: bytes) -> str:
    """Bytes as JSON has them."""
    return base64.b64encode(data).decode()


def unpack(text: str) -> bytes:
    """What `pack` has made of bytes."""
    return base64.b64decode(text, validate=True)
