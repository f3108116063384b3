"""What is not needed is taken as it is, trimmed or left aside; what makes media impossible, or protects, is refused."""

from __future__ import annotations

import random

import pytest

from sfu.negotiation import Answerer, Direction, LocalTransport, NegotiationError, OfferDiff, Offerer
from sfu.negotiation.sdp import parse_sdp
from sfu.wire.extensions import Extension
from tests.unit.negotiation.conftest import Client, MakeOutgoing
from tests.unit.offers import FINGERPRINT, make_offer

BOTH = (("audio", "sendonly"), ("video", "sendonly"))
OTHER_FINGERPRINT = ":".join(["cd"] * 48)


def take(offer: str) -> OfferDiff:
    return Answerer(max_media=8, rng=random.Random(1)).handle_offer(offer)


def with_line(line: str, before: str = "a=sendonly") -> str:
    return make_offer(*BOTH).replace(f"{before}\r\n", f"{line}\r\n{before}\r\n")


@pytest.mark.parametrize(
    "line",
    [
        "a=ssrc:1 msid:user1@host-a cam transceiver0",  # GStreamer
        "a=ssrc:1 msid:",
        "a=ssrc:1 cname:two words",
        "a=ssrc:1 cname:",
        "a=ssrc:x cname:y",
        "a=ssrc:-1",
        "a=ssrc:99999999999 cname:x",
        "a=ssrc:",
        "a=ssrc",
        "a=ssrc-group:FID",
        "a=ssrc-group:FID 1 x",
        "a=ssrc-group:FEC-FR 1 2",
        "a=ssrc-group:",
        "a=msid:user1@host-a cam transceiver0",
        "a=msid:\u00e9 b",
        "a=msid:" + "x" * 300,
        "a=msid:-",
        "a=msid",
        "a=extmap:x urn:y",
        "a=extmap:3/sideways urn:y",
        "a=extmap:3",
        "a=extmap:70000 urn:y",
        "a=extmap:20 urn:y with attributes;of=its own",
        "a=extmap:",
        "a=rid:",
        "a=rid:? send",
        "a=simulcast:",
        "a=simulcast:send nobody;has;declared",
        "a=simulcast:recv",
        "a=simulcast:both ways",
        "a=rtcp:9 IN IP4 0.0.0.0",
        "a=rtcp:x",
        "a=rtcp-fb:96 unknown thing",
        "a=rtcp-fb:",
        "a=rtcp-xr:rcvr-rtt=all",
        "a=fmtp:96 ;;==;a;=b; c = d ;",
        "a=fmtp:",
        "a=fmtp:111",
        "a=rtpmap:",
        "a=rtpmap:x y/z",
        "a=rtpmap:127 NEWCODEC/90000",
        "a=candidate:1 1 tcp 1 192.0.2.1 9 typ host tcptype active",
        "a=candidate:1 1 udp 1 name.local 9 typ host",
        "a=candidate:nonsense",
        "a=candidate:",
        "a=end-of-candidates",
        "a=ice-options:trickle renomination",
        "a=ice-options:ice2",
        "a=ice-options:",
        "a=tls-id:abc",
        "a=tls-id:",
        "a=identity:eyJ",
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x",
        "a=fingerprint:sha-1 00:11",
        "a=fingerprint:md5 00:11",
        "a=fingerprint:sha-256 too:short",
        "a=fingerprint:",
        "a=bundle-only",
        "a=rtcp-mux-only",
        "a=rtcp-rsize",
        "a=framerate:30",
        "a=ptime:x",
        "a=maxptime:120",
        "a=sctp-port:5000",
        "a=label:?",
        "a=sideways",
        "a=new-attribute:with ; odd = syntax",
        "b=AS:x",
        "b=TIAS:2500000",
        "i=a camera",
        "k=clear:x",
        "c=IN IP6 ::",
        "c=",
        "y=unknown",
        "not a line",
    ],
)
def test_lines_that_are_not_needed_refuse_nothing(line: str) -> None:
    plain = take(make_offer(*BOTH))
    for offer in (with_line(line), make_offer(*BOTH) + line + "\r\n", with_line(line, "a=rtcp-mux")):
        diff = take(offer)
        assert [(each.mid, each.codec.name) for each in diff.incoming] == [("0", "opus"), ("1", "VP8")]
        assert diff.remote == plain.remote
    first, _, rest = make_offer(*BOTH).partition("m=")
    assert take(f"{first}{line}\r\nm={rest}").remote == plain.remote


def test_labels_are_kept_as_far_as_they_are_labels() -> None:
    offer = make_offer(("video", "sendonly"))
    assert "a=msid:stream track\r\n" in offer
    for label, stream_id, track_id in (
        ("a=msid:s t u", "s", "t"),
        ("a=msid:- t", "", "t"),
        ("a=msid:user1@host-a cam", "", "cam"),
        ("a=msid:s \u00e9", "s", ""),
        ("a=ssrc:5 msid:s t u", "s", "t"),
    ):
        (video,) = take(offer.replace("a=msid:stream track", label)).incoming
        assert (video.stream_id, video.track_id) == (stream_id, track_id)


