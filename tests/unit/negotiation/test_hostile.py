"""Any text parses or raises NegotiationError, and what raises changes nothing."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sfu.negotiation import (
    Answerer,
    Candidate,
    Codec,
    LocalTransport,
    NegotiationError,
    Offerer,
    Outgoing,
    parse_sdp_fragment,
)
from tests.unit.lines import count_lines

VECTORS = sorted((Path(__file__).parents[2] / "vectors" / "sdp").glob("*.sdp"))
OFFERS = [path.read_bytes().decode() for path in VECTORS]
LOCAL = LocalTransport("ours", "p" * 24, ("sha-256", ":".join(["5A"] * 32)), (Candidate("192.0.2.1", 5000),))
FRAGMENTS = [
    "a=simulcast:send ;;~,;\r\n",
    "a=rid: \r\n",
    "a=rid:q\r\n",
    "a=group:\r\n",
    "a=ssrc-group: \r\n",
    "a=ssrc-group:FID\r\n",
    "a=group:BUNDLE 1 1 nobody\r\n",
    "x\r\n",
    "a=mid:section 1\r\n",
    "a=ssrc:1\r\n",
    "a=extmap:\r\n",
    "a=extmap:3/sideways urn:x\r\n",
    "a=extmap:\u0663 urn:x\r\n",
    "a=msid:\r\n",
    "a=rtpmap:\r\n",
    "a=rtpmap:96\r\n",
    "a=fmtp:96 ;;=;=;\r\n",
    "a=rtcp-fb:\r\n",
    "a=fingerprint:\r\n",
    "a=fingerprint:sha-256\r\n",
    "a=bundle-only\r\n",
    "a=mid:\r\n",
    "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n",
    "m=audio 0 UDP/TLS/RTP/SAVPF \u0669\r\n",
    "\x00",
    "\ud800",
    "\u2028",
    "9" * 5000,
]


def take(text: str) -> None:
    answerer = Answerer(max_media=8, rng=random.Random(1))
    with contextlib.suppress(NegotiationError):
        diff = answerer.handle_offer(text)
        for slot in diff.slots:
            if slot.codecs:
                answerer.assign(slot.mid, Outgoing(1, "c", "s", "t", slot.codecs[0]))
        answer = answerer.build_answer(LOCAL)
        assert answer.count("m=") >= len(diff.slots)
        # What a client wrote may be forwarded to any other client.
        offerer = Offerer(max_media=16, rng=random.Random(1))
        for incoming in diff.incoming:
            offerer.add(
                Outgoing(
                    1,
                    incoming.cname or "c",
                    incoming.stream_id or "s",
                    incoming.track_id or "t",
                    incoming.codec,
                )
            )
        offerer.build_offer(LOCAL)
        assert answerer.handle_offer(text).ended == []


@given(st.text(max_size=300))
def test_any_text(text: str) -> None:
    take(text)
    take("v=0\r\no=- 1 1 IN IP4 0\r\n" + text)
    with contextlib.suppress(NegotiationError):
        parse_sdp_fragment(text)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    lines = draw(st.sampled_from(OFFERS)).splitlines(keepends=True)
    for _ in range(draw(st.integers(1, 4))):
        index = draw(st.integers(0, len(lines) - 1))
        line = lines[index]
        match draw(st.integers(0, 6)):
            case 0:
                lines[index] = ""
            case 1:
                lines[index] = line + line
            case 2:
                lines[index] = draw(st.sampled_from(FRAGMENTS))
            case 3:
                lines.insert(index, draw(st.sampled_from(FRAGMENTS)))
            case 4:
                at = draw(st.integers(0, len(line)))
                lines[index] = line[:at] + draw(st.text(max_size=6)) + line[at:]
            case 5:
                at = draw(st.integers(0, len(line)))
                lines[index] = line[:at] + "\r\n"
            case _:
                other = draw(st.integers(0, len(lines) - 1))
                lines[index], lines[other] = lines[other], lines[index]
    return "".join(lines)


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(mutated())
def test_mutated_offers(text: str) -> None:
    take(text)


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(mutated(), st.sampled_from(OFFERS))
def test_a_later_offer_that_raises_changes_nothing(text: str, first: str) -> None:
    answerer = Answerer(max_media=8, rng=random.Random(1))
    answerer.handle_offer(first)
    before = answerer.build_answer(LOCAL)
    try:
        answerer.handle_offer(text)
    except NegotiationError:
        assert answerer.build_answer(LOCAL).split("\r\n")[2:] == before.split("\r\n")[2:]


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(mutated())
def test_an_offer_for_an_answer(text: str) -> None:
    """Browsers' offers, mutated, as answers: their shape is near enough to get past the first checks."""
    offerer = Offerer(max_media=8, rng=random.Random(1))
    offerer.add(Outgoing(1, "c", "s", "t", Codec("audio", "opus", 48000, 2, 111)))
    offerer.add_incoming("video")
    offerer.build_offer(LOCAL)
    text = text.replace("a=setup:actpass", "a=setup:active").replace("a=sendonly", "a=recvonly", 1)
    with contextlib.suppress(NegotiationError):
        offerer.handle_answer(text)
        assert not offerer.pending


