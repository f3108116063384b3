"""The local user fragment of a connectivity check, which is all that the plane needs to know of STUN (RFC 8489)."""

from __future__ import annotations

from sfu.wire.kernels.kernel import i64, kernel
from sfu.wire.kernels.octets import Octets, load16, load32
from sfu.wire.ufrag import UFRAG_BYTES

_HEADER_BYTES = 20
_REQUEST = 0x0001
_COOKIE = 0x2112A442
_USERNAME, _MESSAGE_INTEGRITY = 0x0006, 0x0008
_COLON = 0x3A


@kernel
def parse_ufrag(buffer: Octets, start: int, end: int) -> int:
    """The local user fragment that the Binding request in `buffer[start:end]` names, as a number; -1: none of ours.

    It stands in USERNAME before the colon (RFC 8445 section 7.2.2). Nothing else is looked at.
    """
    if end - start < _HEADER_BYTES or load16(buffer, start) != _REQUEST or load32(buffer, start + 4) != _COOKIE:
        return -1
    at = start + _HEADER_BYTES
    while at + 4 <= end:
        kind = load16(buffer, at)
        length = load16(buffer, at + 2)
        if kind == _USERNAME:
            colon = at + 4 + UFRAG_BYTES
            if length <= UFRAG_BYTES or at + 4 + length > end or buffer[colon] != _COLON:
                return -1
            value = i64(0)
            for k in range(at + 4, colon):
                if buffer[k] >= 0x80:
                    return -1
                value = value << 8 | i64(buffer[k])
            return value
        if kind == _MESSAGE_INTEGRITY:
            return -1
        at += 4 + (length + 3) // 4 * 4
    return -1