@pytest.mark.parametrize(
    ("fingerprint", "values"),
    [
        (f"a=fingerprint:SHA-256 {FINGERPRINT.lower()}", [("sha-256", FINGERPRINT)]),
        (f"a=fingerprint:sha-256  {FINGERPRINT} ", [("sha-256", FINGERPRINT)]),
        (f"a=fingerprint:sha-1 00\r\na=fingerprint:sha-256 {FINGERPRINT}", [("sha-256", FINGERPRINT)]),
        (
            f"a=fingerprint:sha-256 {FINGERPRINT}\r\na=fingerprint:sha-384 {OTHER_FINGERPRINT}",
            [("sha-256", FINGERPRINT), ("sha-384", OTHER_FINGERPRINT.upper())],
        ),
    ],
)
def test_fingerprints_come_in_many_forms(fingerprint: str, values: list[tuple[str, str]]) -> None:
    offer = make_offer(*BOTH).replace(f"a=fingerprint:sha-256 {FINGERPRINT}", fingerprint)
    assert list(take(offer).remote.fingerprints) == values


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("a=fingerprint:sha-256 " + FINGERPRINT, "a=x", "a=fingerprint is missing.*sha-256, sha-384 or sha-512"),
        ("a=fingerprint:sha-256", "a=fingerprint:sha-1", "a=fingerprint:sha-1.*is not enough"),
        (FINGERPRINT, FINGERPRINT[3:], "is not enough"),
        ("a=ice-ufrag:abcd", "a=ice-ufrag:ab", "a=ice-ufrag must be 4 to 256"),
        ("a=ice-ufrag:abcd", "a=x", "a=ice-ufrag must be 4 to 256"),
        ("a=ice-pwd:" + "p" * 22, "a=ice-pwd:p", "a=ice-pwd must be 22 to 256"),
        ("a=rtcp-mux", "a=x", "'0': a=rtcp-mux is required"),
        ("a=mid:1", "a=ice-lite", "a=ice-lite"),
        ("a=mid:1", "a=mid:0", "a=mid:0 of media section 2: two media sections have it"),
        ("a=mid:1", "a=mid:a b", "a=mid:a b of media section 2: takes 1 to 64 characters"),
        ("UDP/TLS/RTP/SAVPF", "RTP/AVP", "UDP/TLS/RTP/SAVPF.*opus"),
        ("UDP/TLS/RTP/SAVPF 96", "RTP/AVPF 96", "'1': m=video over RTP/AVPF.*Accepted: UDP/TLS/RTP/SAVPF"),
    ],
)
def test_what_protects_or_makes_media_possible_is_required(old: str, new: str, message: str) -> None:
    offer = make_offer(*BOTH)
    assert old in offer
    with pytest.raises(NegotiationError, match=message):
        take(offer.replace(old, new))


@pytest.mark.parametrize(
    ("lines", "direction"),
    [
        ("", Direction.SENDRECV),
        ("a=sideways", Direction.SENDRECV),
        ("a=sendrecv\r\na=sendonly", Direction.SENDONLY),
        ("a=sendonly\r\na=recvonly", Direction.RECVONLY),
    ],
)
def test_the_last_direction_counts_and_none_is_both(local: LocalTransport, lines: str, direction: Direction) -> None:
    answerer = Answerer(max_media=8, rng=random.Random(1))
    diff = answerer.handle_offer(make_offer(("audio", "sendonly")).replace("a=sendonly", lines))
    assert (bool(diff.incoming), bool(diff.slots)) == (direction.sends, direction.receives)


@pytest.mark.parametrize(
    "protocol", ["UDP/TLS/RTP/SAVP", "TCP/DTLS/RTP/SAVPF", "RTP/SAVPF", "RTP/SAVP", "udp/tls/rtp/savpf"]
)
def test_the_profile_is_answered_as_it_is_written(local: LocalTransport, protocol: str) -> None:
    answerer = Answerer(max_media=8, rng=random.Random(1))
    assert answerer.handle_offer(make_offer(*BOTH).replace("UDP/TLS/RTP/SAVPF", protocol)).incoming
    assert [media.protocol for media in parse_sdp(answerer.build_answer(local)).media] == [protocol] * 2


@pytest.mark.parametrize("port", ["9", "54321", "9/2", "0\r\na=bundle-only"])
def test_the_port_says_nothing_but_zero(port: str) -> None:
    offer = make_offer(*BOTH)
    line = "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n"
    number, _, rest = port.partition("\r\n")
    other = line.replace(" 9 ", f" {number} ") + (f"{rest}\r\n" if rest else "")
    assert len(take(offer.replace(line, other)).incoming) == 2
    assert len(take(offer.replace(line, line.replace(" 9 ", " 0 "))).incoming) == 1


