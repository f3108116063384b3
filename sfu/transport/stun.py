"""The STUN of ICE: Binding requests and their responses (RFC 8489, RFC 8445).

Each client repeats its request for as long as it is connected, so this pair of messages has a parser and a
builder of its own, at a fraction of a general library's cost. The tests hold them against such a library. Requests of
ours, which only a dialer sends, and the responses to them are beside these.
"""

from __future__ import annotations

import binascii
import hmac
import socket
import struct
from dataclasses import dataclass

HEADER_LENGTH = 20
"""Length of the fixed header in octets (RFC 8489 section 5)."""

MAX_USERNAME_LENGTH = 513
"""Longest USERNAME in octets: two fragments of 256 and the colon (RFC 8445 section 5.3)."""

_COOKIE = b"\x21\x12\xa4\x42"
_BINDING_REQUEST = b"\x00\x01"
_RESPONSES = frozenset((b"\x01\x01", b"\x01\x11"))
_BINDING_SUCCESS = 0x0101
_BINDING_ERROR = 0x0111

_USERNAME = 0x0006
_MESSAGE_INTEGRITY = 0x0008
_ERROR_CODE = 0x0009
_UNKNOWN_ATTRIBUTES = 0x000A
_XOR_MAPPED_ADDRESS = 0x0020
_PRIORITY = 0x0024
_USE_CANDIDATE = 0x0025
_FINGERPRINT = 0x8028
_ICE_CONTROLLED = 0x8029
_ICE_CONTROLLING = 0x802A

# Comprehension-required attributes (below 0x8000) that a request may carry without us minding: RFC 8489
# section 18.3, most of which mean nothing with short-term credentials, and RFC 8445 section 16.1.
_UNDERSTOOD = frozenset((0x0001, _USERNAME, _MESSAGE_INTEGRITY, _ERROR_CODE, _UNKNOWN_ATTRIBUTES, 0x0014)) | {
    0x0015, 0x001C, 0x001D, 0x001E, _XOR_MAPPED_ADDRESS, _PRIORITY, _USE_CANDIDATE,
}  # fmt: skip

_MAX_UNKNOWN = 8  # so many unknown attributes are named in a 420; an answer never grows with the request

_MAC_LENGTH = 20
_MAC_ATTRIBUTE_LENGTH = 24
_FINGERPRINT_ATTRIBUTE_LENGTH = 8
_FINGERPRINT_XOR = 0x5354554E

_ATTRIBUTE = struct.Struct("!HH")
_UINT32 = struct.Struct("!I")
_HEADER = struct.Struct("!HH4s12s")

_ICE_CHARS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
_MAPPED_PREFIX = bytes(10) + b"\xff\xff"


class StunError(ValueError):
    """The datagram is no well-formed Binding request or response; the text names a counter: `stun_truncated`."""


@dataclass(slots=True)
class BindingRequest:
    """A connectivity check, parsed but not authenticated (RFC 8445 section 7.1)."""

    transaction_id: bytes
    """The transaction's id, 12 octets."""
    username: bytes
    """`local:remote`, where local is the receiver's fragment."""
    use_candidate: bool
    """Whether the controlling agent nominates this address."""
    controlled: bool
    """Whether the sender claims to be ICE-CONTROLLED, which no peer of a lite agent can be."""
    unknown: tuple[int, ...]
    """Types of comprehension-required attributes that we do not know (RFC 8489 section 6.3.1)."""
    signed: bytes
    """The octets that MESSAGE-INTEGRITY covers, with the length field as it was when they were signed."""
    mac: bytes
    """The 20 octets of MESSAGE-INTEGRITY."""

    def is_authentic(self, key: bytes) -> bool:
        """Whether the message was signed with `key`, the receiver's ICE password (RFC 8489 section 9.1.3)."""
        return hmac.compare_digest(self.mac, hmac.digest(key, self.signed, "sha1"))


def parse_binding_request(data: bytes) -> BindingRequest:
    """Parse a Binding request with USERNAME and MESSAGE-INTEGRITY; a FINGERPRINT, if present, must be right.

    What follows MESSAGE-INTEGRITY is not authenticated and ignored, except FINGERPRINT; of attributes that
    stand twice the first counts (RFC 8489 sections 14 and 14.5).

    Raises:
        StunError: for everything else, and no other exception.
    """
    if len(data) < HEADER_LENGTH or data[4:8] != _COOKIE:
        raise StunError("stun_malformed")
    if data[:2] != _BINDING_REQUEST:
        raise StunError("stun_not_binding_request")
    attributes, signed = _read_attributes(data)
    username = attributes.get(_USERNAME, b"")
    mac = attributes.get(_MESSAGE_INTEGRITY, b"")
    if len(mac) != _MAC_LENGTH or not 0 < len(username) <= MAX_USERNAME_LENGTH:
        raise StunError("stun_unauthenticated")
    unknown = [kind for kind in attributes if kind < 0x8000 and kind not in _UNDERSTOOD]
    return BindingRequest(
        data[8:20],
        username,
        _USE_CANDIDATE in attributes,
        _ICE_CONTROLLED in attributes,
        tuple(unknown[:_MAX_UNKNOWN]),
        signed,
        mac,
    )


