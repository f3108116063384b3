"""What a client's offer leads to: what it gets of what is there, and what it is told where that is nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from sfu import Config, Server
from sfu.errors import CodecMismatchError, NegotiationFailedError, NotPermittedError
from tests.unit.offers import BOTH, RECEIVE_BOTH, make_offer

H264 = "H264/90000\r\na=fmtp:96 packetization-mode=1;profile-level-id="


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server(Config()) as running:
        yield running
        for room in list(running.rooms.values()):
            room.close()
        assert set(running.rows_in_use().values()) == {0}


async def test_an_offer_without_a_common_codec_is_a_typed_error(server: Server) -> None:
    room = server.room("lobby")
    with pytest.raises(CodecMismatchError, match=r"Offered: H265\. Accepted: VP8, VP9, H264, AV1") as caught:
        room.join("alice", leave_when_idle=True).answer(make_offer(*BOTH).replace("VP8/", "H265/"))
    assert (caught.value.status, isinstance(caught.value, NegotiationFailedError)) == (406, True)
    assert not room.peers


async def test_a_later_offer_without_a_common_codec_changes_nothing(server: Server) -> None:
    alice = server.room("lobby").join("alice")
    connection = alice.answer(make_offer(*BOTH)).connection
    with pytest.raises(CodecMismatchError):
        connection.answer(make_offer(*BOTH).replace("VP8/", "H265/"))
    assert [track.codec.name for track in alice.tracks] == ["opus", "VP8"]
    assert connection.answer(make_offer(*BOTH)).connection is connection


async def test_who_decodes_nothing_of_what_is_published_is_told_so(server: Server) -> None:
    room = server.room("lobby")
    room.join("alice").answer(make_offer(*BOTH).replace("VP8/90000", H264 + "640c1f"))
    bob = room.join("bob")
    with pytest.raises(CodecMismatchError, match=r"Published: H264 \(constrained-high.*Offered: VP8$"):
        bob.answer(make_offer(*RECEIVE_BOTH), subscribe="all", publish=False)
    assert not bob.connections
    # Who publishes, too, has come for more than that.
    offer = make_offer(("audio", "sendrecv"), ("video", "sendrecv"))
    answered = bob.answer(offer, subscribe="all")
    assert [held.track.kind for held in bob.subscriptions] == ["audio"]
    assert answered.unfilled == ("1",)


async def test_what_a_viewer_would_send_is_not_taken(server: Server) -> None:
    room = server.room("lobby")
    room.join("alice").answer(make_offer(*BOTH))
    bob = room.join("bob")
    offer = make_offer(("audio", "sendrecv"), ("video", "sendrecv"), ("video", "sendonly"))
    answered = bob.answer(offer, subscribe="alice", publish=False)
    assert (len(bob.subscriptions), bob.tracks) == (2, ())
    assert [answered.sdp.count(f"a={way}\r\n") for way in ("sendonly", "inactive")] == [2, 1]
    for later in (make_offer(("audio", "sendonly"), ("video", "inactive"), ("video", "sendonly")), make_offer(*BOTH)):
        with pytest.raises((NotPermittedError, NegotiationFailedError)):
            answered.connection.answer(later)
    assert len(bob.subscriptions) == 2


async def test_sections_need_no_mid_and_no_bundle(server: Server) -> None:
    room = server.room("lobby")
    alice, bob = room.join("alice"), room.join("bob")

    def bare(offer: str) -> str:
        kept = [line for line in offer.split("\r\n") if not line.startswith(("a=mid:", "a=group:"))]
        return "\r\n".join(kept)

    publishing = alice.answer(bare(make_offer(*BOTH)))
    assert len({track.mid for track in alice.tracks}) == 2
    watching = bob.answer(bare(make_offer(*RECEIVE_BOTH)), subscribe="alice", publish=False)
    assert [held.mid for held in bob.subscriptions] == list(watching.connection.mids)
    assert len(watching.connection.mids) == 2
    for sdp in (publishing.sdp, watching.sdp):
        assert "a=mid:" not in sdp
        assert "a=group:" not in sdp
    fragment = publishing.connection.restart_ice_fragment("wxyz", "z" * 22)
    assert fragment is not None
    assert "a=mid:" not in fragment


@pytest.mark.parametrize("mid", ["x" * 40, "\u00e9", "a@b/c"])
async def test_sections_may_have_odd_mids(server: Server, mid: str) -> None:
    room = server.room("lobby")
    alice, bob = room.join("alice"), room.join("bob")
    for peer, media, subscribe in ((alice, BOTH, None), (bob, RECEIVE_BOTH, "alice")):
        offer = make_offer(*media).replace("BUNDLE 0", f"BUNDLE {mid}").replace("a=mid:0", f"a=mid:{mid}")
        answered = peer.answer(offer, subscribe=subscribe)
        assert answered.connection.mids == (mid, "1")
        assert f"a=mid:{mid}\r\n" in answered.sdp
    assert [held.mid for held in bob.subscriptions] == [mid, "1"]


async def test_opus_without_its_channels_is_published_to_all(server: Server) -> None:
    room = server.room("lobby")
    alice, bob = room.join("alice"), room.join("bob")
    alice.answer(make_offer(("audio", "sendonly")).replace("opus/48000/2", "opus/48000"))
    bob.answer(make_offer(("audio", "recvonly")), subscribe="alice")
    assert len(bob.subscriptions) == 1
    assert "opus/48000/2\r\n" in bob.offer().offer()  # our own offers say it as it should be
