"""Which sections share the one transport (RFC 9143), and where what they share may stand (RFC 8859)."""

from __future__ import annotations

import itertools

import pytest

from sfu.negotiation import Answerer, LocalTransport, NegotiationError, Offerer, build_sdp_fragment
from sfu.negotiation.sdp import SessionDescription, parse_sdp
from sfu.wire.extensions import Extension
from tests.unit.negotiation.conftest import Client, MakeOutgoing
from tests.unit.offers import FINGERPRINT, make_offer

BOTH = (("audio", "sendonly"), ("video", "sendonly"))
GROUP = "a=group:BUNDLE 0 1\r\n"
TRANSPORT = (f"a=ice-ufrag:abcd\r\na=ice-pwd:{'p' * 22}\r\na=fingerprint:sha-256 {FINGERPRINT}\r\na=setup:actpass\r\n",)
SHARED = (*TRANSPORT, "a=rtcp-mux\r\n")
DATA = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:data\r\n"


def in_section(offer: str, index: int, old: str, new: str) -> str:
    parts = offer.split("m=")
    assert old in parts[index + 1]
    parts[index + 1] = parts[index + 1].replace(old, new)
    return "m=".join(parts)


def answered(answerer: Answerer, local: LocalTransport) -> SessionDescription:
    return parse_sdp(answerer.build_answer(local))


@pytest.mark.parametrize(
    ("group", "answer"),
    [
        ("a=group:BUNDLE 0 1 2\r\n", "BUNDLE 0 1"),
        ("a=group:BUNDLE nobody 0 1\r\n", "BUNDLE 0 1"),
        ("a=group:BUNDLE 0 0 1 1\r\n", "BUNDLE 0 1"),
        ("a=group:BUNDLE 1 0\r\n", "BUNDLE 0 1"),
        ("a=group:BUNDLE  0   1 \r\n", "BUNDLE 0 1"),
        ("a=group:LS 0 1\r\na=group:BUNDLE 0 1\r\n", "BUNDLE 0 1"),
        ("a=group:BUNDLE 0 1\r\na=group:BUNDLE 0 1\r\n", "BUNDLE 0 1"),
        ("a=group:BUNDLE\r\na=group:BUNDLE 0 1\r\n", "BUNDLE 0 1"),
        ("a=group:BUNDLE nobody\r\na=group:BUNDLE 0 1\r\n", "BUNDLE 0 1"),
        ("a=group:BUNDLE 0\r\na=group:BUNDLE 1\r\n", "BUNDLE 0"),  # with one transport, as their attributes say
        ("a=group:BUNDLE 1\r\n", "BUNDLE 1"),
        ("a=group:BUNDLE 0\r\n", "BUNDLE 0"),
        ("a=group:BUNDLE\r\n", None),
        ("a=group:\r\n", None),
        ("", None),
    ],
)
def test_groups_are_taken_as_far_as_there_are_sections(
    answerer: Answerer, local: LocalTransport, group: str, answer: str | None
) -> None:
    diff = answerer.handle_offer(make_offer(*BOTH).replace(GROUP, group))
    assert [each.mid for each in diff.incoming] == ["0", "1"]
    session = answered(answerer, local)
    assert session.attributes.first("group") == answer
    bundled = (answer or "").split()
    for index, media in enumerate(session.media):
        # Before a client knows of a bundle it looks for candidates in each section.
        first = not bundled or bundled[1:2] == [str(index)]
        assert ("candidate" in media.attributes) == (first or str(index) not in bundled)


@pytest.mark.parametrize("group", ["", "a=group:BUNDLE 0\r\n", "a=group:BUNDLE 0\r\na=group:BUNDLE 1\r\n"])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a=ice-ufrag:abcd", "a=ice-ufrag:other"),
        ("a=ice-pwd:p", "a=ice-pwd:q"),
        (f"sha-256 {FINGERPRINT}", f"sha-256 {FINGERPRINT.replace('AB', 'EF')}"),
    ],
)
def test_a_section_with_a_transport_of_its_own_does_not_fit(
    answerer: Answerer, local: LocalTransport, group: str, old: str, new: str
) -> None:
    offer = in_section(make_offer(*BOTH).replace(GROUP, group), 1, old, new)
    with pytest.raises(NegotiationError, match="'1': it has a transport of its own") as caught:
        answerer.handle_offer(offer)  # no half answers to who sends
    assert caught.value.mid == "1"
    viewer = answerer.handle_offer(offer.replace("sendonly", "recvonly"))
    assert [slot.mid for slot in viewer.slots] == ["0"]
    assert [bool(media.port) for media in answered(answerer, local).media] == [True, False]


