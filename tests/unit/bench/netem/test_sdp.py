"""A description goes through a proxy: one candidate is left, and it is the proxy's."""

from __future__ import annotations

import pytest

from bench.netem.sdp import through

PROXY = ("127.0.0.1", 5000)
HEAD = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\n"
HOST = "a=candidate:1 1 udp 2130706431 192.0.2.7 40001 typ host\r\n"
SECOND = "a=candidate:2 1 udp 2130706175 198.51.100.9 40002 typ host generation 0\r\n"
SIX = "a=candidate:3 1 udp 2130706430 2001:db8::7 40003 typ host\r\n"
TCP = "a=candidate:4 1 tcp 1518280447 192.0.2.7 9 typ host tcptype active\r\n"
REFLEXIVE = "a=candidate:5 1 udp 1694498815 203.0.113.5 41000 typ srflx raddr 192.0.2.7 rport 40001\r\n"
TAIL = "a=end-of-candidates\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\n"
OWN = "a=candidate:1 1 udp 2130706431 127.0.0.1 5000 typ host\r\n"


@pytest.mark.parametrize(
    "candidates",
    [HOST, HOST + SECOND, TCP + SIX + HOST, REFLEXIVE + HOST + REFLEXIVE, HOST + HOST],
    ids=["one", "two", "behind-others", "reflexive", "twice"],
)
def test_only_the_proxy_is_left(candidates: str) -> None:
    rerouted = through(HEAD + candidates + TAIL, PROXY)
    assert rerouted.sdp == HEAD + OWN + TAIL
    assert rerouted.upstream == ("192.0.2.7", 40001)


def test_candidates_of_later_sections_go_too() -> None:
    assert through(HEAD + HOST + TAIL + HOST, PROXY).sdp == HEAD + OWN + TAIL


def test_what_follows_the_type_is_kept() -> None:
    sdp = through(HEAD + SECOND.replace("udp", "UDP"), PROXY).sdp
    assert sdp == HEAD + "a=candidate:2 1 UDP 2130706175 127.0.0.1 5000 typ host generation 0\r\n"


@pytest.mark.parametrize("end", ["\n", ""])
def test_other_ends_of_lines_are_kept(end: str) -> None:
    assert through("v=0\n" + HOST.rstrip() + end, PROXY).sdp == "v=0\n" + OWN.rstrip() + end


@pytest.mark.parametrize("candidates", ["", TCP, SIX, REFLEXIVE], ids=["none", "tcp", "ipv6", "reflexive"])
def test_a_description_without_one_is_refused(candidates: str) -> None:
    with pytest.raises(ValueError, match="no IPv4 UDP host candidate"):
        through(HEAD + candidates + TAIL, PROXY)
