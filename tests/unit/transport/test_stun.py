"""The STUN parser and builders, against a general STUN library and against hostile input."""

from __future__ import annotations

import struct

import pytest
from aioice import stun as oracle
from hypothesis import given
from hypothesis import strategies as st

from sfu.transport.stun import (
    StunError,
    build_error,
    build_success,
    parse_binding_request,
    parse_username,
)
from tests.unit.transport.damage import flip_each_bit

KEY = b"key"


def build(attributes, *, key=KEY, fingerprint=True, kind=0x0001, tail=b""):
    """A message of (type, value) attributes, MESSAGE-INTEGRITY, `tail` and FINGERPRINT."""
    body = b""
    for number, value in attributes:
        body += struct.pack("!HH", number, len(value)) + value + bytes(-len(value) % 4)
    head = struct.pack("!HHI", kind, 0, oracle.COOKIE) + b"transaction!"
    message = head + body
    if key is not None:
        message += struct.pack("!HH", 0x0008, 20) + oracle.message_integrity(message, key)
    message += tail
    if fingerprint:
        message += struct.pack("!HHI", 0x8028, 4, oracle.message_fingerprint(message))
    return oracle.set_body_length(message, len(message) - 20)


def reason(data):
    with pytest.raises(StunError) as caught:
        parse_binding_request(data)
    return str(caught.value)


def test_a_request_is_read_as_the_general_library_reads_it(check):
    data = check(use_candidate=True)
    ours, theirs = parse_binding_request(data), oracle.parse_message(data)
    assert ours.transaction_id == theirs.transaction_id
    assert ours.username.decode() == theirs.attributes["USERNAME"]
    assert ours.use_candidate
    assert not ours.controlled
    assert ours.unknown == ()
    for key in (b"local-password-24-octets", b"another"):
        assert ours.is_authentic(key) == theirs.check_message_integrity(key)


def test_every_truncation_is_refused(check):
    data = check()
    for length in range(len(data)):
        assert reason(data[:length]) in {"stun_malformed", "stun_not_binding_request", "stun_truncated"}
    assert reason(data + b"\0") == "stun_truncated"


def test_every_flipped_bit_is_noticed(check):
    data = check()
    key = b"local-password-24-octets"
    original = parse_binding_request(data)
    assert original.is_authentic(key)
    for flipped in flip_each_bit(data):
        try:
            request = parse_binding_request(flipped)
        except StunError:
            continue
        # A FINGERPRINT that has become an attribute nobody knows takes nothing from what is signed.
        assert request == original or not request.is_authentic(key)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "stun_malformed"),
        (bytes(20), "stun_malformed"),
        (build([(6, b"a:b")], kind=0x0101), "stun_not_binding_request"),
        (build([(6, b"a:b")], kind=0x0111), "stun_not_binding_request"),
        (build([(6, b"a:b")], kind=0x0011), "stun_not_binding_request"),
        (build([(6, b"a:b")], kind=0x0003), "stun_not_binding_request"),
        (build([]), "stun_unauthenticated"),
        (build([(6, b"a:b")], key=None), "stun_unauthenticated"),
        (build([(6, b"a:b"), (8, b"short")], key=None), "stun_unauthenticated"),
        (build([(6, b"")]), "stun_unauthenticated"),
        (build([(6, b"a" * 600)]), "stun_unauthenticated"),
        (build([(6, b"a:b")])[:-4] + b"\0\0\0\0", "stun_bad_fingerprint"),
        (build([(6, b"a:b")], tail=struct.pack("!HHI", 0x8028, 4, 0)), "stun_malformed"),
        (build([(6, b"a:b")], tail=struct.pack("!HH", 0x8028, 0), fingerprint=False), "stun_malformed"),
        (build([(6, b"a:b")], tail=struct.pack("!HH", 0x9999, 400), fingerprint=False), "stun_truncated"),
    ],
)
def test_what_is_no_check_is_refused_with_its_reason(data, expected):
    assert reason(data) == expected


def test_fingerprint_may_be_missing():
    assert parse_binding_request(build([(6, b"a:b")], fingerprint=False)).is_authentic(KEY)


def test_what_follows_the_integrity_is_not_believed():
    tail = struct.pack("!HH", 0x0025, 0) + struct.pack("!HHQ", 0x8029, 8, 1) + struct.pack("!HH", 0x7777, 0)
    request = parse_binding_request(build([(6, b"a:b")], tail=tail))
    assert request.is_authentic(KEY)
    assert (request.use_candidate, request.controlled, request.unknown) == (False, False, ())


