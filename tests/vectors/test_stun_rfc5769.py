"""RFC 5769: the sample STUN messages."""

from __future__ import annotations

from sfu.transport.stun import build_success, parse_binding_request, parse_username

PASSWORD = b"VOkJxbRl1RmTxUk/WvJxBt"

REQUEST = bytes.fromhex(
    "000100582112a442b7e7a701bc34d686fa87dfae"
    "802200105354554e207465737420636c69656e74"  # SOFTWARE
    "002400046e0001ff"  # PRIORITY
    "80290008932ff9b151263b36"  # ICE-CONTROLLED
    "000600096576746a3a68367659202020"  # USERNAME, padded with spaces
    "000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2"
    "80280004e57a3bcf"
)
"""Section 2.1."""

MAPPED_IPV4 = bytes.fromhex("002000080001a147e112a643")
"""In the response of section 2.2."""

MAPPED_IPV6 = bytes.fromhex("002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9")
"""In the response of section 2.3."""


def test_the_sample_request():
    request = parse_binding_request(REQUEST)
    assert request.username == b"evtj:h6vY"
    assert parse_username(REQUEST) == "evtj"
    assert request.transaction_id == bytes.fromhex("b7e7a701bc34d686fa87dfae")
    assert request.controlled
    assert not request.use_candidate
    assert request.unknown == ()
    assert request.is_authentic(PASSWORD)
    assert not request.is_authentic(PASSWORD + b"x")


def test_the_sample_addresses():
    request = parse_binding_request(REQUEST)
    ipv4 = build_success(request, PASSWORD, "192.0.2.1", 32853)
    ipv6 = build_success(request, PASSWORD, "2001:db8:1234:5678:11:2233:4455:6677", 32853)
    assert ipv4[20:32] == MAPPED_IPV4
    assert ipv6[20:44] == MAPPED_IPV6
