""""""

from __future__ import annotations

import random

import pytest

from sfu.negotiation import (
    LocalTransport,
    MediaLimitError,
    Offerer,
    parse_sdp_fragment,
)
from sfu.negotiation.sdp import parse_sdp
from sfu.wire.extensions import Extension
from tests.unit.negotiation.agreeing import agree, mids
from tests.unit.negotiation.conftest import Client, MakeOutgoing


def test_an_offer_and_its_answer(
    offerer: Offerer, client: Client, local: LocalTransport, outgoing: MakeOutgoing
) -> None:
    assert not offerer.needs_offer
    audio, video = offerer.add(outgoing("opus", 1)), offerer.add(outgoing("VP8", 2))
    assert (audio, video) == ("0", "1")
    assert offerer.needs_offer
    assert not offerer.pending
    text = offerer.build_offer(local)
    assert offerer.pending
    assert not offerer.needs_offer
    session = parse_sdp(text)
    assert session.attributes.first("group") == "BUNDLE 0 1"
    assert "ice-lite" in session.attributes
    for media, ssrc in zip(session.media, (1, 2), strict=True):
        assert "sendonly" in media.attributes
        assert media.attributes.first("setup") == "actpass"
        assert media.attributes.first("msid") == f"alice track-{ssrc}"
        assert media.attributes.first("ssrc") == f"{ssrc} cname:cname-of-alice"
        assert "rtcp-mux" in media.attributes
        assert "rtcp-rsize" in media.attributes
    assert session.media[1].attributes.all("rtcp-fb") == ["98 nack", "98 nack pli", "98 ccm fir"]
    assert [media.formats for media in session.media] == [("96", "97"), ("98", "99")]

    diff = offerer.handle_answer(client.answer(text))
    assert not offerer.pending
    assert {mid: (codec.name, codec.payload_type) for mid, codec in diff.accepted.items()} == {
        "0": ("opus", 96),
        "1": ("VP8", 98),
    }
    assert diff.rejected == diff.incoming == diff.ended == []
    assert not diff.restarted
    assert diff.remote.ufrag == "theirs"
    assert diff.remote.setup == "active"
    assert offerer.extension_ids[Extension.MID] == 1
    assert Extension.TRANSPORT_SEQUENCE not in offerer.extension_ids


def test_each_section_of_an_offer_has_the_candidates(local: LocalTransport) -> None:
    """RFC 8829 section 5.2.1: before the client has agreed on the bundle, any of them may be looked at."""
    offerer = Offerer(max_media=8, rng=random.Random(1))
    offerer.add_incoming("audio")
    offerer.add_incoming("video")
    sections = parse_sdp(offerer.build_offer(local)).media
    assert [len(section.attributes.all("candidate")) for section in sections] == [2, 2]


def test_sections_keep_their_place_and_are_used_again(
    offerer: Offerer, client: Client, local: LocalTransport, outgoing: MakeOutgoing
) -> None:
    offerer.add(outgoing("opus", 1))
    video = offerer.add(outgoing("VP8", 2))
    offerer.add(outgoing("opus", 3))
    agree(offerer, client, local)
    offerer.remove(video)
    session, diff = agree(offerer, client, local)
    assert mids(session) == ["0", "1", "2"]
    assert "inactive" in session.media[1].attributes
    assert "ssrc" not in session.media[1].attributes
    assert set(diff.accepted) == {"0", "2"}
    assert diff.rejected == []

    assert offerer.add(outgoing("H264", 4)) == video
    session, diff = agree(offerer, client, local)
    assert mids(session) == ["0", "1", "2"]
    assert session.media[1].attributes.first("ssrc") == "4 cname:cname-of-alice"
    assert diff.accepted["1"].name == "H264"


def test_without_reuse_a_section_carries_one_track_as_long_as_there_are_others(
    client: Client, local: LocalTransport, outgoing: MakeOutgoing
) -> None:
    """A browser's receiver has the id of its first Track for good."""
    offerer = Offerer(max_media=3, rng=random.Random(1), reuse=False)
    agree(offerer, client, local)  # the placeholder has carried nothing yet
    assert offerer.add(outgoing("opus", 1)) == "0"
    agree(offerer, client, local)
    for ssrc, mid in ((2, "1"), (3, "2")):
        offerer.remove(offerer.mids[-1])
        agree(offerer, client, local)
        assert offerer.add(outgoing("opus", ssrc)) == mid
        agree(offerer, client, local)
    offerer.remove("2")
    agree(offerer, client, local)
    assert offerer.add(outgoing("opus", 4)) == "0"


