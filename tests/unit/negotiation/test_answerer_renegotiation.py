from __future__ import annotations

from collections.abc import Callable

import pytest

from sfu.negotiation import Answerer, LocalTransport, NegotiationError, parse_sdp_fragment
from sfu.negotiation.sdp import parse_sdp
from tests.unit.negotiation.conftest import MakeOutgoing

Vector = Callable[[str], str]


def in_section(offer: str, index: int, old: str, new: str) -> str:
    parts = offer.split("m=")
    assert old in parts[index + 1]
    parts[index + 1] = parts[index + 1].replace(old, new)
    return "m=".join(parts)


def with_credentials(offer: str, ufrag: str) -> str:
    lines = offer.split("\r\n")
    return "\r\n".join(f"a=ice-ufrag:{ufrag}" if line.startswith("a=ice-ufrag:") else line for line in lines)


def test_new_credentials_are_a_restart(vector: Vector, answerer: Answerer) -> None:
    offer = vector("chromium_publisher")
    assert not answerer.handle_offer(offer).restarted
    assert not answerer.handle_offer(offer).restarted
    diff = answerer.handle_offer(with_credentials(offer, "fresh"))
    assert diff.restarted
    assert diff.remote.ufrag == "fresh"
    assert diff.ended == diff.withdrawn == []
    assert not answerer.handle_offer(with_credentials(offer, "fresh")).restarted


def test_a_restart_by_fragment_is_not_noticed_twice(vector: Vector, answerer: Answerer) -> None:
    offer = vector("chromium_publisher")
    remote = answerer.handle_offer(offer).remote
    same = parse_sdp_fragment(f"a=ice-ufrag:{remote.ufrag}\r\na=ice-pwd:{remote.pwd}\r\n")
    assert not answerer.note_restart(same)
    fresh = parse_sdp_fragment(f"a=ice-ufrag:fresh\r\na=ice-pwd:{remote.pwd}\r\n")
    assert answerer.note_restart(fresh)
    assert not answerer.handle_offer(with_credentials(offer, "fresh")).restarted
    assert not answerer.note_restart(parse_sdp_fragment("a=end-of-candidates\r\n"))
    with pytest.raises(NegotiationError, match="ice-ufrag"):
        answerer.note_restart(parse_sdp_fragment("a=ice-ufrag:x\r\na=ice-pwd:y\r\n"))


def test_a_fragment_before_an_offer_is_refused(answerer: Answerer) -> None:
    with pytest.raises(NegotiationError, match="no session"):
        answerer.note_restart(parse_sdp_fragment(""))


def test_a_changed_direction_ends_what_came_in(vector: Vector, answerer: Answerer) -> None:
    offer = vector("chromium_publisher")
    answerer.handle_offer(offer)
    diff = answerer.handle_offer(in_section(offer, 1, "a=sendonly", "a=inactive"))
    assert diff.ended == ["1"]
    assert [item.mid for item in diff.incoming] == ["0"]
    assert answerer.handle_offer(offer).ended == []


def test_a_changed_direction_withdraws_what_was_assigned(
    vector: Vector, answerer: Answerer, local: LocalTransport, outgoing: MakeOutgoing
) -> None:
    offer = vector("chromium_subscriber")
    answerer.handle_offer(offer)
    answerer.assign("0", outgoing("opus", 1))
    answerer.assign("1", outgoing("VP8", 2))
    assert [slot.filled for slot in answerer.handle_offer(offer).slots] == [True, True]
    diff = answerer.handle_offer(in_section(offer, 1, "a=recvonly", "a=inactive"))
    assert diff.withdrawn == ["1"]
    assert [(slot.mid, slot.filled) for slot in diff.slots] == [("0", True)]
    answer = answerer.build_answer(local)
    assert "a=ssrc:1 " in answer
    assert "a=ssrc:2 " not in answer
    assert [(slot.mid, slot.filled) for slot in answerer.handle_offer(offer).slots] == [("0", True), ("1", False)]


def test_losing_the_codec_withdraws_too(vector: Vector, answerer: Answerer, outgoing: MakeOutgoing) -> None:
    offer = vector("chromium_subscriber")
    answerer.handle_offer(offer)
    answerer.assign("1", outgoing("AV1"))
    diff = answerer.handle_offer(offer.replace("AV1/90000", "nothing/90000"))
    assert diff.withdrawn == ["1"]


def test_sections_may_be_added_but_neither_dropped_nor_swapped(
    vector: Vector, answerer: Answerer, local: LocalTransport
) -> None:
    offer = vector("chromium_publisher")
    head, audio, video = offer.split("m=")
    third = video.replace("a=mid:1\r\n", "a=mid:2\r\n")
    grown = "m=".join([head.replace("BUNDLE 0 1", "BUNDLE 0 1 2"), audio, video, third])
    answerer.handle_offer(offer)
    assert [item.mid for item in answerer.handle_offer(grown).incoming] == ["0", "1", "2"]
    answer = answerer.build_answer(local)
    for bad in (offer, "m=".join([head.replace("BUNDLE 0 1", "BUNDLE 0 1 2"), video, audio, third])):
        with pytest.raises(NegotiationError):
            answerer.handle_offer(bad)
    # What raised has changed nothing but the version that each answer counts up.
    assert parse_sdp(answerer.build_answer(local)).media == parse_sdp(answer).media


def test_a_stopped_section_can_be_recycled_under_another_mid(vector: Vector, answerer: Answerer) -> None:
    offer = vector("chromium_publisher")
    answerer.handle_offer(offer)
    stopped = in_section(offer, 1, "video 9", "video 0").replace("BUNDLE 0 1", "BUNDLE 0")
    assert answerer.handle_offer(stopped).ended == ["1"]
    recycled = in_section(offer, 1, "a=mid:1", "a=mid:7").replace("BUNDLE 0 1", "BUNDLE 0 7")
    diff = answerer.handle_offer(recycled)
    assert [item.mid for item in diff.incoming] == ["0", "7"]
    assert diff.ended == []


def test_stopping_everything_keeps_the_transport(vector: Vector, answerer: Answerer, local: LocalTransport) -> None:
    offer = vector("chromium_publisher")
    remote = answerer.handle_offer(offer).remote
    stopped = offer.replace("audio 9", "audio 0").replace("video 9", "video 0")
    diff = answerer.handle_offer(stopped.replace("BUNDLE 0 1", "BUNDLE"))
    assert diff.ended == ["0", "1"]
    assert diff.remote == remote
    assert [media.port for media in parse_sdp(answerer.build_answer(local)).media] == [0, 0]


def test_another_certificate_needs_another_connection(vector: Vector, answerer: Answerer) -> None:
    offer = vector("chromium_publisher")
    answerer.handle_offer(offer)
    digest = offer.partition("sha-256 ")[2][:95]
    with pytest.raises(NegotiationError, match="fingerprint changed"):
        answerer.handle_offer(offer.replace(digest, digest[::-1]))


def test_the_version_counts_up_and_the_session_stays(vector: Vector, answerer: Answerer, local: LocalTransport) -> None:
    answerer.handle_offer(vector("chromium_publisher"))
    origins = [parse_sdp(answerer.build_answer(local)).origin.split() for _ in range(2)]
    assert origins[0][1] == origins[1][1]
    assert int(origins[1][2]) == int(origins[0][2]) + 1