@pytest.mark.parametrize(
    "section",
    [
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=sctp-port:5000",
        "m=application 9 DTLS/SCTP 5000\r\na=sctpmap:5000 webrtc-datachannel 1024",
        "m=text 9 UDP/TLS/RTP/SAVPF 98",
        "m=message 9 TCP/MSRP *",
        "m=video 9 RTP/AVP 31\r\na=recvonly",
        "m=audio 0 UDP/TLS/RTP/SAVPF 0\r\na=mid:" + "x" * 100,
        "m=audio 0 UDP/TLS/RTP/SAVPF 0\r\na=mid:0",
    ],
)
def test_sections_of_other_kinds_are_declined_alone(local: LocalTransport, section: str) -> None:
    answerer = Answerer(max_media=8, rng=random.Random(1))
    for offer in (make_offer(*BOTH) + section + "\r\n", make_offer(*BOTH).replace("m=audio", f"{section}\r\nm=audio")):
        answerer = Answerer(max_media=8, rng=random.Random(1))
        assert [each.mid for each in answerer.handle_offer(offer).incoming] == ["0", "1"]
        ports = [bool(media.port) for media in parse_sdp(answerer.build_answer(local)).media]
        assert sorted(ports) == [False, True, True]


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("opus/48000", "opus/48000"),
        ("opus/48000/1", "opus/48000/1"),
        ("OPUS/48000/2", "opus/48000/2"),
        ("opus/48000/2 ", "opus/48000/2"),
    ],
)
def test_opus_may_leave_out_its_channels(local: LocalTransport, name: str, written: str) -> None:
    answerer = Answerer(max_media=8, rng=random.Random(1))
    answerer.handle_offer(make_offer(("audio", "sendonly")).replace("opus/48000/2", name))
    assert f"a=rtpmap:111 {written}\r\n" in answerer.build_answer(local)


def test_an_id_with_two_meanings_is_agreed_on_by_nobody() -> None:
    answerer = Answerer(max_media=8, rng=random.Random(1))
    offer = make_offer(*BOTH)
    level = f"a=extmap:1 {Extension.AUDIO_LEVEL.uri}\r\na=extmap:2 {Extension.MID.uri}\r\n"
    time = f"a=extmap:1 {Extension.ABS_SEND_TIME.uri}\r\na=extmap:2 {Extension.MID.uri}\r\n"
    offer = offer.replace("a=mid:0\r\n", f"a=mid:0\r\n{level}").replace("a=mid:1\r\n", f"a=mid:1\r\n{time}")
    answerer.handle_offer(offer)
    assert answerer.extension_ids == {Extension.MID: 2}


@pytest.mark.parametrize(
    ("lines", "rids"),
    [
        ("a=rid:q send\r\na=rid:f send\r\na=simulcast:send q;f", ["q", "f"]),
        ("a=rid:q send\r\na=rid:f send\r\na=simulcast: send rid=q;f", ["q", "f"]),
        ("a=rid:q send\r\na=rid:f send\r\na=simulcast:send q;h;f;f;~q", ["q", "f"]),
        ("a=rid:q send\r\na=rid:f recv\r\na=simulcast:send q;f", ["q"]),
        ("a=rid:q send\r\na=rid:$ send\r\na=simulcast:send q;$", ["q"]),
        ("a=rid:q send\r\na=simulcast:send ;;~,;", [""]),
        ("a=rid:q send", [""]),
    ],
)
def test_the_encodings_that_are_declared_are_taken(lines: str, rids: list[str]) -> None:
    offer = make_offer(("video", "sendonly")).replace("a=sendonly", f"a=sendonly\r\n{lines}")
    (video,) = take(offer).incoming
    assert [each.rid for each in video.encodings] == rids


def test_what_the_encoder_does_is_not_said_by_the_answer(local: LocalTransport) -> None:
    """RFC 6184 section 8.2.2: parameter sets in an answer would be ours."""
    sets = "Z0LAH9oC0EaAAAADAIAAAB5HjBlQ," * 20
    fmtp = f"a=fmtp:96 packetization-mode=1;profile-level-id=42e01f;sprop-parameter-sets={sets}"
    offer = make_offer(("video", "sendonly")).replace("VP8/90000", f"H264/90000\r\n{fmtp}")
    answerer = Answerer(max_media=8, rng=random.Random(1))
    (video,) = answerer.handle_offer(offer).incoming
    assert video.codec.parameters["sprop-parameter-sets"] == sets
    assert "a=fmtp:96 packetization-mode=1;profile-level-id=42e01f\r\n" in answerer.build_answer(local)


@pytest.mark.parametrize("direction", ["a=sendrecv\r\n", ""])
def test_what_an_answer_would_send_unasked_is_not_taken(
    offerer: Offerer, client: Client, local: LocalTransport, outgoing: MakeOutgoing, direction: str
) -> None:
    """Some clients answer so, or leave the direction out, which means the same (RFC 8866 section 6.7)."""
    offerer.add(outgoing("opus", 1))
    offerer.add(outgoing("VP8", 2))
    answer = client.answer(offerer.build_offer(local))
    diff = offerer.handle_answer(answer.replace("a=recvonly\r\n", direction))
    assert (set(diff.accepted), diff.incoming) == ({"0", "1"}, [])
