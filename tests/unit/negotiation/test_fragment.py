from __future__ import annotations

import pytest

from sfu.negotiation import LocalTransport, NegotiationError, build_sdp_fragment, parse_sdp_fragment

# The shape of RFC 9725 section 4.3.2's example.
TRICKLE = (
    "a=group:BUNDLE 0 1\r\n"
    "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"
    "a=mid:0\r\n"
    "a=ice-ufrag:EsAw\r\n"
    "a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n"
    "a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1\r\n"
    "a=candidate:3471623853 1 udp 2122194687 198.51.100.2 61765 typ host generation 0 ufrag EsAw network-id 2\r\n"
    "a=end-of-candidates\r\n"
)


def test_a_trickled_fragment() -> None:
    fragment = parse_sdp_fragment(TRICKLE)
    assert (fragment.ufrag, fragment.pwd) == ("EsAw", "P2uYro0UCOQ4zxjKXaWCBui1")
    assert len(fragment.candidates) == 2
    assert fragment.candidates[0].startswith("1387637174 1 udp")
    assert fragment.end_of_candidates


def test_credentials_may_be_left_out() -> None:
    fragment = parse_sdp_fragment("m=audio 9 RTP/AVP 0\r\na=mid:0\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n")
    assert (fragment.ufrag, fragment.pwd, fragment.end_of_candidates) == (None, None, False)


def test_an_empty_fragment_trickles_nothing() -> None:
    assert parse_sdp_fragment("").candidates == []


@pytest.mark.parametrize(
    "text",
    [
        TRICKLE + "a=ice-ufrag:other\r\n",
        TRICKLE.replace("a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n", ""),
        "nonsense",
        "{}",
        "a=x\x00\r\n",
        "a=x\r\n" * 600,
        "a=" + "x" * 40_000,
    ],
)
def test_malformed_fragments(text: str) -> None:
    with pytest.raises(NegotiationError):
        parse_sdp_fragment(text)


@pytest.mark.parametrize("line", ["c=IN IP4 0.0.0.0", "v=0", "o=- 1 1 IN IP4 0", "b=AS:1", "x=?", "", "junk", "a=mid"])
@pytest.mark.parametrize("place", ["a=mid:0\r\n", "a=group:BUNDLE 0 1\r\n", "a=end-of-candidates\r\n"])
def test_lines_that_are_not_needed_are_left_aside(line: str, place: str) -> None:
    """Clients write whole sections, with the address of the m= line."""
    assert parse_sdp_fragment(TRICKLE.replace(place, f"{place}{line}\r\n")) == parse_sdp_fragment(TRICKLE)


def test_our_fragment_reads_back(local: LocalTransport) -> None:
    text = build_sdp_fragment(local, mids=("a", "b"), kind="video")
    fragment = parse_sdp_fragment(text)
    assert (fragment.ufrag, fragment.pwd) == (local.ufrag, local.pwd)
    assert fragment.candidates == [
        "1 1 udp 2130706431 192.0.2.1 5000 typ host",
        "2 1 udp 2130706175 2001:db8::1 5000 typ host",
    ]
    assert fragment.end_of_candidates
    assert "a=group:BUNDLE a b\r\nm=video 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:a\r\n" in text
