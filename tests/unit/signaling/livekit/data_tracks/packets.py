"""Packets of data tracks, made by hand."""

from __future__ import annotations

STARTS, ENDS, EXTENDED = 0x10, 0x08, 0x04
E2EE = bytes([1, 13, 7, *range(12)])
"""The extension of a packet whose payload is encrypted: index of the key, and initialization vector."""


def make_packet(
    handle: int, payload: bytes = b"payload", *, frame: int = 5, flags: int = STARTS | ENDS, extensions: bytes = b""
) -> bytes:
    """`extensions` without their padding."""
    block = b""
    if extensions:
        flags |= EXTENDED
        words = -(-(2 + len(extensions)) // 4)
        block = (words - 1).to_bytes(2, "big") + extensions
        block += bytes(4 * words - len(block))
    header = bytes([flags, 0x5A]) + b"".join(each.to_bytes(2, "big") for each in (handle, 77, frame))
    return header + b"TIME" + block + payload
