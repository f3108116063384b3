from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from sfu.negotiation import Answerer, Candidate, LocalTransport, NegotiationError, NoCommonCodecError, Outgoing
from sfu.negotiation.sdp import MediaDescription, SessionDescription, parse_sdp
from sfu.wire.extensions import Extension
from tests.unit.negotiation.conftest import MakeOutgoing
from tests.unit.offers import make_offer

Vector = Callable[[str], str]


def direction(media: MediaDescription) -> str:
    (found,) = [name for name, _ in media.attributes if name in ("sendrecv", "sendonly", "recvonly", "inactive")]
    return found


def answered(answerer: Answerer, local: LocalTransport) -> SessionDescription:
    return parse_sdp(answerer.build_answer(local))


@pytest.mark.parametrize(
    ("name", "video", "payload_type"),
    [
        ("chromium_publisher", "VP8", 96),
        ("chromium_publisher_vp8", "VP8", 96),
        ("chromium_publisher_vp9", "VP9", 98),
        ("chromium_publisher_h264", "H264", 108),
        ("chromium_publisher_av1", "AV1", 45),
        ("firefox_publisher", "VP8", 120),
        ("firefox_publisher_vp9", "VP9", 121),
        ("firefox_publisher_av1", "AV1", 99),
    ],
)
def test_a_publisher(
    vector: Vector, answerer: Answerer, local: LocalTransport, name: str, video: str, payload_type: int
) -> None:
    offer = vector(name)
    diff = answerer.handle_offer(offer)
    assert diff.slots == []
    assert not diff.restarted
    audio, picture = diff.incoming
    assert (audio.kind, audio.codec.name) == ("audio", "opus")
    assert (picture.kind, picture.codec.name, picture.codec.payload_type) == ("video", video, payload_type)
    fid = offer.partition("a=ssrc-group:FID ")[2].split()
    (stream,) = picture.encodings
    assert (stream.rid, stream.ssrc, stream.repair_ssrc) == ("", int(fid[0]), int(fid[1]))
    assert audio.stream_id == picture.stream_id != ""
    assert f"a=msid:{picture.stream_id} {picture.track_id}\r\n" in offer
    assert f"a=ssrc:{stream.ssrc} cname:{picture.cname}\r\n" in offer

    answer = answered(answerer, local)
    assert answer.attributes.first("group") == "BUNDLE 0 1"
    assert "ice-lite" in answer.attributes
    assert [direction(media) for media in answer.media] == ["recvonly", "recvonly"]
    assert [media.formats for media in answer.media] == [
        tuple(str(number) for number in (audio.codec.payload_type, audio.codec.redundant_type) if number),
        (str(payload_type), str(picture.codec.repair_type)),
    ]
    assert f"a=fmtp:{picture.codec.repair_type} apt={payload_type}\r\n" in offer
    for media in answer.media:
        assert media.attributes.first("setup") == "passive"
        assert media.attributes.first("ice-ufrag") == "ours"
        assert media.attributes.first("fingerprint") == " ".join(local.fingerprint)
        assert "rtcp-mux" in media.attributes
        assert "ssrc" not in media.attributes
    assert answer.media[1].attributes.all("rtcp-fb") == [
        f"{payload_type} {item}" for item in ("nack", "nack pli", "ccm fir")
    ]
    assert answer.media[0].connection == "IN IP4 192.0.2.1"
    assert answer.media[0].port == 5000


def test_a_candidate_of_tcp_is_one_to_connect_to_and_comes_behind_all_of_udp() -> None:
    by_udp, by_tcp = Candidate("192.0.2.1", 5000).line(7), Candidate("192.0.2.1", 443, tcp=True).line(0)
    assert by_tcp == f"1 1 tcp {(90 << 24) | (65535 << 8) | 255} 192.0.2.1 443 typ host tcptype passive"
    assert int(by_udp.split()[3]) > int(by_tcp.split()[3])


def test_candidates_stand_in_the_first_section_only(vector: Vector, answerer: Answerer, local: LocalTransport) -> None:
    answerer.handle_offer(vector("chromium_publisher"))
    first, second = answered(answerer, local).media
    assert first.attributes.all("candidate") == [
        "1 1 udp 2130706431 192.0.2.1 5000 typ host",
        "2 1 udp 2130706175 2001:db8::1 5000 typ host",
    ]
    assert "end-of-candidates" in first.attributes
    assert "candidate" not in second.attributes


