from __future__ import annotations

import pytest

from sfu.negotiation import Codec
from sfu.negotiation.capabilities import (
    answer_parameters,
    check_preferences,
    choose_codec,
    forwarded_parameters,
    read_codecs,
)
from sfu.negotiation.profiles import h264_profile
from sfu.negotiation.sdp import MediaDescription

RANKS = check_preferences(("opus", "VP8", "VP9", "H264", "AV1"))


def video(name: str, **parameters: str) -> Codec:
    return Codec("video", name, 90000, 0, 96, {key.replace("_", "-"): value for key, value in parameters.items()})


def section(*lines: str, formats: str = "96 97 98 99", kind: str = "video") -> MediaDescription:
    media = MediaDescription(kind, 9, "UDP/TLS/RTP/SAVPF", tuple(formats.split()))
    for line in lines:
        name, _, value = line.partition(":")
        media.attributes.add(name, value)
    return media


@pytest.mark.parametrize(
    ("profile_level_id", "profile"),
    [
        (None, "constrained-baseline"),
        ("42e01f", "constrained-baseline"),
        ("42C02A", "constrained-baseline"),
        ("4d801f", "constrained-baseline"),
        ("58c01f", "constrained-baseline"),
        ("64081f", "high"),  # progressive: what takes away from a profile leaves it that profile
        ("64401f", "high"),
        ("7a101f", "high-4:2:2"),
        ("42001f", "baseline"),
        ("58801f", "baseline"),
        ("4d001f", "main"),
        ("58001f", "extended"),
        ("64001f", "high"),
        ("640c1f", "constrained-high"),
        ("f4001f", "high-4:4:4"),
        ("42e01", None),
        ("42e01g", None),
        ("00001f", None),
    ],
)
def test_h264_profiles(profile_level_id: str | None, profile: str | None) -> None:
    """RFC 6184 table 5."""
    assert h264_profile(profile_level_id) == profile


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (video("VP8"), video("VP8", max_fs="12288"), True),
        (video("VP8"), video("vp8"), True),
        (video("VP8"), video("VP9"), False),
        (video("VP9"), video("VP9", profile_id="0"), True),
        (video("VP9"), video("VP9", profile_id="2"), False),
        (video("AV1"), video("AV1", profile="0", level_idx="5"), True),
        (video("AV1", profile="1"), video("AV1"), False),
        (
            video("H264", packetization_mode="1", profile_level_id="42e01f"),
            video("H264", packetization_mode="1", profile_level_id="42c034"),
            True,
        ),
        (
            video("H264", packetization_mode="1", profile_level_id="42e01f"),
            video("H264", packetization_mode="0", profile_level_id="42e01f"),
            False,
        ),
        (
            video("H264", packetization_mode="1", profile_level_id="42e01f"),
            video("H264", packetization_mode="1", profile_level_id="640c1f"),
            False,
        ),
        (video("H264", profile_level_id="42e01f"), video("H264"), True),
        (Codec("audio", "opus", 48000, 2, 111), Codec("audio", "opus", 48000, 0, 111), True),
        (Codec("audio", "opus", 48000, 2, 111), Codec("audio", "opus", 16000, 2, 111), False),
    ],
)
def test_codecs_match_by_what_two_sides_must_share(one: Codec, other: Codec, same: bool) -> None:
    assert one.matches(other) is same
    assert other.matches(one) is same


def test_only_usable_codecs_are_read() -> None:
    media = section(
        "rtpmap:96 VP8/90000",
        "rtpmap:97 rtx/90000",
        "fmtp:97 apt=96",
        "rtpmap:98 VP8/8000",  # no such clock rate
        "rtpmap:99 H264/90000",
        "fmtp:99 profile-level-id=zzzzzz",  # no such profile
        "rtpmap:72 VP9/90000",  # would look like RTCP
        "rtpmap:300 VP9/90000",
        "rtpmap:101 VP9/90000",
        "fmtp:101 profile-id=17",
        "rtpmap:102 VP9/90000",  # not in the m= line
        "rtpmap:103 H264/90000",
        "fmtp:103 packetization-mode=2;profile-level-id=42e01f",  # interleaved
        "rtpmap:104 VP9/90000",
        "fmtp:104 profile-id=high",
        formats="96 97 98 99 72 300 101 96 103 104",
    )
    assert [(codec.name, codec.payload_type) for codec in read_codecs(media, RANKS, transport_cc=False)] == [
        ("VP8", 96)
    ]