@dataclass(slots=True)
class BindingResponse:
    """What came back to a request of ours, parsed but not authenticated (RFC 8489 section 6.3)."""

    transaction_id: bytes
    """The request's id, 12 octets."""
    error: int
    """The code of an error response, 300 to 699; 0 in a success response."""
    mapped: tuple[str, int] | None
    """From which IP and port the request came, as its receiver saw it; None in an error response."""
    signed: bytes
    """The octets that MESSAGE-INTEGRITY covers, with the length field as it was when they were signed."""
    mac: bytes
    """The 20 octets of MESSAGE-INTEGRITY."""

    def is_authentic(self, key: bytes) -> bool:
        """Whether the message was signed with `key`, the ICE password of who answered (RFC 8489 section 9.1.4)."""
        return hmac.compare_digest(self.mac, hmac.digest(key, self.signed, "sha1"))


def is_response(data: bytes) -> bool:
    """Whether a datagram says of itself that it answers a Binding request; never raises."""
    return data[:2] in _RESPONSES


def parse_binding_response(data: bytes) -> BindingResponse:
    """Parse a success or an error response with MESSAGE-INTEGRITY; a FINGERPRINT, if present, must be right.

    Raises:
        StunError: for everything else, and no other exception. So for a success response with an attribute that must be
            understood and is not, which is to be discarded (RFC 8489 section 6.3.3).
    """
    if len(data) < HEADER_LENGTH or data[4:8] != _COOKIE:
        raise StunError("stun_malformed")
    if not is_response(data):
        raise StunError("stun_not_binding_response")
    attributes, signed = _read_attributes(data)
    mac = attributes.get(_MESSAGE_INTEGRITY, b"")
    if len(mac) != _MAC_LENGTH:
        raise StunError("stun_unauthenticated")
    transaction_id = data[8:20]
    if int.from_bytes(data[:2]) == _BINDING_ERROR:
        return BindingResponse(transaction_id, _read_error(attributes.get(_ERROR_CODE, b"")), None, signed, mac)
    if any(kind < 0x8000 and kind not in _UNDERSTOOD for kind in attributes):
        raise StunError("stun_unknown_attribute")
    mapped = _read_mapped(attributes.get(_XOR_MAPPED_ADDRESS, b""), transaction_id)
    return BindingResponse(transaction_id, 0, mapped, signed, mac)


def build_binding_request(
    transaction_id: bytes, username: str, key: bytes, *, priority: int, tie_breaker: bytes, use_candidate: bool
) -> bytes:
    """Build a check of a controlling agent (RFC 8445 section 7.2.2), signed with `key`, the receiver's ICE password.

    Args:
        transaction_id: 12 unpredictable octets, other ones for each check.
        username: `receiver:sender`, the fragments of both.
        priority: that a peer-reflexive candidate would have, were one learned from this check.
        tie_breaker: 8 random octets, the same in all checks of an agent.
        use_candidate: whether to nominate.
    """
    body = _attribute(_USERNAME, username.encode("ascii"))
    body += _attribute(_PRIORITY, _UINT32.pack(priority)) + _attribute(_ICE_CONTROLLING, tie_breaker)
    if use_candidate:
        body += _attribute(_USE_CANDIDATE, b"")
    return _sign(int.from_bytes(_BINDING_REQUEST), transaction_id, body, key)


def parse_username(data: bytes) -> str | None:
    """Return the local fragment that a Binding request is addressed to, or None if it names none; never raises.

    This only finds out whose request it is: nothing is checked beyond what finding the attribute needs.
    """
    end = len(data)
    if end < HEADER_LENGTH or data[:2] != _BINDING_REQUEST or data[4:8] != _COOKIE:
        return None
    position = HEADER_LENGTH
    while position + 4 <= end:
        kind, length = _ATTRIBUTE.unpack_from(data, position)
        start = position + 4
        if kind == _USERNAME:
            fragment = data[start : start + min(length, MAX_USERNAME_LENGTH)].partition(b":")[0]
            if start + length > end or not fragment or not _ICE_CHARS.issuperset(fragment):
                return None
            return fragment.decode("ascii")
        if kind == _MESSAGE_INTEGRITY:
            return None
        position = start + length + (-length & 3)
    return None


