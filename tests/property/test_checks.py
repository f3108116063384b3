"""Connectivity checks: what the kernels read, verify and answer, against the Python of `sfu/transport/stun.py`.

`test_modes.py` runs this module again, unjitted and bounds-checked.
"""

from __future__ import annotations

import binascii
import hmac
import ipaddress

import numpy as np
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from sfu.transport.stun import BindingRequest, StunError, build_success, parse_binding_request
from sfu.wire.kernels.binding import (
    CHECK,
    MOST_ANSWER_BYTES,
    NOMINATES,
    SIGNED_END,
    USERNAME_AT,
    USERNAME_BYTES,
    is_signed,
    parse_check,
    write_success,
)
from sfu.wire.kernels.crc32 import compute_crc32
from sfu.wire.kernels.sha1 import MOST_KEY_BYTES, PADS, STATE, WORK, compute_hmac, prepare_key
from sfu.wire.sockaddr import encode_address

from .checks import KEY, browser_check, build, messages, transactions
from .modes import examples

AF_INET, AF_INET6 = 2, 10
BEFORE, AFTER = 3, 5


def amid(message: bytes) -> np.ndarray:
    """An array with other octets around the message."""
    return np.frombuffer(b"\xee" * BEFORE + message + b"\xee" * AFTER, np.uint8).copy()


def pads_of(key: bytes) -> np.ndarray:
    pads, work = np.zeros(PADS, np.int64), np.zeros(WORK, np.int64)
    prepare_key(np.frombuffer(key + b"\xee", np.uint8).copy(), len(key), pads, work)
    assert not work.any()  # nothing is left of the key
    return pads


def read(message: bytes) -> BindingRequest | None:
    """What Python makes of a message, if it is one that the plane may answer."""
    try:
        request = parse_binding_request(message)
    except StunError:
        return None
    return None if request.controlled or request.unknown else request


@given(
    key=st.binary(max_size=MOST_KEY_BYTES),
    words=st.lists(st.integers(0, 0xFFFF_FFFF), max_size=50),
    first=st.integers(0, 0xFFFF_FFFF),
)
@example(key=bytes(64), words=[0] * 13, first=0)
@example(key=b"", words=[1] * 14, first=1)
@example(key=b"k", words=[2] * 16, first=2)
@settings(max_examples=examples(600), deadline=None)
def test_a_mac_is_the_librarys(key: bytes, words: list[int], first: int) -> None:
    message = b"".join(word.to_bytes(4) for word in words)
    work = np.full(WORK, -1, np.int64)
    compute_hmac(pads_of(key), amid(message), BEFORE, BEFORE + len(message), first, work)
    found = b"".join(int(word).to_bytes(4) for word in work[STATE:])
    assert found == hmac.digest(key, first.to_bytes(4) + message[4:] if message else b"", "sha1")


@given(st.binary(max_size=200))
@settings(max_examples=examples(300), deadline=None)
def test_a_checksum_is_the_librarys(message: bytes) -> None:
    assert compute_crc32(amid(message), BEFORE, BEFORE + len(message)) == binascii.crc32(message)


@given(messages())
@example(build(browser_check(nominate=True)))
@example(build([(0x0006, b"a:b"), (0x0006, b"c:d"), (0x0025, b"")], fingerprint=False, behind=b"\x80\x29\x00\x00"))
@example(build([(0x0006, b"a:b"), (0x7000, b"")]))
@settings(max_examples=examples(3000), deadline=None)
def test_a_check_is_taken_exactly_where_python_takes_it_and_would_answer(message: bytes) -> None:
    check = np.full(CHECK, -1, np.int64)
    taken = parse_check(amid(message), BEFORE, BEFORE + len(message), check)
    request = read(message)
    event("taken" if taken else "left")
    assert taken == (request is not None)
    if request is None:
        return
    at, size = int(check[USERNAME_AT]) - BEFORE, int(check[USERNAME_BYTES])
    assert message[at : at + size] == request.username
    assert bool(check[NOMINATES]) == request.use_candidate
    assert check[SIGNED_END] - BEFORE == len(request.signed)
    for key in (KEY, b"another", b""):
        signed = is_signed(amid(message), BEFORE, check, pads_of(key), np.zeros(WORK, np.int64))
        assert signed == request.is_authentic(key)


@given(
    transactions,
    st.one_of(
        st.ip_addresses(),
        st.ip_addresses(v=4).map(lambda ip: ipaddress.IPv6Address(f"::ffff:{ip}")),
        st.sampled_from([ipaddress.ip_address(ip) for ip in ("::1", "::", "::fffe:1:2", "1::ffff:1.2.3.4")]),
    ),
    st.integers(0, 65535),
    st.booleans(),
)
@settings(max_examples=examples(600), deadline=None)
def test_a_response_is_the_one_that_python_builds(
    transaction: bytes, ip: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int, by_both: bool
) -> None:
    """`by_both`: the socket takes IPv4 and IPv6."""
    family = AF_INET if ip.version == 4 and not by_both else AF_INET6
    name = np.concatenate([np.full(BEFORE, 0xEE, np.uint8), encode_address((str(ip), port), family)])
    request = build(browser_check(), transaction=transaction)
    out = np.full(BEFORE + MOST_ANSWER_BYTES + AFTER, 0xEE, np.uint8)
    work = np.zeros(WORK, np.int64)
    end = write_success(out, BEFORE, amid(request), BEFORE, name, BEFORE, pads_of(KEY), work)
    assert end <= BEFORE + MOST_ANSWER_BYTES
    assert set(out[:BEFORE].tolist()) | set(out[end:].tolist()) == {0xEE}
    assert out[BEFORE:end].tobytes() == build_success(parse_binding_request(request), KEY, str(ip), port)
