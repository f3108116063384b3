"""Binding requests of ours and the responses to them, against a general STUN library and against hostile input."""

from __future__ import annotations

import pytest
from aioice import stun as oracle
from hypothesis import given
from hypothesis import strategies as st

from sfu.transport.stun import (
    StunError,
    build_binding_request,
    build_error,
    build_success,
    is_response,
    parse_binding_request,
    parse_binding_response,
)
from tests.unit.transport.damage import flip_each_bit

KEY = b"password-of-who-answers!"
ID = b"transaction!"


def build_request(*, use_candidate=False):
    return build_binding_request(
        ID, "far:near", KEY, priority=0x6E0001FF, tie_breaker=bytes(range(8)), use_candidate=use_candidate
    )


def build_response(kind=oracle.Class.RESPONSE, key=KEY, **attributes):
    message = oracle.Message(oracle.Method.BINDING, kind, transaction_id=ID)
    for name, value in attributes.items():
        message.attributes[name.replace("_", "-")] = value
    message.add_message_integrity(key)
    return bytes(message)


def reason(data):
    with pytest.raises(StunError) as caught:
        parse_binding_response(data)
    return str(caught.value)


@pytest.mark.parametrize("nominates", [False, True])
def test_a_request_is_read_by_the_general_library_and_by_our_own_parser(nominates):
    data = build_request(use_candidate=nominates)
    theirs = oracle.parse_message(data)
    assert theirs.check_message_integrity(KEY)
    assert (theirs.message_method, theirs.message_class) == (oracle.Method.BINDING, oracle.Class.REQUEST)
    assert theirs.attributes["USERNAME"] == "far:near"
    assert theirs.attributes["PRIORITY"] == 0x6E0001FF
    assert theirs.attributes["ICE-CONTROLLING"] == 0x0001020304050607
    assert ("USE-CANDIDATE" in theirs.attributes) is nominates
    assert "FINGERPRINT" in theirs.attributes
    ours = parse_binding_request(data)
    assert (ours.transaction_id, ours.username, ours.use_candidate) == (ID, b"far:near", nominates)
    assert ours.is_authentic(KEY)
    assert (ours.controlled, ours.unknown) == (False, ())


@pytest.mark.parametrize("address", [("192.0.2.1", 32853), ("2001:db8::1", 1), ("255.255.255.255", 65535)])
def test_a_success_tells_where_the_request_came_from(address):
    by_them = parse_binding_response(build_response(XOR_MAPPED_ADDRESS=address))
    by_us = parse_binding_response(build_success(parse_binding_request(build_request()), KEY, *address))
    for response in (by_them, by_us):
        assert (response.transaction_id, response.error, response.mapped) == (ID, 0, address)
        assert response.is_authentic(KEY)
        assert not response.is_authentic(KEY + b"x")


@pytest.mark.parametrize("code", [300, 401, 487, 699])
def test_an_error_tells_its_code(code):
    by_them = build_response(oracle.Class.ERROR, ERROR_CODE=(code, "No"))
    by_us = build_error(parse_binding_request(build_request()), KEY, code, "No")
    for data in (by_them, by_us):
        response = parse_binding_response(data)
        assert (response.error, response.mapped) == (code, None)
        assert response.is_authentic(KEY)


def test_every_truncation_is_refused():
    data = build_response(XOR_MAPPED_ADDRESS=("192.0.2.1", 1))
    for length in range(len(data)):
        assert reason(data[:length]) in {"stun_malformed", "stun_not_binding_response", "stun_truncated"}


def test_every_flipped_bit_is_noticed():
    data = build_response(XOR_MAPPED_ADDRESS=("192.0.2.1", 1))
    original = parse_binding_response(data)
    for flipped in flip_each_bit(data):
        try:
            response = parse_binding_response(flipped)
        except StunError:
            continue
        # A FINGERPRINT that has become an attribute nobody knows takes nothing from what is signed.
        assert response == original or not response.is_authentic(KEY)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "stun_malformed"),
        (build_request(), "stun_not_binding_response"),
        (build_response(), "stun_malformed"),
        (build_response(oracle.Class.ERROR), "stun_malformed"),
        (build_response(oracle.Class.ERROR, ERROR_CODE=(200, "OK")), "stun_malformed"),
        (build_response(XOR_MAPPED_ADDRESS=("192.0.2.1", 1), XOR_PEER_ADDRESS=("192.0.2.1", 1)), None),
        (bytes(oracle.Message(oracle.Method.BINDING, oracle.Class.RESPONSE, ID)), "stun_unauthenticated"),
    ],
)
def test_what_is_no_response_is_refused_with_its_reason(data, expected):
    assert reason(data) == (expected or "stun_unknown_attribute")


def test_a_request_is_no_response():
    assert not is_response(build_request())
    assert not is_response(b"")
    assert is_response(build_response(XOR_MAPPED_ADDRESS=("192.0.2.1", 1)))


@given(st.binary(max_size=64), st.sampled_from([0x0101, 0x0111]))
def test_any_attributes_are_read_or_raise_the_one_error(body, kind):
    body += bytes(-len(body) % 4)
    data = kind.to_bytes(2) + len(body).to_bytes(2) + b"\x21\x12\xa4\x42" + ID + body
    try:
        response = parse_binding_response(data)
    except StunError:
        return
    assert response.transaction_id == ID