def test_header_extensions(vector: Vector, answerer: Answerer, local: LocalTransport) -> None:
    answerer.handle_offer(vector("chromium_publisher"))
    assert answerer.extension_ids == {
        Extension.AUDIO_LEVEL: 1,
        Extension.ABS_SEND_TIME: 2,
        Extension.MID: 4,
        Extension.PLAYOUT_DELAY: 5,
        Extension.RID: 10,
        Extension.RRID: 11,
        Extension.VIDEO_ORIENTATION: 13,
    }
    audio, _ = answered(answerer, local).media
    assert sorted(value.split()[0] for value in audio.attributes.all("extmap")) == ["1", "2", "4"]


def test_a_one_way_extension_is_answered_the_other_way(
    vector: Vector, answerer: Answerer, local: LocalTransport
) -> None:
    answerer.handle_offer(vector("firefox_publisher"))
    _, video = answered(answerer, local).media
    assert f"6/sendonly {Extension.PLAYOUT_DELAY.uri}" in video.attributes.all("extmap")


def test_the_transport_wide_sequence_number_is_agreed_to_on_request(vector: Vector, local: LocalTransport) -> None:
    answerer = Answerer(max_media=8, rng=random.Random(1), transport_cc=True)
    answerer.handle_offer(vector("chromium_publisher"))
    assert answerer.extension_ids[Extension.TRANSPORT_SEQUENCE] == 3
    assert "111 transport-cc" in answered(answerer, local).media[0].attributes.all("rtcp-fb")


def test_opus_parameters_are_granted_and_fec_is_asked_for(
    vector: Vector, answerer: Answerer, local: LocalTransport
) -> None:
    offer = vector("chromium_publisher").replace("minptime=10;useinbandfec=1", "minptime=10;stereo=1;usedtx=1")
    answerer.handle_offer(offer)
    audio, _ = answered(answerer, local).media
    assert audio.attributes.first("fmtp") == "111 minptime=10;stereo=1;usedtx=1;useinbandfec=1"


@pytest.mark.parametrize("preferences", [("opus", "AV1", "H264"), ("opus", "H264", "AV1")])
def test_of_the_codecs_that_we_take_the_offers_first_is_chosen(vector: Vector, preferences: tuple[str, ...]) -> None:
    """RFC 3264 section 6.1: some clients send their first whatever the answer says."""
    answerer = Answerer(max_media=8, rng=random.Random(1), preferences=preferences)
    _, video = answerer.handle_offer(vector("chromium_publisher")).incoming
    assert video.codec.name == "H264"


@pytest.mark.parametrize("name", ["chromium_simulcast", "firefox_simulcast"])
def test_all_encodings_of_a_simulcast_are_taken(
    vector: Vector, answerer: Answerer, local: LocalTransport, name: str
) -> None:
    _, video = answerer.handle_offer(vector(name)).incoming
    assert [stream.rid for stream in video.encodings] == ["q", "h", "f"]
    assert {(stream.ssrc, stream.repair_ssrc) for stream in video.encodings} == {(None, None)}
    media = answered(answerer, local).media[1]
    assert media.attributes.all("rid") == ["q recv", "h recv", "f recv"]
    assert media.attributes.first("simulcast") == "recv q;h;f"
    for extension in (Extension.RID, Extension.RRID):
        assert any(extension.uri in value for value in media.attributes.all("extmap"))


@pytest.mark.parametrize("name", ["chromium_subscriber", "firefox_subscriber"])
def test_a_subscriber_gets_what_is_assigned(
    vector: Vector, answerer: Answerer, local: LocalTransport, outgoing: MakeOutgoing, name: str
) -> None:
    diff = answerer.handle_offer(vector(name))
    assert diff.incoming == []
    assert [(slot.mid, slot.kind, slot.filled) for slot in diff.slots] == [
        ("0", "audio", False),
        ("1", "video", False),
    ]
    codec = answerer.assign("1", outgoing("VP9", 99))
    assert codec.payload_type == next(item.payload_type for item in diff.slots[1].codecs if item.name == "VP9")
    audio, video = answered(answerer, local).media
    assert direction(audio) == "inactive"
    assert "msid" not in audio.attributes
    assert direction(video) == "sendonly"
    assert video.formats == (str(codec.payload_type), str(codec.repair_type))
    assert video.attributes.first("msid") == "alice track-99"
    assert video.attributes.all("ssrc") == ["99 cname:cname-of-alice", "99 msid:alice track-99"]

    answerer.assign("1", None)
    assert direction(answered(answerer, local).media[1]) == "inactive"


