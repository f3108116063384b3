from __future__ import annotations

import pytest

from sfu.signaling import IceServer
from sfu.signaling.http.headers import build_ice_links, if_match, media_type


def test_links_name_ice_servers_as_rfc_9725_section_4_6_does() -> None:
    links = build_ice_links(
        [IceServer("stun:stun.example.net"), IceServer("turn:t.example?transport=udp", "u", 'p"\\')]
    )
    assert links == (
        '<stun:stun.example.net>; rel="ice-server", '
        '<turn:t.example?transport=udp>; rel="ice-server"; '
        'username="u"; credential="p\\"\\\\"; credential-type="password"'
    )


@pytest.mark.parametrize(
    ("url", "username", "credential"),
    [
        ("http://example.net", "", ""),
        ("stun:a>; rel=x", "", ""),
        ("stun:a\r\nSet-Cookie: x", "", ""),
        ("turn:a", "", ""),
        ("turn:a", "u\r\n", "p"),
    ],
)
def test_an_ice_server_that_would_break_the_header_is_refused(url: str, username: str, credential: str) -> None:
    with pytest.raises(ValueError, match=r"ICE server's|URL|TURN"):
        IceServer(url, username, credential)


@pytest.mark.parametrize(
    ("header", "holds"),
    [('"a"', True), ("*", True), ('"x", "a"', True), ('"b"', False), ('W/"a"', False), ("a", False), ("", False)],
)
def test_if_match_compares_strongly(header: str, holds: bool) -> None:
    assert if_match(header, '"a"') is holds


def test_the_media_type_is_read_without_parameters() -> None:
    assert media_type("Application/SDP; charset=utf-8") == "application/sdp"
