"""What the STUN parsers do with any datagram, the plane's and the control side's, and what must hold.

An input is an octet that says what is put in order first, so that more than the first check is reached, and a message.
"""

from __future__ import annotations

import binascii

import numpy as np

from sfu.transport.stun import (
    HEADER_LENGTH,
    MAX_USERNAME_LENGTH,
    StunError,
    build_error,
    build_success,
    is_response,
    parse_binding_request,
    parse_binding_response,
    parse_username,
)
from sfu.wire.kernels.binding import CHECK, NOMINATES, SIGNED_END, USERNAME_AT, USERNAME_BYTES, parse_check, parse_ufrag
from sfu.wire.ufrag import UFRAG_BYTES, pack_ufrag

LENGTH, FINGERPRINT = 1, 2
"""The bits of the first octet: the length is set right, a right FINGERPRINT follows."""
_KEY = b"p" * 24
_MOST_ANSWER_BYTES = 128
_FINGERPRINT_XOR = 0x5354554E


def run(data: bytes) -> None:
    """Run one input; an exception is a finding."""
    if not data:
        return
    message = put_in_order(data[0], data[1:])
    read_response(message)
    fragment = parse_username(message)
    found = parse_ufrag(np.frombuffer(message, np.uint8).copy(), 0, len(message))
    if found != -1:
        octets = int(found).to_bytes(UFRAG_BYTES)
        assert octets.isascii() and octets + b":" in message
        assert fragment is None or fragment == octets.decode().partition(":")[0]
    check = np.zeros(CHECK, np.int64)
    routine = parse_check(np.frombuffer(message, np.uint8).copy(), 0, len(message), check)
    try:
        request = parse_binding_request(message)
    except StunError:
        assert not routine
        return
    assert routine == (not request.controlled and not request.unknown)
    if routine:
        at = check[USERNAME_AT]
        assert message[at : at + check[USERNAME_BYTES]] == request.username
        assert check[SIGNED_END] == len(request.signed) and bool(check[NOMINATES]) == request.use_candidate
    assert len(request.transaction_id) == 12 and len(request.mac) == 20
    assert 0 < len(request.username) <= MAX_USERNAME_LENGTH
    assert request.signed[:2] + request.signed[4:] == message[:2] + message[4 : len(request.signed)]
    if fragment is not None:
        assert request.username.partition(b":")[0] == fragment.encode()
        if len(fragment) == UFRAG_BYTES and b":" in request.username:
            assert found == pack_ufrag(fragment)
    assert len(request.unknown) <= 8 and len(set(request.unknown)) == len(request.unknown)
    assert not request.is_authentic(_KEY)
    for address in ("192.0.2.1", "2001:db8::1"):
        answer = build_success(request, _KEY, address, 1)
        assert len(answer) <= _MOST_ANSWER_BYTES and answer[8:20] == request.transaction_id
    assert len(build_error(request, _KEY, 420, "Unknown Attribute")) <= _MOST_ANSWER_BYTES


def read_response(message: bytes) -> None:
    """As an answer to a check of ours."""
    try:
        response = parse_binding_response(message)
    except StunError:
        return
    assert is_response(message) and parse_username(message) is None
    assert response.transaction_id == message[8:20] and len(response.mac) == 20
    assert (response.mapped is None) == (response.error != 0) and response.error in (0, *range(300, 700))
    assert response.signed[:2] + response.signed[4:] == message[:2] + message[4 : len(response.signed)]
    assert not response.is_authentic(_KEY)


def put_in_order(special: int, message: bytes) -> bytes:
    """As the first octet says."""
    if len(message) < HEADER_LENGTH:
        return message
    if special & LENGTH:
        message += bytes(-len(message) % 4)
        length = len(message) - HEADER_LENGTH + (8 if special & FINGERPRINT else 0)
        message = message[:2] + length.to_bytes(2) + message[4:] if length < 1 << 16 else message
    if special & FINGERPRINT:
        message += b"\x80\x28\x00\x04" + (binascii.crc32(message) ^ _FINGERPRINT_XOR).to_bytes(4)
    return message