def test_feedback_is_what_both_know() -> None:
    media = section("rtpmap:96 VP8/90000", "rtcp-fb:96 nack", "rtcp-fb:96 transport-cc", "rtcp-fb:* ccm fir")
    (plain,) = read_codecs(media, RANKS, transport_cc=False)
    (with_cc,) = read_codecs(media, RANKS, transport_cc=True)
    assert plain.feedback == ("nack", "ccm fir")
    assert with_cc.feedback == ("nack", "ccm fir", "transport-cc")


def test_opus_is_repaired_where_the_client_asks_for_that() -> None:
    for more, expected in (((), ()), (("rtcp-fb:111 nack",), ("nack",))):
        media = section("rtpmap:111 opus/48000/2", *more, formats="111", kind="audio")
        (codec,) = read_codecs(media, RANKS, transport_cc=False)
        assert codec.feedback == expected


def test_parameter_sets_are_read_and_not_answered_with() -> None:
    sets = "Z0LAHtkA,aM48gA=="
    media = section("rtpmap:96 H264/90000", f"fmtp:96 profile-level-id=42e01f;sprop-parameter-sets={sets}")
    (codec,) = read_codecs(media, RANKS, transport_cc=False)
    assert codec.parameters["sprop-parameter-sets"] == sets
    assert "sprop-parameter-sets" not in answer_parameters(codec)


def test_h264_is_wanted_in_packetization_mode_1_and_constrained_baseline() -> None:
    media = section(
        *[f"rtpmap:{payload_type} H264/90000" for payload_type in range(96, 100)],
        "fmtp:96 packetization-mode=0;profile-level-id=42e01f",
        "fmtp:97 packetization-mode=1;profile-level-id=640c1f",
        "fmtp:98 packetization-mode=1; profile-level-id=42E01F; level-asymmetry-allowed=1",
        "fmtp:99 packetization-mode=1;profile-level-id=42001f",
    )
    chosen = choose_codec(read_codecs(media, RANKS, transport_cc=False))
    assert chosen is not None
    assert chosen.payload_type == 98


def test_the_order_of_preference_is_the_offers() -> None:
    codecs = [video("VP9", profile_id="2"), video("AV1"), video("VP9"), video("VP8")]
    assert choose_codec(codecs) == codecs[2]  # of one name, what most receivers decode
    assert choose_codec(codecs[1:]) == codecs[1]
    assert choose_codec([]) is None


def test_a_preference_goes_before_the_offers_order_where_it_is_offered() -> None:
    codecs = [video("VP8"), video("VP9", profile_id="2"), video("VP9")]
    assert choose_codec(codecs, "vp9") == codecs[2]
    assert choose_codec(codecs, "h264") == codecs[0]
    assert choose_codec(codecs, "red") == codecs[0]
    for maps, redundant in (("rtpmap:111 opus/48000/2", False), ("rtpmap:63 red/48000/2", True)):
        media = section(
            "rtpmap:111 opus/48000/2", *([maps, "fmtp:63 111/111"] if redundant else []), formats="111 63", kind="audio"
        )
        chosen = choose_codec(read_codecs(media, RANKS, transport_cc=False), "red")
        assert chosen is not None
        assert (chosen.name, chosen.payload_type, chosen.redundant_first) == ("opus", 111, redundant)


def test_an_unknown_preference_is_the_callers_mistake() -> None:
    with pytest.raises(ValueError, match="unknown codec 'VP7'"):
        check_preferences(["opus", "VP7"])


def test_what_a_publisher_wrote_does_not_reach_subscribers() -> None:
    hostile = Codec("audio", "opus", 48000, 2, 111, {"stereo": "1", "x": "<script>", "maxaveragebitrate": "1"})
    assert forwarded_parameters(hostile) == {
        "minptime": "10",
        "useinbandfec": "1",
        "stereo": "1",
        "sprop-stereo": "1",
    }
    with pytest.raises(ValueError, match="no codec that the server forwards"):
        forwarded_parameters(video("VP9", profile_id="<script>"))


@pytest.mark.parametrize(
    ("offered", "agreed"),
    [
        (("goog-remb",), ("goog-remb",)),
        (("goog-remb", "transport-cc"), ("transport-cc",)),  # one of them is enough
    ],
)
def test_remb_is_agreed_on_only_without_transport_wide_feedback(
    offered: tuple[str, ...], agreed: tuple[str, ...]
) -> None:
    media = section("rtpmap:96 VP8/90000", *(f"rtcp-fb:96 {feedback}" for feedback in offered))
    (codec,) = read_codecs(media, RANKS, transport_cc=True)
    assert codec.feedback == agreed
    (without,) = read_codecs(media, RANKS, transport_cc=False)
    assert without.feedback == ()
