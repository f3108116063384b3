"""Connectivity checks as the plane reads and answers them (RFC 8489, RFC 8445); `sfu/transport/stun.py` does all of it
in Python.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sfu.wire.kernels.copying import copy_octets
from sfu.wire.kernels.crc32 import compute_crc32
from sfu.wire.kernels.kernel import i64, kernel, stage
from sfu.wire.kernels.octets import Octets, load16, load32, store16, store32
from sfu.wire.kernels.row_index import AF_INET
from sfu.wire.kernels.sha1 import DIGEST_WORDS, STATE, Words, compute_hmac
from sfu.wire.ufrag import UFRAG_BYTES

USERNAME_AT, USERNAME_BYTES, SIGNED_END, NOMINATES = 0, 1, 2, 3
CHECK = 4
"""What `parse_check` finds: where the USERNAME stands, its length, where the MESSAGE-INTEGRITY begins, and 1 if the
check nominates its address.
"""
MOST_ANSWER_BYTES = 76
"""Length of the longest success response, with an IPv6 address."""

_HEADER_BYTES = 20
_REQUEST, _SUCCESS = 0x0001, 0x0101
_COOKIE = 0x2112A442
_USERNAME, _MESSAGE_INTEGRITY = 0x0006, 0x0008
_XOR_MAPPED_ADDRESS, _PRIORITY, _USE_CANDIDATE = 0x0020, 0x0024, 0x0025
_FINGERPRINT, _ICE_CONTROLLED = 0x8028, 0x8029
_COLON = 0x3A
_MOST_USERNAME_BYTES = 513
_MAC_BYTES = 20
_FINGERPRINT_XOR = 0x5354554E


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


@stage
def _is_understood(kind: int) -> bool:
    """Whether a request may carry an attribute without us minding: `_UNDERSTOOD` of `sfu/transport/stun.py`, and all
    that need not be understood.
    """
    return (
        kind >= 0x8000
        or kind == 0x0001
        or kind == _USERNAME
        or 0x0008 <= kind <= 0x000A
        or kind == 0x0014
        or kind == 0x0015
        or 0x001C <= kind <= 0x001E
        or kind == _XOR_MAPPED_ADDRESS
        or kind == _PRIORITY
        or kind == _USE_CANDIDATE
    )


@kernel
def parse_check(buffer: Octets, start: int, end: int, check: NDArray[np.int64]) -> bool:
    """Whether `buffer[start:end]` is a well-formed Binding request of a controlling agent, with USERNAME and
    MESSAGE-INTEGRITY, a right FINGERPRINT if any, and nothing signed that we would have to understand and do not.

    What it says is written to `check`, which is left undefined else. Nothing is authenticated yet.
    """
    size = end - start
    if size < _HEADER_BYTES or size & 3 != 0 or load16(buffer, start + 2) != size - _HEADER_BYTES:
        return False
    if load16(buffer, start) != _REQUEST or load32(buffer, start + 4) != _COOKIE:
        return False
    check[USERNAME_BYTES] = -1
    check[SIGNED_END] = 0
    check[NOMINATES] = 0
    at = start + _HEADER_BYTES
    while at < end:  # all that stands in it is a multiple of four octets, so here is an attribute's head
        kind = load16(buffer, at)
        length = load16(buffer, at + 2)
        stop = at + 4 + length
        if stop > end:
            return False
        if kind == _FINGERPRINT:
            if length != 4 or stop != end:
                return False
            if compute_crc32(buffer, start, at) ^ _FINGERPRINT_XOR != load32(buffer, at + 4):
                return False
        elif check[SIGNED_END] == 0:  # what follows the MESSAGE-INTEGRITY is not believed
            if kind == _ICE_CONTROLLED or not _is_understood(kind):
                return False
            if kind == _MESSAGE_INTEGRITY:
                if length != _MAC_BYTES:
                    return False
                check[SIGNED_END] = at
            elif kind == _USERNAME and check[USERNAME_BYTES] < 0:  # of two the first counts
                check[USERNAME_AT] = at + 4
                check[USERNAME_BYTES] = length
            elif kind == _USE_CANDIDATE:
                check[NOMINATES] = 1
        at = stop + (-length & 3)
    return check[SIGNED_END] > 0 and 0 < check[USERNAME_BYTES] <= _MOST_USERNAME_BYTES


@kernel
def is_signed(buffer: Octets, start: int, check: NDArray[np.int64], pads: Words, work: Words) -> bool:
    """Whether the request that `parse_check` has read was signed with the key of `pads` (RFC 8489 section 14.5)."""
    end = check[SIGNED_END]
    length = end - start + 4 + _MAC_BYTES - _HEADER_BYTES  # as if nothing followed
    compute_hmac(pads, buffer, start, end, _REQUEST << 16 | length, work)
    differences = i64(0)
    for k in range(DIGEST_WORDS):
        differences |= work[STATE + k] ^ load32(buffer, end + 4 + 4 * k)
    return differences == 0


@stage
def _write_mapped(out: Octets, at: int, request: Octets, start: int, name: Octets, name_at: int) -> int:
    """Write XOR-MAPPED-ADDRESS (RFC 8489 section 14.2) for a sockaddr; IPv4 mapped into IPv6 is told as IPv4."""
    ip = name_at + 4
    octets = 4
    if name[name_at] != AF_INET:
        ip = name_at + 8
        octets = 16
        if load32(name, ip) == 0 and load32(name, ip + 4) == 0 and load32(name, ip + 8) == 0xFFFF:
            ip += 12
            octets = 4
    store16(out, at, _XOR_MAPPED_ADDRESS)
    store16(out, at + 2, 4 + octets)
    store16(out, at + 4, 1 if octets == 4 else 2)
    store16(out, at + 6, load16(name, name_at + 2) ^ _COOKIE >> 16)
    for k in range(0, octets, 4):  # under the cookie and the transaction's id, as they stand in the request
        store32(out, at + 8 + k, load32(name, ip + k) ^ load32(request, start + 4 + k))
    return at + 8 + octets


@kernel
def write_success(
    out: Octets, at: int, request: Octets, start: int, name: Octets, name_at: int, pads: Words, work: Words
) -> int:
    """Write the success response to the request that begins at `start`, which came from the sockaddr at
    `name[name_at]`, signed with the key of `pads` (RFC 8489 section 6.3.1.1); return where it ends.
    """
    store16(out, at, _SUCCESS)
    copy_octets(out, at + 4, request, start + 4, _HEADER_BYTES - 4)
    signed = _write_mapped(out, at + _HEADER_BYTES, request, start, name, name_at)
    # Each of the two that follow is computed with a length that counts itself and nothing behind it.
    length = signed - at + 4 + _MAC_BYTES - _HEADER_BYTES
    compute_hmac(pads, out, at, signed, _SUCCESS << 16 | length, work)
    store16(out, signed, _MESSAGE_INTEGRITY)
    store16(out, signed + 2, _MAC_BYTES)
    for k in range(DIGEST_WORDS):
        store32(out, signed + 4 + 4 * k, work[STATE + k])
    store16(out, at + 2, length + 8)
    end = signed + 4 + _MAC_BYTES
    store16(out, end, _FINGERPRINT)
    store16(out, end + 2, 4)
    store32(out, end + 4, compute_crc32(out, at, end) ^ _FINGERPRINT_XOR)
    return end + 8