def test_a_kind_does_not_take_the_other_kinds_section(
    offerer: Offerer, client: Client, local: LocalTransport, outgoing: MakeOutgoing
) -> None:
    audio = offerer.add(outgoing("opus", 1))
    agree(offerer, client, local)
    offerer.remove(audio)
    agree(offerer, client, local)
    assert offerer.add(outgoing("VP8", 2)) != audio
    assert offerer.add(outgoing("opus", 3)) == audio


def test_a_section_is_not_used_again_before_the_client_knows_it_is_free(
    offerer: Offerer, client: Client, local: LocalTransport, outgoing: MakeOutgoing
) -> None:
    first = offerer.add(outgoing("opus", 1))
    agree(offerer, client, local)
    offerer.remove(first)
    assert offerer.add(outgoing("opus", 2)) != first


def test_with_all_sections_in_use_a_removed_one_is_used_at_once(
    client: Client, local: LocalTransport, outgoing: MakeOutgoing
) -> None:
    offerer = Offerer(max_media=1, rng=random.Random(1))
    mid = offerer.add(outgoing("opus", 1))
    agree(offerer, client, local)
    with pytest.raises(MediaLimitError, match="all 1 media sections"):
        offerer.add(outgoing("opus", 2))
    offerer.remove(mid)
    assert offerer.add(outgoing("opus", 3)) == mid
    session, diff = agree(offerer, client, local)
    assert session.media[0].attributes.first("ssrc") == "3 cname:cname-of-alice"
    assert set(diff.accepted) == {mid}


def test_what_was_added_and_removed_before_an_offer_leaves_no_trace_in_it(
    offerer: Offerer, client: Client, local: LocalTransport, outgoing: MakeOutgoing
) -> None:
    mid = offerer.add(outgoing("opus", 1))
    offerer.remove(mid)
    assert not offerer.needs_offer
    assert offerer.add(outgoing("opus", 2)) == mid


def test_changes_while_an_offer_is_out_wait_for_the_next(
    offerer: Offerer, client: Client, local: LocalTransport, outgoing: MakeOutgoing
) -> None:
    first = offerer.add(outgoing("opus", 1))
    offer = offerer.build_offer(local)
    second = offerer.add(outgoing("VP8", 2))
    offerer.remove(first)
    assert offerer.needs_offer
    with pytest.raises(RuntimeError, match="pending"):
        offerer.build_offer(local)
    # The section that came after the offer has no part in the answer, nor has what was removed since.
    diff = offerer.handle_answer(client.answer(offer))
    assert diff.accepted == {}
    assert offerer.needs_offer
    _, diff = agree(offerer, client, local)
    assert set(diff.accepted) == {second}
    assert not offerer.needs_offer


def test_a_refused_section_is_taken_out(
    offerer: Offerer, client: Client, local: LocalTransport, outgoing: MakeOutgoing
) -> None:
    audio, video = offerer.add(outgoing("opus", 1)), offerer.add(outgoing("VP8", 2))
    client.inactive.add(video)
    _, diff = agree(offerer, client, local)
    assert (set(diff.accepted), diff.rejected) == ({audio}, [video])
    assert not offerer.needs_offer
    offerer.remove(video)  # harmless: the subscription's owner need not know
    client.inactive.clear()
    assert offerer.add(outgoing("VP8", 3)) == video


def test_a_stopped_section_comes_back_under_another_mid(
    offerer: Offerer, client: Client, local: LocalTransport, outgoing: MakeOutgoing
) -> None:
    offerer.add(outgoing("opus", 1))
    video = offerer.add(outgoing("VP8", 2))
    client.stopped.add(video)
    _, diff = agree(offerer, client, local)
    assert diff.rejected == [video]
    offerer.request_offer()
    session, _ = agree(offerer, client, local)
    assert [media.port for media in session.media] == [5000, 0]
    assert session.attributes.first("group") == "BUNDLE 0"

    recycled = offerer.add(outgoing("opus", 3))
    assert recycled == "2"
    session, diff = agree(offerer, client, local)
    assert mids(session) == ["0", "2"]
    assert [media.kind for media in session.media] == ["audio", "audio"]
    assert set(diff.accepted) == {"0", "2"}


def test_what_was_put_into_a_section_that_the_client_stops_is_reported(
    offerer: Offerer, client: Client, local: LocalTransport, outgoing: MakeOutgoing
) -> None:
    offerer.add(outgoing("opus", 1))
    video = offerer.add(outgoing("VP8", 2))
    agree(offerer, client, local)
    offerer.remove(video)
    offer = offerer.build_offer(local)
    assert offerer.add(outgoing("VP9", 3)) == video  # free already, as the offer on its way says
    client.stopped.add(video)
    diff = offerer.handle_answer(client.answer(offer))
    assert (set(diff.accepted), diff.rejected) == ({"0"}, [video])
    assert not offerer.needs_offer