@pytest.mark.parametrize(("which", "shared"), list(itertools.product((0, 1), SHARED)))
def test_what_a_group_shares_may_stand_in_any_of_its_sections(answerer: Answerer, which: int, shared: str) -> None:
    offer = in_section(make_offer(*BOTH), which, shared.partition("\r\n")[0], "a=x")
    lines = shared.split("\r\n")[:-1]
    for line in lines:
        offer = offer if line not in offer.split("m=")[which + 1] else in_section(offer, which, line, "a=x")
    diff = answerer.handle_offer(offer)
    assert len(diff.incoming) == 2
    assert (diff.remote.ufrag, diff.remote.setup) == ("abcd", "active")


@pytest.mark.parametrize("shared", SHARED)
def test_what_a_group_shares_may_stand_at_the_session_level_only(answerer: Answerer, shared: str) -> None:
    offer = make_offer(*BOTH).replace(shared, "").replace(GROUP, GROUP + shared)
    for made in (offer, offer.replace(GROUP, "")):
        diff = answerer.handle_offer(made)
        assert len(diff.incoming) == 2
        assert (diff.remote.ufrag, diff.remote.setup) == ("abcd", "active")


@pytest.mark.parametrize("group", ["0 1 data", "data 0 1"])
@pytest.mark.parametrize("first", [True, False])
def test_the_transport_may_stand_in_the_data_section_only(
    answerer: Answerer, local: LocalTransport, group: str, first: bool
) -> None:
    offer = make_offer(*BOTH).replace(TRANSPORT[0], "").replace("BUNDLE 0 1", f"BUNDLE {group}")
    data = DATA + TRANSPORT[0]
    offer = offer.replace("m=audio", data + "m=audio", 1) if first else offer + data
    diff = answerer.handle_offer(offer)
    assert [each.mid for each in diff.incoming] == ["0", "1"]
    assert diff.remote.fingerprints == (("sha-256", FINGERPRINT),)
    session = answered(answerer, local)
    assert session.attributes.first("group") == "BUNDLE 0 1"
    assert sorted(bool(media.port) for media in session.media) == [False, True, True]


def test_a_stopped_section_tells_nothing(answerer: Answerer) -> None:
    offer = in_section(make_offer(*BOTH), 0, "audio 9", "audio 0")
    offer = in_section(offer, 1, TRANSPORT[0], "")
    with pytest.raises(NegotiationError, match="ice-ufrag"):
        answerer.handle_offer(offer)


def test_the_tagged_section_tells_of_mixed_extensions(answerer: Answerer) -> None:
    """RFC 8285 section 6: of the category IDENTICAL."""
    offer = make_offer(*BOTH)
    answerer.handle_offer(in_section(offer, 0, "a=mid:0", "a=mid:0\r\na=extmap-allow-mixed"))
    assert answerer.mixed_extensions
    answerer.handle_offer(in_section(offer, 1, "a=mid:1", "a=mid:1\r\na=extmap-allow-mixed"))
    assert not answerer.mixed_extensions


def without_mids(offer: str, *which: int) -> str:
    for index in which:
        offer = in_section(offer, index, f"a=mid:{index}\r\n", "")
    return offer


