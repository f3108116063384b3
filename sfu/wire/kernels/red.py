"""Redundant audio (RFC 2198): a primary block behind copies of earlier ones."""

from __future__ import annotations

from sfu.wire.kernels.kernel import i64, kernel
from sfu.wire.kernels.octets import Octets, load16

_MAX_BLOCKS = 8
_HEADER_BYTES = 4


@kernel
def primary_of(buffer: Octets, start: int, end: int) -> int:
    """Return the offset of the primary block, the last one, of the payload in `buffer[start:end]`; -1 if malformed.

    An empty payload (padding only: browsers probe for bandwidth with such) has it at `start`.
    Each redundant block has a header of four bytes that begins with a set bit, its length in the low ten bits of the
    last two; the primary block's is one byte (section 3).
    """
    if end == start:
        return start
    at = start
    redundant = i64(0)
    for _ in range(_MAX_BLOCKS):
        if at >= end:
            return -1
        if i64(buffer[at]) & 0x80 == 0:
            primary = at + 1 + redundant
            return primary if primary < end else -1
        if at + _HEADER_BYTES > end:
            return -1
        redundant += load16(buffer, at + 2) & 0x03FF
        at += _HEADER_BYTES
    return -1


@kernel
def retarget(out: Octets, at: int, length: int, payload_type: int) -> None:
    """Set the payload type of every block of a payload that `primary_of` has found in order."""
    end = at + length
    while at < end:
        more = i64(out[at]) & 0x80
        out[at] = more | payload_type
        if more == 0:
            return
        at += _HEADER_BYTES