def test_a_client_without_the_codec_refuses(
    offerer: Offerer, client: Client, local: LocalTransport, outgoing: MakeOutgoing
) -> None:
    offerer.add(outgoing("opus", 1))
    mid = offerer.add(outgoing("H264", 2, packetization_mode="1", profile_level_id="64001f"))
    answer = client.answer(offerer.build_offer(local)).replace("profile-level-id=64001f", "profile-level-id=42e01f")
    assert offerer.handle_answer(answer).rejected == [mid]


def test_publishing_on_an_offered_connection(offerer: Offerer, client: Client, local: LocalTransport) -> None:
    mid = offerer.add_incoming("video")
    client.sending.add(mid)
    session, diff = agree(offerer, client, local)
    assert "recvonly" in session.media[0].attributes
    (incoming,) = diff.incoming
    assert (incoming.mid, incoming.kind, incoming.codec.name) == (mid, "video", "VP8")
    assert [stream.ssrc for stream in incoming.encodings] == [777]
    assert (incoming.stream_id, incoming.track_id, incoming.cname) == ("their-stream", "their-track", "their-cname")
    offerer.remove(mid)
    _, diff = agree(offerer, client, local)
    assert (diff.incoming, diff.ended) == ([], [mid])


def test_an_offer_of_nothing_still_sets_up_the_transport(
    offerer: Offerer, client: Client, local: LocalTransport, outgoing: MakeOutgoing
) -> None:
    session, diff = agree(offerer, client, local)
    assert "inactive" in session.media[0].attributes
    assert diff.remote.ufrag == "theirs"
    assert diff.rejected == []
    assert offerer.add(outgoing("opus", 1)) == "0"


def test_the_clients_restart_is_seen_and_ours_asks_for_an_offer(
    offerer: Offerer, client: Client, local: LocalTransport, outgoing: MakeOutgoing
) -> None:
    offerer.add(outgoing("opus", 1))
    agree(offerer, client, local)
    offerer.request_offer()
    assert offerer.needs_offer
    client.ufrag = "fresh"
    _, diff = agree(offerer, client, local)
    assert diff.restarted
    assert not offerer.needs_offer


def test_a_restart_by_fragment_is_not_noticed_twice(
    offerer: Offerer, client: Client, local: LocalTransport, outgoing: MakeOutgoing
) -> None:
    offerer.add(outgoing("opus", 1))
    _, diff = agree(offerer, client, local)
    client.ufrag = "fresh"
    assert offerer.note_restart(parse_sdp_fragment(f"a=ice-ufrag:fresh\r\na=ice-pwd:{diff.remote.pwd}\r\n"))
    offerer.request_offer()
    _, diff = agree(offerer, client, local)
    assert not diff.restarted


def test_a_refusal_of_the_old_is_none_of_the_new(client: Client, local: LocalTransport, outgoing: MakeOutgoing) -> None:
    offerer = Offerer(max_media=1, rng=random.Random(1))
    mid = offerer.add(outgoing("opus", 1))
    offer = offerer.build_offer(local)
    offerer.remove(mid)
    assert offerer.add(outgoing("opus", 2)) == mid
    client.inactive.add(mid)
    diff = offerer.handle_answer(client.answer(offer))
    assert (diff.accepted, diff.rejected) == ({}, [])
    assert offerer.needs_offer
    client.inactive.clear()
    _, diff = agree(offerer, client, local)
    assert set(diff.accepted) == {mid}


def test_an_offer_can_be_given_up(offerer: Offerer, local: LocalTransport, outgoing: MakeOutgoing) -> None:
    offerer.add(outgoing("opus", 1))
    first = parse_sdp(offerer.build_offer(local))
    offerer.rollback()
    assert offerer.needs_offer
    assert not offerer.pending
    second = parse_sdp(offerer.build_offer(local))
    assert second.media == first.media
    assert int(second.origin.split()[2]) == int(first.origin.split()[2]) + 1


def test_one_payload_type_means_one_configuration(
    offerer: Offerer, local: LocalTransport, outgoing: MakeOutgoing
) -> None:
    for index, parameters in enumerate(
        [
            {"packetization_mode": "1", "profile_level_id": "42e01f"},
            {"packetization_mode": "1", "profile_level_id": "42c034"},
            {"packetization_mode": "0", "profile_level_id": "42e01f"},
            {"packetization_mode": "1", "profile_level_id": "640c1f"},
        ]
    ):
        offerer.add(outgoing("H264", index + 1, **parameters))
    session = parse_sdp(offerer.build_offer(local))
    assert [media.formats for media in session.media] == [
        ("96", "97"),
        ("96", "97"),
        ("98", "99"),
        ("100", "101"),
    ]
    assert session.media[0].attributes.first("fmtp") == session.media[1].attributes.first("fmtp")
