"""The few STUN messages of ICE checks (RFC 8489, RFC 8445 section 7), built by hand since joins are timed."""

from __future__ import annotations

import binascii
import hashlib
import hmac
import os
import socket
import struct

BINDING_REQUEST = 0x0001
BINDING_SUCCESS = 0x0101
_COOKIE = 0x2112A442
_USERNAME, _INTEGRITY, _XOR_MAPPED = 0x0006, 0x0008, 0x0020
_PRIORITY, _USE_CANDIDATE, _FINGERPRINT, _CONTROLLING = 0x0024, 0x0025, 0x8028, 0x802A
_FINGERPRINT_XOR = 0x5354554E


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4)


def _seal(kind: int, transaction: bytes, attributes: bytes, key: bytes) -> bytes:
    """Header, MESSAGE-INTEGRITY and FINGERPRINT around `attributes` (RFC 8489 sections 14.5, 14.7)."""
    head = struct.pack("!HHI", kind, len(attributes) + 24, _COOKIE) + transaction + attributes
    head += _attribute(_INTEGRITY, hmac.new(key, head, hashlib.sha1).digest())
    head = head[:2] + struct.pack("!H", len(head) - 20 + 8) + head[4:]
    return head + _attribute(_FINGERPRINT, struct.pack("!I", binascii.crc32(head) ^ _FINGERPRINT_XOR))


def build_check(username: str, password: str, *, tie_breaker: bytes, nominate: bool) -> bytes:
    """A connectivity check of a controlling agent; `username` is remote:local, `password` the remote's."""
    attributes = _attribute(_USERNAME, username.encode())
    attributes += _attribute(_PRIORITY, struct.pack("!I", 0x6E7F1EFF))
    attributes += _attribute(_CONTROLLING, tie_breaker)
    if nominate:
        attributes += _attribute(_USE_CANDIDATE, b"")
    return _seal(BINDING_REQUEST, os.urandom(12), attributes, password.encode())


def build_success(request: bytes, address: tuple[str, int], password: str) -> bytes:
    """The success response to a check that came from `address` (IPv4), keyed by our own password."""
    host = struct.unpack("!I", socket.inet_aton(address[0]))[0] ^ _COOKIE
    mapped = struct.pack("!BBHI", 0, 1, address[1] ^ (_COOKIE >> 16), host)
    return _seal(BINDING_SUCCESS, request[8:20], _attribute(_XOR_MAPPED, mapped), password.encode())


def message_type(data: bytes) -> int:
    """The type of a STUN message, -1 when `data` is none."""
    if len(data) < 20 or data[0] > 3 or data[4:8] != struct.pack("!I", _COOKIE):
        return -1
    return int.from_bytes(data[:2], "big")


def transaction_id(data: bytes) -> bytes:
    """The transaction id of a STUN message."""
    return data[8:20]