@pytest.mark.parametrize("which", [(0,), (1,), (0, 1)])
@pytest.mark.parametrize("group", ["", GROUP, "a=group:BUNDLE 0\r\n"])
def test_sections_without_a_mid_get_one_that_stays_with_us(
    answerer: Answerer, local: LocalTransport, which: tuple[int, ...], group: str
) -> None:
    offer = without_mids(make_offer(*BOTH), *which).replace(GROUP, group)
    diff = answerer.handle_offer(offer)
    mids = [each.mid for each in diff.incoming]
    assert len(set(mids)) == 2
    session = answered(answerer, local)
    for index, media in enumerate(session.media):
        assert media.port
        assert media.attributes.first("mid") == (None if index in which else str(index))
    named = (session.attributes.first("group") or "BUNDLE").split()[1:]
    assert set(named) <= {str(index) for index in (0, 1) if index not in which}
    again = answerer.handle_offer(offer)
    assert ([each.mid for each in again.incoming], again.ended) == (mids, [])
    fragment = build_sdp_fragment(local, mids=mids)
    assert ("a=mid:" in fragment, "a=group:" in fragment) == (len(which) < 2, len(which) < 2)
    assert not any(mid in fragment for mid in mids if " " in mid)


@pytest.mark.parametrize("mid", ["0", "1", "2", "m0", "section", "1 2"])
def test_a_made_up_mid_is_like_none_that_a_client_can_write(answerer: Answerer, mid: str) -> None:
    offer = in_section(without_mids(make_offer(*BOTH), 0), 1, "a=mid:1", f"a=mid:{mid}")
    if " " in mid:
        with pytest.raises(NegotiationError, match="a=mid"):
            answerer.handle_offer(offer)
        return
    first, second = answerer.handle_offer(offer).incoming
    assert (first.mid != mid, second.mid) == (True, mid)


def test_a_mid_that_is_left_out_later_is_still_known(answerer: Answerer, local: LocalTransport) -> None:
    answerer.handle_offer(make_offer(*BOTH))
    diff = answerer.handle_offer(without_mids(make_offer(*BOTH), 0, 1).replace(GROUP, ""))
    assert ([each.mid for each in diff.incoming], diff.ended) == (["0", "1"], [])


def test_many_sections_without_a_mid(answerer: Answerer) -> None:
    offer = make_offer(*[("audio", "sendonly")] * 8)
    for index in range(8):
        offer = offer.replace(f"a=mid:{index}\r\n", "")
    assert len({each.mid for each in answerer.handle_offer(offer).incoming}) == 8


@pytest.mark.parametrize("mid", ["audio:0", "a/b@c", "\u00e9", "x" * 17, "x" * 64, '"0"'])
def test_odd_mids_are_echoed_and_no_packet_has_to_carry_them(
    answerer: Answerer, local: LocalTransport, mid: str
) -> None:
    extension = f"a=extmap:4 {Extension.MID.uri}\r\n"
    offer = make_offer(*BOTH).replace("BUNDLE 0 1", f"BUNDLE {mid} 1")
    offer = offer.replace("a=mid:0\r\n", f"a=mid:{mid}\r\n{extension}").replace(
        "a=mid:1\r\n", f"a=mid:1\r\n{extension}"
    )
    assert [each.mid for each in answerer.handle_offer(offer).incoming] == [mid, "1"]
    session = answered(answerer, local)
    assert session.attributes.first("group") == f"BUNDLE {mid} 1"
    assert session.media[0].attributes.first("mid") == mid
    carried = mid.isascii() and len(mid) <= 16
    assert (Extension.MID in answerer.extension_ids) is carried
    assert any(Extension.MID.uri in value for value in session.media[0].attributes.all("extmap")) is carried


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a=group:BUNDLE 0 1\r\n", ""),
        ("a=group:BUNDLE 0 1\r\n", "a=group:BUNDLE 0 1 2\r\n"),
        ("a=mid:1\r\n", ""),
        ("a=mid:0\r\n", ""),
    ],
)
def test_answers_are_taken_as_offers_are(
    offerer: Offerer, client: Client, local: LocalTransport, outgoing: MakeOutgoing, old: str, new: str
) -> None:
    offerer.add(outgoing("opus", 1))
    offerer.add(outgoing("VP8", 2))
    answer = client.answer(offerer.build_offer(local))
    assert old in answer
    assert set(offerer.handle_answer(answer.replace(old, new)).accepted) == {"0", "1"}