def test_a_section_can_go_both_ways_with_two_codecs(
    vector: Vector, answerer: Answerer, local: LocalTransport, outgoing: MakeOutgoing
) -> None:
    diff = answerer.handle_offer(vector("chromium_sendrecv"))
    assert [item.mid for item in diff.incoming] == [slot.mid for slot in diff.slots] == ["0", "1"]
    answerer.assign("1", outgoing("H264"))
    audio, video, data = answered(answerer, local).media
    assert direction(audio) == "recvonly"
    assert direction(video) == "sendrecv"
    assert video.formats == ("96", "97", "108", "109")  # what the client shall send comes first
    assert (data.kind, data.port) == ("application", 0)


def test_stereo_is_announced_to_the_subscriber(
    vector: Vector, answerer: Answerer, local: LocalTransport, outgoing: MakeOutgoing
) -> None:
    answerer.handle_offer(vector("chromium_sendrecv"))
    answerer.assign("0", outgoing("opus", stereo="1"))
    fmtp = answered(answerer, local).media[0].attributes.first("fmtp")
    assert fmtp == "111 minptime=10;useinbandfec=1;stereo=1;sprop-stereo=1"


def test_data_channels_are_declined_and_left_out_of_the_bundle(
    vector: Vector, answerer: Answerer, local: LocalTransport
) -> None:
    answerer.handle_offer(vector("firefox_sendrecv"))
    answer = answered(answerer, local)
    assert answer.attributes.first("group") == "BUNDLE 0 1"
    data = answer.media[2]
    assert (data.port, data.protocol, data.formats) == (0, "UDP/DTLS/SCTP", ("webrtc-datachannel",))
    assert data.attributes.first("mid") == "2"


def test_what_the_client_cannot_decode_cannot_be_assigned(
    vector: Vector, answerer: Answerer, outgoing: MakeOutgoing
) -> None:
    answerer.handle_offer(vector("firefox_subscriber"))  # without its H.264 plugin
    with pytest.raises(NegotiationError, match="no H264") as caught:
        answerer.assign("1", outgoing("H264"))
    assert caught.value.mid == "1"


def test_only_slots_can_be_assigned(vector: Vector, answerer: Answerer, outgoing: MakeOutgoing) -> None:
    answerer.handle_offer(vector("chromium_publisher"))
    for mid in ("0", "17"):
        with pytest.raises(KeyError):
            answerer.assign(mid, outgoing())


def test_no_answer_before_an_offer(answerer: Answerer, local: LocalTransport) -> None:
    with pytest.raises(RuntimeError, match="before handle_offer"):
        answerer.build_answer(local)


def test_a_publisher_without_a_common_codec_gets_no_half_answer(vector: Vector, local: LocalTransport) -> None:
    """RFC 9725 section 4.4."""
    answerer = Answerer(max_media=8, rng=random.Random(1), preferences=("opus", "H264", "AV1"))
    with pytest.raises(NoCommonCodecError, match=r"'1'.*Offered: VP8\. Accepted: H264, AV1$") as caught:
        answerer.handle_offer(vector("chromium_publisher_vp8"))
    assert caught.value.mid == "1"
    with pytest.raises(RuntimeError):
        answerer.build_answer(local)


@pytest.mark.parametrize(
    ("offered", "told"),
    [
        ("H264/90000\r\na=fmtp:96 packetization-mode=2", "H264/90000 packetization-mode=2"),
        ("VP8/8000", "VP8/8000"),
        ("H266/90000", "H266"),
        ("x" * 400 + "/90000", "x" * 100),
    ],
)
def test_a_refusal_tells_what_is_wrong_with_a_codec_that_we_take(answerer: Answerer, offered: str, told: str) -> None:
    offer = make_offer(("video", "sendonly")).replace("VP8/90000", offered)
    with pytest.raises(NoCommonCodecError, match=f"Offered: {told}.*Accepted: VP8, VP9, H264, AV1"):
        answerer.handle_offer(offer)