def test_of_two_usernames_the_first_counts():
    data = build([(6, b"a:b"), (6, b"c:d")])
    assert parse_binding_request(data).username == b"a:b"
    assert parse_username(data) == "a"


def test_unknown_attributes_that_must_be_understood_are_named():
    numbers = [0x7000 + i for i in range(20)]
    request = parse_binding_request(build([(6, b"a:b"), *((number, b"x") for number in numbers), (0xC057, b"")]))
    assert request.unknown == tuple(numbers[:8])
    response = build_error(request, KEY, 420, "Unknown Attribute")
    parsed = oracle.parse_message(response)
    assert parsed.error_code == 420
    assert parsed.check_message_integrity(KEY)
    assert struct.pack("!HHHH", 0x000A, 16, *numbers[:2]) in response


def test_a_check_with_an_unknown_attribute_gets_420(new_pair):
    pair = new_pair()
    key = pair.endpoint.credentials.pwd.encode()
    pair.endpoint.handle_datagram(build([(6, b"localufr:x"), (0x7000, b"")], key=key), pair.address, pair.now)
    pair.drain()
    [(response, _)] = pair.stun_responses
    assert response.error_code == 420
    assert pair.events == []


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (build([(6, b"abcd:efgh")]), "abcd"),
        (build([(0x24, b"1234"), (6, b"ab+/:efgh")]), "ab+/"),
        (build([(6, b"abcd")]), "abcd"),
        (build([(6, b"abcd:efgh")], key=None, fingerprint=False), "abcd"),
        (build([(6, b":efgh")]), None),
        (build([(6, b"")]), None),
        (build([(6, "é:a".encode())]), None),
        (build([(6, b"a b:c")]), None),
        (build([]), None),
        (build([(8, bytes(20)), (6, b"abcd:efgh")]), None),
        (build([(6, b"abcd:efgh")], kind=0x0101), None),
        (build([(6, b"abcd:efgh")])[:25], None),
        (b"", None),
        (b"\0\1" + bytes(30), None),
    ],
)
def test_parse_username(data, expected):
    assert parse_username(data) == expected


def test_a_bad_ip_is_our_own_mistake():
    request = parse_binding_request(build([(6, b"a:b")]))
    with pytest.raises(OSError, match="illegal IP address"):
        build_success(request, KEY, "nonsense", 1)


headers = st.tuples(st.sampled_from([b"\0\1", b"\1\1", b"\0\x11", b"\x3f\xff"]), st.binary(min_size=12, max_size=12))
attributes = st.lists(
    st.tuples(st.sampled_from([6, 8, 9, 0x20, 0x24, 0x25, 0x7FFF, 0x8028, 0x8029, 0x802A]), st.binary(max_size=40)),
    max_size=8,
)


@st.composite
def nearly_stun(draw):
    """Messages with the right cookie, mostly the right length, and any attributes."""
    kind, transaction = draw(headers)
    body = b""
    for number, value in draw(attributes):
        length = len(value) + draw(st.sampled_from([0, 0, 0, 0, 1, 65000]))
        body += struct.pack("!HH", number, min(length, 65535)) + value + bytes(-len(value) % 4)
    body += draw(st.sampled_from([b"", b"", b"\0", b"\0\1\0"]))
    length = draw(st.sampled_from([len(body), len(body), len(body), 0, 65535]))
    return kind + length.to_bytes(2) + b"\x21\x12\xa4\x42" + transaction + body


@given(st.one_of(st.binary(max_size=200), nearly_stun()))
def test_parsers_parse_or_raise_the_one_error(data):
    username = parse_username(data)
    try:
        request = parse_binding_request(data)
    except StunError:
        return
    fragment = request.username.partition(b":")[0]
    assert username is None or username.encode() == fragment
    assert not request.is_authentic(b"some key")


@given(
    st.binary(min_size=12, max_size=12),
    st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6).filter(lambda ip: ip.ipv4_mapped is None)),
    st.integers(0, 65535),
    st.binary(min_size=1, max_size=64),
)
def test_a_response_is_what_the_general_library_builds(transaction, ip, port, key):
    message = oracle.Message(oracle.Method.BINDING, oracle.Class.REQUEST, transaction_id=transaction)
    message.attributes["USERNAME"] = "a:b"
    message.add_message_integrity(KEY)
    request = parse_binding_request(bytes(message))
    expected = oracle.Message(oracle.Method.BINDING, oracle.Class.RESPONSE, transaction_id=transaction)
    expected.attributes["XOR-MAPPED-ADDRESS"] = (str(ip), port)
    expected.add_message_integrity(key)
    assert build_success(request, key, str(ip), port) == bytes(expected)