@pytest.mark.parametrize("fragment", FRAGMENTS)
def test_hostile_lines_at_either_level(fragment: str) -> None:
    for offer in OFFERS:
        head, _, rest = offer.partition("m=")
        take(f"{head}{fragment}m={rest}")
        take(f"{offer}{fragment}")


@pytest.mark.parametrize(
    "line",
    [
        "a=ssrc:{} cname:x\r\n",
        "a=ssrc-group:FID {} 1{}\r\n",
        "a=ssrc-group:SIM {} 1{}\r\n",
        "a=extmap:{} urn:x\r\n",
        "a=rid:r{} send\r\n",
        "a=fingerprint:sha-256 {}\r\n",
        "a=rtcp-fb:* {}\r\n",
        "a=fmtp:96 a{}=b\r\n",
        "a=fmtp:97 apt=96;a{}=b\r\n",
        "a=rtpmap:{} VP8/90000\r\n",
        "a=msid:{}\r\n",
        "a=group:BUNDLE {}\r\n",
        "a=sendonly\r\n",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n",
        "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=sendonly\r\na=rtpmap:96 VP8/90000\r\n",
        "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=fingerprint:sha-256 {}\r\na=mid:x{}\r\n",
    ],
)
@pytest.mark.parametrize("level", ["m=audio", "m=video", "end"])
def test_what_an_offer_costs_grows_with_its_length_only(line: str, level: str) -> None:
    head, _, rest = OFFERS[0].partition("m=video" if level == "m=video" else "m=audio")
    rest = f"{'m=video' if level == 'm=video' else 'm=audio'}{rest}"

    def cost(count: int) -> int:
        lines = "".join(line.replace("{}", str(number + 2)) for number in range(count))
        text = f"{head}{rest}{lines}" if level == "end" else f"{head}{lines}{rest}"
        return count_lines(lambda: _handle(text))

    few, many = cost(60), cost(240)
    assert many < 4 * few + 4000


def _handle(text: str) -> None:
    answerer = Answerer(max_media=512, rng=random.Random(1))
    with contextlib.suppress(NegotiationError):
        answerer.handle_offer(text)
        answerer.build_answer(LOCAL)


@pytest.mark.parametrize(
    "m_line",
    [
        "m=video 9 UDP/TLS/RTP/SAVPF " + "97 " * 2000,
        "m=video 9 UDP/TLS/RTP/SAVPF " + " ".join(map(str, range(2000))),
    ],
)
def test_a_payload_type_is_looked_at_once(m_line: str) -> None:
    tail = "a=rtpmap:97 rtx/90000\r\n" + "a=fmtp:97 apt=96\r\n" * 200
    text = OFFERS[0] + f"{m_line}\r\na=sendonly\r\na=mid:9\r\na=rtpmap:96 VP8/90000\r\n{tail}"
    assert count_lines(lambda: _handle(text)) < 60_000


def test_a_long_hostile_offer_costs_little() -> None:
    """Within the limits nothing is quadratic: the largest offer is refused or taken in a moment."""
    section = OFFERS[0].partition("m=")[2]
    many = "".join(f"m={section.partition('m=')[0]}" for _ in range(60))
    for text in (
        OFFERS[0] + "a=ssrc:1 cname:x\r\n" * 3000,
        OFFERS[0] + "a=extmap:99 urn:x\r\n" * 3000,
        OFFERS[0] + "a=simulcast:send " + ";".join("abcdefgh" for _ in range(5000)) + "\r\n",
        OFFERS[0] + "a=fmtp:96 " + ";" * 50_000 + "\r\n",
        OFFERS[0] + many,
    ):
        take(text)