def build_success(request: BindingRequest, key: bytes, ip: str, port: int) -> bytes:
    """Build a success response that tells the sender its address, signed with `key` (RFC 8489 section 6.3.1.1).

    `ip` is textual and may carry an IPv6 zone, which is dropped; IPv4 mapped into IPv6 is told as IPv4.

    Raises:
        OSError: `ip` is not an IP address, our side's mistake.
    """
    # RFC 8489 section 14.2: the port under the cookie's upper half, the address under cookie and transaction.
    if ":" in ip:
        address = socket.inet_pton(socket.AF_INET6, ip.partition("%")[0])
        if address.startswith(_MAPPED_PREFIX):
            address = address[12:]
    else:
        address = socket.inet_pton(socket.AF_INET, ip)
    pad = _COOKIE + request.transaction_id
    size = len(address)
    hidden = (int.from_bytes(address) ^ int.from_bytes(pad[:size])).to_bytes(size)
    family = 1 if size == 4 else 2
    value = struct.pack("!HHHH", _XOR_MAPPED_ADDRESS, 4 + size, family, port ^ 0x2112) + hidden
    return _sign(_BINDING_SUCCESS, request.transaction_id, value, key)


def build_error(request: BindingRequest, key: bytes, code: int, reason: str) -> bytes:
    """Build an error response, signed with `key`; it names unknown attributes, if any (RFC 8489 section 6.3.1)."""
    body = _attribute(_ERROR_CODE, bytes((0, 0, code // 100, code % 100)) + reason.encode())
    if request.unknown:
        kinds = struct.pack(f"!{len(request.unknown)}H", *request.unknown)
        body += _attribute(_UNKNOWN_ATTRIBUTES, kinds)
    return _sign(_BINDING_ERROR, request.transaction_id, body, key)


def _read_attributes(data: bytes) -> tuple[dict[int, bytes], bytes]:
    """Return the attributes that MESSAGE-INTEGRITY covers, with its own, and the octets that it covers, if it is there.

    A FINGERPRINT, if present, must be last and right. Raises `StunError`.
    """
    end = len(data)
    if int.from_bytes(data[2:4]) != end - HEADER_LENGTH or end & 3:
        raise StunError("stun_truncated")

    attributes: dict[int, bytes] = {}
    signed = b""
    position = HEADER_LENGTH
    # The whole is a multiple of 4 octets, and so is each attribute: where one begins, its header fits.
    while position < end:
        kind, length = _ATTRIBUTE.unpack_from(data, position)
        stop = position + 4 + length
        if stop > end:
            raise StunError("stun_truncated")
        if kind == _FINGERPRINT:
            if length != 4 or stop != end:
                raise StunError("stun_malformed")
            if _fingerprint(data[:position]) != data[-4:]:
                raise StunError("stun_bad_fingerprint")
        elif not signed:
            attributes.setdefault(kind, data[position + 4 : stop])
            if kind == _MESSAGE_INTEGRITY:
                signed = b"".join((data[:2], (stop - HEADER_LENGTH).to_bytes(2), data[4:position]))
        position = stop + (-length & 3)
    return attributes, signed


def _read_error(value: bytes) -> int:
    """The code that an ERROR-CODE tells (RFC 8489 section 14.8)."""
    if len(value) < 4 or not 3 <= value[2] & 7 <= 6 or value[3] > 99:
        raise StunError("stun_malformed")
    return (value[2] & 7) * 100 + value[3]


def _read_mapped(value: bytes, transaction_id: bytes) -> tuple[str, int]:
    """The IP and the port that an XOR-MAPPED-ADDRESS tells (RFC 8489 section 14.2)."""
    size = len(value) - 4
    if (size, value[1:2]) not in ((4, b"\x01"), (16, b"\x02")):
        raise StunError("stun_malformed")
    pad = _COOKIE + transaction_id
    address = (int.from_bytes(value[4:]) ^ int.from_bytes(pad[:size])).to_bytes(size)
    family = socket.AF_INET if size == 4 else socket.AF_INET6
    return socket.inet_ntop(family, address), int.from_bytes(value[2:4]) ^ 0x2112


def _attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(kind, len(value)) + value + bytes(-len(value) & 3)


def _sign(message_type: int, transaction_id: bytes, body: bytes, key: bytes) -> bytes:
    """Return the whole message: header, body, MESSAGE-INTEGRITY, FINGERPRINT (RFC 8489 sections 14.5 and 14.7)."""
    # Each of the two is computed with a length field that counts itself but nothing after it.
    length = len(body) + _MAC_ATTRIBUTE_LENGTH
    unsigned = _HEADER.pack(message_type, length, _COOKIE, transaction_id) + body
    mac = hmac.digest(key, unsigned, "sha1")
    length += _FINGERPRINT_ATTRIBUTE_LENGTH
    header = _HEADER.pack(message_type, length, _COOKIE, transaction_id)
    message = b"".join((header, body, b"\x00\x08\x00\x14", mac))
    return b"".join((message, b"\x80\x28\x00\x04", _fingerprint(message)))


def _fingerprint(message: bytes) -> bytes:
    return _UINT32.pack(binascii.crc32(message) ^ _FINGERPRINT_XOR)
