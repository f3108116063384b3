"""What a participant offers, and what it makes of the answer."""

from __future__ import annotations

import pytest

from bench.client import sdp
from bench.errors import BenchError
from bench.links import StreamPlan
from bench.livekit.sections import TRAFFIC, Sections

_LOCAL = sdp.LocalIdentity("ufra", "p" * 24, "AA:BB", ("127.0.0.1", 5000))


def _offered(sections: Sections) -> sdp.Description:
    return sdp.parse(sdp.build(_LOCAL, sections.offered, setup="active"))


def test_it_offers_to_receive_three_of_each_kind_and_more_when_asked() -> None:
    sections = Sections()
    sections.receive(1, 2)
    seen = _offered(sections).sections
    assert [section.kind for section in seen] == ["audio"] * 3 + ["video"] * 3 + ["audio"] + ["video"] * 2
    assert {section.direction for section in seen} == {"recvonly"}
    assert len({section.mid for section in seen}) == len(seen)


def test_a_camera_is_offered_in_three_encodings_under_the_name_that_was_announced() -> None:
    sections = Sections()
    sections.publish("my-microphone", "my-camera")
    text = sdp.build(_LOCAL, sections.offered, setup="active")
    assert "a=msid:bench my-microphone\r\n" in text
    assert "a=msid:bench my-camera\r\n" in text
    camera = text[text.rindex("m=video") :]
    for line in ("a=rid:q send", "a=rid:h send", "a=rid:f send", "a=simulcast:send q;h;f"):
        assert line + "\r\n" in camera
    assert "a=ssrc" not in camera, "encodings are told apart by their rids alone"
    assert {sdp.RID_URI, sdp.REPAIRED_RID_URI} <= set(_offered(sections).sections[-1].extensions)


def _answer(sections: Sections) -> sdp.Description:
    """Takes all that is sent, and sends in the first section of each kind."""
    answer = _offered(sections)
    turned = {"sendonly": "recvonly", "recvonly": "inactive"}
    for section in answer.sections:
        section.direction = turned[section.direction]
    for kind, ssrcs, repairs in (("audio", [7], {}), ("video", [8, 9], {8: 9})):
        first = next(section for section in answer.sections if section.kind == kind)
        first.direction, first.ssrcs, first.repairs = "sendonly", ssrcs, repairs
    return answer


def test_what_is_sent_is_one_encoding_of_audio_and_three_of_video() -> None:
    sections = Sections()
    sections.publish("a", "v")
    plans = sections.plan_encodings(_answer(sections))
    assert [(plan.kind, plan.rid) for plan in plans] == [("audio", ""), ("q", "q"), ("h", "h"), ("f", "f")]
    assert all(plan.kind in TRAFFIC for plan in plans)
    assert len({ssrc for plan in plans for ssrc in (plan.ssrc, plan.repair_ssrc) if ssrc}) == 7, "each has its own"
    assert plans[0].rid_id == plans[0].repaired_rid_id == 0
    assert plans[3].rid_id and plans[3].repaired_rid_id
    assert len({plan.mid for plan in plans}) == 2


def test_what_comes_is_what_the_answer_sends() -> None:
    sections = Sections()
    sections.publish("a", "v")
    assert sections.plan_streams(_answer(sections)) == [StreamPlan("audio", 7), StreamPlan("video", 8, 9)]


def test_a_server_that_takes_no_simulcast_ends_the_run() -> None:
    sections = Sections()
    sections.publish("a", "v")
    answer = _answer(sections)
    del answer.sections[-1].extensions[sdp.RID_URI]
    with pytest.raises(BenchError, match="takes no simulcast"):
        sections.plan_encodings(answer)


def test_a_declined_section_ends_the_run() -> None:
    sections = Sections()
    sections.publish("a", "v")
    answer = _answer(sections)
    answer.sections[-1].port = 0
    with pytest.raises(BenchError, match="declined the video section"):
        sections.plan_encodings(answer)
