from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.negotiation import SdpError
from sfu.negotiation.sdp import (
    MediaDescription,
    SdpLimits,
    SessionDescription,
    build_sdp,
    parse_number,
    parse_sdp,
)

MINIMAL = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"


def test_reads_sections_with_their_attributes() -> None:
    session = parse_sdp(
        MINIMAL + "a=group:BUNDLE 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=x\r\n"
    )
    assert session.origin == "- 1 1 IN IP4 0.0.0.0"
    assert session.attributes.first("group") == "BUNDLE 0"
    (media,) = session.media
    assert (media.kind, media.port, media.protocol, media.formats) == (
        "audio",
        9,
        "UDP/TLS/RTP/SAVPF",
        ("111", "0"),
    )
    assert media.connection == "IN IP4 0.0.0.0"
    assert media.attributes.first("mid") == "0"
    assert "x" in media.attributes
    assert media.attributes.first("x") == ""
    assert media.attributes.first("group") is None


@pytest.mark.parametrize("end", ["\n", "\r", "\r\r\n", " \r\n", "\r\n\r\n", "\t\n"])
def test_lines_may_end_in_many_ways(end: str) -> None:
    session = parse_sdp((MINIMAL + "a=x:1\r\nm=audio 9 RTP/SAVPF 0\r\na=mid:0\r\n").replace("\r\n", end))
    assert session.origin == "- 1 1 IN IP4 0.0.0.0"
    assert session.attributes.first("x") == "1"
    assert session.media[0].attributes.first("mid") == "0"


@pytest.mark.parametrize(
    "line",
    [
        "",
        " ",
        "x=1",
        "i=a title",
        "b=AS:1000",
        "k=clear:x",
        "r=",
        "v=0",
        "s=again",
        "nonsense",
        "=x",
        "\u00e9=x",
        "a=:value",
        "a=na me:value",
        "a=",
        "z",
    ],
)
@pytest.mark.parametrize("end", ["", "\r\n"])
def test_lines_that_are_not_needed_are_left_aside(line: str, end: str) -> None:
    head, section = MINIMAL + "a=x:1\r\n", "m=audio 9 RTP/SAVPF 0\r\na=mid:0\r\n"
    plain = parse_sdp(head + section)
    assert parse_sdp(f"{head}{line}\r\n{section}{line}{end}") == plain
    assert parse_sdp(f"v=0\r\n{line}\r\na=x:1\r\n{section}").media == plain.media


def test_only_the_version_and_the_sections_are_needed() -> None:
    session = parse_sdp("\ufeffv=0\nm=audio  9/2\tRTP/SAVPF 0 \n a=mid: 0 \n")
    (media,) = session.media
    assert (media.kind, media.port, media.protocol, media.formats) == ("audio", 9, "RTP/SAVPF", ("0",))
    assert media.attributes.first("mid") == "0"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ("hello", 1),
        ("v=1\r\n", 1),
        (MINIMAL + "m=audio\r\n", 5),
        (MINIMAL + "m=audio 65536 RTP/SAVPF 0\r\n", 5),
        (MINIMAL + "m=audio -1 RTP/SAVPF 0\r\n", 5),
        (MINIMAL + "m=audio \u0661 RTP/SAVPF 0\r\n", 5),
        (MINIMAL + "m=audio 9 RTP//SAVPF 0\r\n", 5),
        (MINIMAL + "a=x\x00y\r\n", 5),
        ("\r\nv=1\r\n", 2),
        (MINIMAL + "a=x\ud800\r\n", 5),
    ],
)
def test_an_error_names_its_line(text: str, line: int) -> None:
    with pytest.raises(SdpError) as caught:
        parse_sdp(text)
    assert caught.value.line == line
    assert f"line {line}:" in str(caught.value)


def test_limits_hold() -> None:
    limits = SdpLimits(size=200, lines=10, media=2)
    section = "m=audio 9 RTP/SAVPF 0\r\n"
    assert len(parse_sdp(MINIMAL + 2 * section, limits).media) == 2
    with pytest.raises(SdpError, match="at most 2 media sections"):
        parse_sdp(MINIMAL + 3 * section, limits)
    assert parse_sdp(MINIMAL + 6 * "a=x\r\n", limits)
    with pytest.raises(SdpError, match="more than 10 lines"):
        parse_sdp(MINIMAL + 7 * "a=x\r\n", limits)
    with pytest.raises(SdpError, match="octets"):
        parse_sdp(MINIMAL + f"a=x:{'y' * 200}\r\n", limits)
    with pytest.raises(SdpError, match="has 201 octets"):  # octets, not characters
        parse_sdp(MINIMAL + "a=x:" + "\u20ac" * ((200 - len(MINIMAL)) // 3 - 1), limits)


def test_a_value_from_outside_cannot_add_a_line() -> None:
    session = SessionDescription(origin="- 1 1 IN IP4 0.0.0.0")
    session.attributes.add("x", "1\r\na=injected")
    with pytest.raises(ValueError, match="line end"):
        build_sdp(session)


@pytest.mark.parametrize("text", ["", "-1", "+1", " 1", "1_0", "\u0663", "9" * 5000, "256", "0x1"])
def test_a_number_is_ascii_digits_within_bounds(text: str) -> None:
    assert parse_number(text, 255) is None


TOKENS = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789-_.!~", min_size=1, max_size=12)
VALUES = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=40).map(
    lambda text: text.strip(" ")
)


@st.composite
def sessions(draw: st.DrawFn) -> SessionDescription:
    session = SessionDescription(origin=f"- {draw(st.integers(0, 2**63))} 1 IN IP4 192.0.2.1")
    targets = [session.attributes]
    for _ in range(draw(st.integers(0, 4))):
        formats = tuple(draw(st.lists(TOKENS, min_size=1, max_size=4)))
        media = MediaDescription(draw(TOKENS), draw(st.integers(0, 65535)), "UDP/TLS/RTP/SAVPF", formats)
        media.connection = draw(st.sampled_from([None, "IN IP4 0.0.0.0", "IN IP6 ::1"]))
        session.media.append(media)
        targets.append(media.attributes)
    for attributes in targets:
        for name, value in draw(st.lists(st.tuples(TOKENS, VALUES), max_size=5)):
            attributes.add(name, value)
    return session


@given(sessions())
def test_what_is_built_parses_to_the_same(session: SessionDescription) -> None:
    assert parse_sdp(build_sdp(session)) == session
