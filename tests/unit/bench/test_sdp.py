from __future__ import annotations

import pytest

from bench.client import sdp
from bench.errors import BenchError
from bench.links import StreamPlan
from bench.servers.planning import agreed_transport_sequence, plan_encodings, plan_streams

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


def test_an_offer_names_what_browsers_name() -> None:
    sections = [
        sdp.offered_section("audio", "0", "sendonly", ssrc=77),
        sdp.offered_section("video", "1", "sendonly", ssrc=78, repair_ssrc=79),
    ]
    text = sdp.build(_LOCAL, sections, setup="actpass")
    audio, video = sdp.parse(text).sections
    assert set(audio.extensions) == {
        sdp.AUDIO_LEVEL_URI,
        sdp.ABS_SEND_TIME_URI,
        sdp.TRANSPORT_SEQUENCE_URI,
        sdp.MID_URI,
    }
    assert video.extensions[sdp.TRANSPORT_SEQUENCE_URI] == audio.extensions[sdp.TRANSPORT_SEQUENCE_URI]
    assert (video.ssrcs, video.repairs) == ([78, 79], {78: 79})
    assert video.payload_types == {"VP8": 96, "RTX": 97}
    assert "a=fmtp:97 apt=96" in text
    for feedback in ("transport-cc", "nack", "nack pli", "ccm fir", "goog-remb"):
        assert f"a=rtcp-fb:96 {feedback}\r\n" in text
    assert "a=rtcp-fb:111 transport-cc" in text


def test_without_feedback_neither_it_nor_retransmission_is_offered() -> None:
    sections = [
        sdp.offered_section(kind, kind, "sendonly", ssrc=77, repair_ssrc=78, feedback=False)
        for kind in ("audio", "video")
    ]
    text = sdp.build(_LOCAL, sections, setup="actpass")
    for word in ("nack", "transport", "rtx", "FID", "a=ssrc:78"):
        assert word not in text


def test_an_answer_takes_the_servers_numbers() -> None:
    offered = sdp.Section(
        "video",
        9,
        "v1",
        "sendonly",
        {"VP8": 101, "RTX": 102},
        {sdp.MID_URI: 7, sdp.TRANSPORT_SEQUENCE_URI: 9, "urn:other": 8},
    )
    section = sdp.answered_section(offered)
    assert (section.payload_type, section.mid, section.direction) == (101, "v1", "recvonly")
    assert section.extensions == {sdp.MID_URI: 7, sdp.TRANSPORT_SEQUENCE_URI: 9}
    text = sdp.build(_LOCAL, [section], setup="active")
    assert "a=rtcp-fb:101 nack pli" in text
    assert "a=fmtp:102 apt=101" in text
    assert sdp.answered_section(offered, feedback=False).extensions == {sdp.MID_URI: 7}


def _answered(**fields: object) -> sdp.Description:
    video = sdp.Section("video", 9, "0", "sendonly", {"VP8": 96, "RTX": 97}, {sdp.TRANSPORT_SEQUENCE_URI: 3}, [5, 6])
    video.repairs = {5: 6}
    for name, value in fields.items():
        setattr(video, name, value)
    return sdp.Description(sections=[video])


def test_a_subscriber_expects_the_streams_that_the_server_names() -> None:
    ours = [sdp.offered_section("video", "0", "recvonly")]
    assert plan_streams(ours, _answered()) == [StreamPlan("video", 5, 6)]
    assert plan_streams(ours, _answered(repairs={}, ssrcs=[5])) == [StreamPlan("video", 5)]
    assert agreed_transport_sequence(ours, _answered()) == 3
    assert agreed_transport_sequence(ours, _answered(extensions={})) == 0
    plain = [sdp.offered_section("video", "0", "recvonly", feedback=False)]
    assert plan_streams(plain, _answered()) == [StreamPlan("video", 5)]


@pytest.mark.parametrize("empty", [{"direction": "inactive"}, {"port": 0}, {"ssrcs": []}])
def test_a_section_that_stays_empty_is_an_error(empty: dict[str, object]) -> None:
    with pytest.raises(BenchError, match="sends nothing in the video section 0"):
        plan_streams([sdp.offered_section("video", "0", "recvonly")], _answered(repairs={}, **empty))


def test_a_publisher_sends_what_was_agreed_on() -> None:
    ours = [sdp.offered_section("video", "0", "sendonly", ssrc=5, repair_ssrc=6)]
    (plan,) = plan_encodings(ours, _answered(direction="recvonly"))
    assert (plan.ssrc, plan.repair_ssrc, plan.repair_type, plan.transport_sequence_id) == (5, 6, 97, 3)
    (plan,) = plan_encodings(ours, _answered(direction="recvonly", payload_types={"VP8": 96}, extensions={}))
    assert (plan.repair_ssrc, plan.repair_type, plan.transport_sequence_id) == (0, 0, 0)
    with pytest.raises(BenchError, match="declined the video section"):
        plan_encodings(ours, _answered(direction="inactive"))


def test_a_section_without_our_codec_is_an_error() -> None:
    with pytest.raises(sdp.SdpError, match="no VP8 in section v1"):
        sdp.answered_section(sdp.Section("video", 9, "v1", "sendonly", {"H264": 101}))


@pytest.mark.parametrize("missing", ["a=ice-pwd", "a=fingerprint", "a=candidate"])
def test_what_a_session_needs_must_be_there(missing: str) -> None:
    text = sdp.build(_LOCAL, [sdp.offered_section("video", "0", "recvonly")], setup="actpass")
    without = "\r\n".join(line for line in text.split("\r\n") if not line.startswith(missing))
    with pytest.raises(sdp.SdpError):
        sdp.parse(without)


def test_candidates_may_come_later() -> None:
    text = sdp.build(_LOCAL, [sdp.offered_section("audio", "0", "sendonly", ssrc=1)], setup="actpass")
    bare = "\r\n".join(line for line in text.splitlines() if not line.startswith("a=candidate"))
    with pytest.raises(sdp.SdpError):
        sdp.parse(bare)
    seen = sdp.parse(bare, trickled=True)
    for line in ("1 1 tcp 9 127.0.0.1 9 typ host", "1 1 udp 9 ::1 9 typ host", "1 2 udp 9 127.0.0.1 9 typ host", "1"):
        seen.take_candidate("candidate:" + line)
        assert seen.address is None
    seen.take_candidate("candidate:1 1 UDP 9 127.0.0.1 4000 typ host generation 0")
    seen.take_candidate("candidate:2 1 UDP 9 127.0.0.1 4001 typ host")
    assert seen.address == ("127.0.0.1", 4000), "the first that fits"
