from __future__ import annotations

import pytest

from bench.client import sdp

_LOCAL = sdp.LocalIdentity("ufra", "p" * 24, "AA:BB", ("10.203.0.2", 5000))


def test_an_offer_reads_back() -> None:
    text = sdp.build(
        _LOCAL,
        [
            sdp.offered_section("video", "0", "sendonly", ssrc=77),
            sdp.offered_section("audio", "1", "sendonly", ssrc=78),
        ],
        setup="actpass",
    )
    seen = sdp.parse(text)
    assert (seen.ufrag, seen.pwd, seen.fingerprint, seen.setup) == ("ufra", "p" * 24, "AA:BB", "actpass")
    assert seen.address == ("10.203.0.2", 5000)
    assert [(section.kind, section.mid, section.direction) for section in seen.sections] == [
        ("video", "0", "sendonly"),
        ("audio", "1", "sendonly"),
    ]
    assert seen.sections[0].extensions[sdp.MID_URI] == 4
    assert "a=ssrc:77 cname:" in text
    assert "nack" not in text


def test_an_answer_takes_the_servers_numbers() -> None:
    offered = sdp.Section("video", 9, "v1", "sendonly", {"VP8": 101, "RTX": 102}, {sdp.MID_URI: 7, "urn:other": 8})
    section = sdp.answered_section(offered, nack=True)
    assert (section.payload_type, section.mid, section.direction) == (101, "v1", "recvonly")
    assert section.extensions == {sdp.MID_URI: 7}
    assert "a=rtcp-fb:101 nack pli" in sdp.build(_LOCAL, [section], setup="active")


def test_a_section_without_our_codec_is_an_error() -> None:
    with pytest.raises(sdp.SdpError, match="no VP8 in section v1"):
        sdp.answered_section(sdp.Section("video", 9, "v1", "sendonly", {"H264": 101}))


@pytest.mark.parametrize("missing", ["a=ice-pwd", "a=fingerprint", "a=candidate"])
def test_what_a_session_needs_must_be_there(missing: str) -> None:
    text = sdp.build(_LOCAL, [sdp.offered_section("video", "0", "recvonly")], setup="actpass")
    without = "\r\n".join(line for line in text.split("\r\n") if not line.startswith(missing))
    with pytest.raises(sdp.SdpError):
        sdp.parse(without)