def test_a_viewers_section_without_a_common_codec_is_declined(vector: Vector, local: LocalTransport) -> None:
    """What cannot be sent into it is known once it is known what is published."""
    answerer = Answerer(max_media=8, rng=random.Random(1), preferences=("opus", "H264"))
    offer = vector("firefox_subscriber")
    diff = answerer.handle_offer(offer)
    assert [(slot.mid, bool(slot.codecs)) for slot in diff.slots] == [("0", True), ("1", False)]
    assert diff.slots[1].offered == ("VP8", "VP9", "AV1")
    answer = answered(answerer, local)
    assert answer.attributes.first("group") == "BUNDLE 0"
    assert answer.media[1].port == 0
    alone = Answerer(max_media=8, rng=random.Random(1), preferences=("H264",))
    with pytest.raises(NoCommonCodecError, match="Offered: opus"):
        alone.handle_offer(offer)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("a=rtcp-mux\r\n", "", "rtcp-mux"),
        ("a=mid:1\r\n", "a=mid:0\r\n", "two media sections"),
        ("a=mid:1\r\n", f"a=mid:{'x' * 65}\r\n", "1 to 64"),
        ("a=fingerprint:sha-256", "a=fingerprint:sha-1", "sha-256"),
        ("a=fingerprint:sha-256 ", "a=fingerprint:sha-256 Z", "is not enough"),
        ("a=fingerprint:", "a=x:", "is missing"),
        ("a=ice-ufrag:", "a=ice-ufrag:!", "ice-ufrag"),
        ("a=ice-pwd:", "a=x:", "ice-pwd"),
        ("s=-\r\n", "s=-\r\na=ice-lite\r\n", "ice-lite"),
        ("UDP/TLS/RTP/SAVPF", "RTP/AVP", "nothing in the offer"),
    ],
)
def test_offers_that_cannot_be_taken(
    vector: Vector, answerer: Answerer, local: LocalTransport, old: str, new: str, message: str
) -> None:
    offer = vector("chromium_publisher_vp8")
    assert old in offer
    with pytest.raises(NegotiationError, match=message):
        answerer.handle_offer(offer.replace(old, new))
    with pytest.raises(RuntimeError):
        answerer.build_answer(local)  # nothing of it stayed


def test_a_single_section_needs_no_bundle(vector: Vector, answerer: Answerer, local: LocalTransport) -> None:
    offer = vector("chromium_publisher").partition("m=video")[0].replace("a=group:BUNDLE 0 1\r\n", "")
    assert len(answerer.handle_offer(offer).incoming) == 1
    assert "group" not in answered(answerer, local).attributes


def test_a_bundle_only_section_is_not_a_refused_one(vector: Vector, answerer: Answerer) -> None:
    offer = vector("chromium_publisher").replace("m=video 9", "m=video 0")
    assert len(answerer.handle_offer(offer).incoming) == 1
    bundle_only = offer.replace("a=mid:1\r\n", "a=mid:1\r\na=bundle-only\r\n")
    assert len(answerer.handle_offer(bundle_only).incoming) == 2


def test_media_sections_are_limited(vector: Vector) -> None:
    answerer = Answerer(max_media=1, rng=random.Random(1))
    with pytest.raises(NegotiationError, match="at most 1 media section"):
        answerer.handle_offer(vector("chromium_publisher"))


def test_no_usable_section_is_a_clear_error(vector: Vector, answerer: Answerer) -> None:
    head, _, _, data = vector("chromium_sendrecv").split("m=")
    with pytest.raises(NegotiationError, match="needs an audio or video section"):
        answerer.handle_offer(head.replace("BUNDLE 0 1 2", "BUNDLE 2") + "m=" + data)


def test_an_outgoing_that_cannot_stand_in_sdp_is_the_callers_mistake(outgoing: MakeOutgoing) -> None:
    codec = outgoing().codec
    for ssrc, cname, stream, track in [
        (0, "c", "s", "t"),
        (1 << 32, "c", "s", "t"),
        (1, "c\r\na=x", "s", "t"),
        (1, "c", "s s", "t"),
        (1, "c", "s", ""),
        (1, "c", "s", "t" * 65),
    ]:
        with pytest.raises(ValueError, match="must be"):
            Outgoing(ssrc, cname, stream, track, codec)
