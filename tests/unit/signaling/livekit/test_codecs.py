"""A track in two codecs, for who cannot decode the first, and what publishers are told of codecs and layers."""

from __future__ import annotations

import re

import pytest
from livekit.protocol.models import Encryption, SubscriptionError, TrackSource, TrackType, VideoLayer, VideoQuality
from livekit.protocol.rtc import (
    AddTrackRequest,
    RequestResponse,
    SessionDescription,
    SignalRequest,
    SimulcastCodec,
    SubscribedQualityUpdate,
    UpdateSubscription,
    UpdateTrackSettings,
)

from sfu.signaling.livekit.published import PublishedTrack
from sfu.signaling.livekit.wanted import PATIENCE
from tests.unit.offers import make_answer, make_offer
from tests.unit.signaling.livekit.conftest import Caller, Doors
from tests.unit.signaling.livekit.negotiating import RECEIVE, answer_to, enter_single, offer

LOW, MEDIUM, HIGH = VideoQuality.LOW, VideoQuality.MEDIUM, VideoQuality.HIGH
LAYERS = [
    VideoLayer(quality=LOW, width=320, height=180),
    VideoLayer(quality=MEDIUM, width=640, height=360),
    VideoLayer(quality=HIGH, width=1280, height=720),
]
CAMERA = AddTrackRequest(
    cid="track",
    type=TrackType.VIDEO,
    source=TrackSource.CAMERA,
    width=1280,
    height=720,
    layers=LAYERS,
    simulcast_codecs=[SimulcastCodec(codec="vp9", cid="track"), SimulcastCodec(codec="vp8", cid="")],
)
BOTH = make_offer(("VP9", "sendonly"), ("video", "sendonly"))
BOTH = BOTH[: BOTH.rindex("stream track")] + "stream backup" + BOTH[BOTH.rindex("stream track") + len("stream track") :]


async def publish(doors: Doors, request: AddTrackRequest = CAMERA) -> tuple[Caller, str]:
    alice = await enter_single(doors, "alice", ("VP9", "sendonly"), tracks=[request])
    sid = (await alice.until("track_published")).track_published.track.sid
    await alice.until("answer")
    return alice, sid


async def publish_backup(alice: Caller, sid: str) -> None:
    request = AddTrackRequest(
        cid="backup", sid=sid, type=TrackType.VIDEO, simulcast_codecs=[SimulcastCodec(codec="vp8", cid="backup")]
    )
    request.layers.extend(LAYERS[:1])
    await alice.send(SignalRequest(add_track=request))
    published = (await alice.until("track_published")).track_published
    assert (published.cid, published.track.sid) == ("backup", sid)
    await alice.send(SignalRequest(offer=SessionDescription(type="offer", sdp=BOTH, id=2)))
    await alice.until("answer")


def enabled(update: SubscribedQualityUpdate) -> dict[str, list[VideoQuality]]:
    """What is wanted, by codec."""
    return {each.codec: [q.quality for q in each.qualities if q.enabled] for each in update.subscribed_codecs}


async def test_who_cannot_decode_the_first_codec_gets_the_second_of_the_same_track(doors: Doors) -> None:
    alice, sid = await publish(doors)
    bob = await enter_single(doors, "bob", ("audio", "recvonly"), ("video", "recvonly"))
    assert not (await bob.until("answer")).answer.mid_to_track_id
    told = (await alice.until("subscribed_quality_update")).subscribed_quality_update
    assert told.track_sid == sid
    assert enabled(told)["vp8"] == [LOW, MEDIUM, HIGH]
    await bob.send(SignalRequest(offer=offer(*RECEIVE, id=2)))
    assert not (await bob.until("answer")).answer.mid_to_track_id, "it is awaited"
    await publish_backup(alice, sid)
    await bob.until("media_sections_requirement")
    await bob.send(SignalRequest(offer=offer(*RECEIVE, id=3)))
    assert dict((await bob.until("answer")).answer.mid_to_track_id) == {"1": sid}
    peers = doors.server.rooms["lobby"].peers
    (held,) = peers["bob"].subscriptions
    assert held.track.codec.name == "VP8"
    (track,) = doors.livekit.rooms.by_name["lobby"].participants["alice"].info().tracks
    assert [(each.mime_type, each.cid, each.mid) for each in track.codecs] == [
        ("video/VP9", "track", "0"),
        ("video/VP8", "backup", "1"),
    ]
    assert "subscription_response" not in bob.kinds()
    assert [each.private for each in peers["alice"].tracks] == [False, True], "one of both is recorded"
    carol = await enter_single(doors, "carol", ("VP8 or VP9", "recvonly"))
    await carol.until("answer")
    (first,) = peers["carol"].subscriptions
    assert first.track.codec.name == "VP9", "who can decode the first has that"
    await bob.send(SignalRequest(track_setting=UpdateTrackSettings(track_sids=[sid], quality=LOW)))
    lobby = doors.livekit.rooms.by_name["lobby"]
    lobby.mute(lobby.participants["alice"], sid, True)
    assert all(each.muted for each in peers["alice"].tracks)


async def test_a_viewer_whose_answer_rejects_the_first_codec_is_offered_the_second(doors: Doors) -> None:
    bob = await doors.enter("bob")
    await answer_to(bob, (await bob.until("offer")).offer)
    alice, sid = await publish(doors)
    offered = (await bob.until("offer")).offer
    refusing = re.sub("m=video [0-9]+", "m=video 0", make_answer(offered.sdp))
    await bob.send(SignalRequest(answer=SessionDescription(type="answer", sdp=refusing, id=offered.id)))
    assert "vp8" in enabled((await alice.until("subscribed_quality_update")).subscribed_quality_update)
    await publish_backup(alice, sid)
    while "VP8" not in (again := (await bob.until("offer")).offer).sdp:
        await answer_to(bob, again)
    await answer_to(bob, again)
    await alice.until("track_subscribed")
    (held,) = doors.server.rooms["lobby"].peers["bob"].subscriptions
    assert held.negotiated and held.track.codec.name == "VP8"


@pytest.mark.parametrize("encrypted", [False, True])
async def test_who_can_decode_nothing_is_told(doors: Doors, encrypted: bool) -> None:
    request = AddTrackRequest(cid="track", type=TrackType.VIDEO, layers=LAYERS)
    request.simulcast_codecs.add(codec="vp9", cid="track")
    if encrypted:  # nobody encrypts the second codec
        request.simulcast_codecs.add(codec="vp8", cid="")
        request.encryption = Encryption.Type.GCM
    alice, sid = await publish(doors, request)
    bob = await enter_single(doors, "bob", ("video", "recvonly"))
    refused = (await bob.until("subscription_response")).subscription_response
    assert (refused.track_sid, refused.err) == (sid, SubscriptionError.SE_CODEC_UNSUPPORTED)
    assert "subscribed_quality_update" not in alice.kinds()


async def test_a_second_codec_that_ends_is_asked_for_again(doors: Doors) -> None:
    alice, sid = await publish(doors)
    bob = await enter_single(doors, "bob", *RECEIVE)
    await bob.until("answer")
    await publish_backup(alice, sid)
    await bob.until("media_sections_requirement")
    await bob.send(SignalRequest(offer=offer(*RECEIVE, id=2)))
    await bob.until("answer")
    ended = BOTH[: BOTH.rindex("a=sendonly")] + "a=inactive" + BOTH[BOTH.rindex("a=sendonly") + len("a=sendonly") :]
    alice.seen.clear()
    await alice.send(SignalRequest(offer=SessionDescription(type="offer", sdp=ended, id=3)))
    await alice.until("answer")
    (participant,) = (each for each in doors.livekit.rooms.by_name["lobby"].clients if each.identity == "alice")
    assert [*participant.tracks] == [sid], "the first codec stays"
    assert participant.tracks[sid].backup is None
    assert not doors.server.rooms["lobby"].peers["bob"].subscriptions


async def test_a_codec_for_what_is_not_published_is_refused(doors: Doors) -> None:
    alice, _ = await publish(doors)
    request = AddTrackRequest(cid="backup", sid="TR_none", type=TrackType.VIDEO)
    await alice.send(SignalRequest(add_track=request))
    refused = (await alice.until("request_response")).request_response
    assert (refused.reason, refused.add_track) == (RequestResponse.Reason.NOT_FOUND, request)


@pytest.mark.parametrize("size", [False, True])
async def test_of_layers_in_one_stream_the_highest_that_somebody_wants_is_told(doors: Doors, size: bool) -> None:
    alice, sid = await publish(doors)
    bob = await enter_single(doors, "bob", ("VP9", "recvonly"))
    await bob.until("answer")

    async def hear(**settings: object) -> list[VideoQuality]:
        request = UpdateTrackSettings(track_sids=[sid], **settings)  # type: ignore[arg-type]
        await bob.send(SignalRequest(track_setting=request))
        await bob.send(SignalRequest(ping=1))
        await bob.until("pong")
        return await told()

    async def told() -> list[VideoQuality]:
        for _ in range(2):
            doors.livekit.rooms.handle_tick(doors.now[0])
            doors.now[0] += PATIENCE
        return enabled((await alice.until("subscribed_quality_update")).subscribed_quality_update)["vp9"]

    low: dict[str, object] = {"width": 300, "height": 150} if size else {"quality": LOW}
    assert await hear(**low) == [LOW]
    assert await hear(quality=MEDIUM) == [LOW, MEDIUM]
    assert await hear(quality=HIGH) == [LOW, MEDIUM, HIGH]
    assert await hear(disabled=True) == []
    assert await hear(quality=HIGH) == [LOW, MEDIUM, HIGH]
    await bob.send(SignalRequest(subscription=UpdateSubscription(track_sids=[sid], subscribe=False)))
    await bob.until("media_sections_requirement")
    assert await told() == []
    before = alice.kinds().count("subscribed_quality_update")
    whip = doors.server.room("lobby").join("viewer", leave_when_idle=True)
    whip.answer(make_offer(("VP9", "recvonly")), subscribe="all")
    assert await told() == [LOW, MEDIUM, HIGH], "a viewer by WHEP counts, too"
    assert alice.kinds().count("subscribed_quality_update") == before + 1


async def test_a_track_comes_in_the_codec_that_it_was_announced_in_and_stays_in_it(doors: Doors) -> None:
    section = ("VP8 or VP9", "sendonly")
    alice = await enter_single(doors, "alice", section, tracks=[CAMERA])
    await alice.until("answer")
    (track,) = doors.server.rooms["lobby"].peers["alice"].tracks
    assert track.codec.name == "VP9"
    await alice.send(SignalRequest(offer=offer(section, id=2)))
    await alice.until("answer")
    assert doors.server.rooms["lobby"].peers["alice"].tracks == (track,)


async def test_so_it_does_on_two_connections(doors: Doors) -> None:
    alice = await doors.enter("alice")
    await alice.send(SignalRequest(add_track=CAMERA))
    await alice.until("track_published")
    await alice.send(SignalRequest(offer=offer(("VP8 or VP9", "sendonly"))))
    await alice.until("answer")
    (track,) = doors.server.rooms["lobby"].peers["alice"].tracks
    assert track.codec.name == "VP9"


def test_for_a_codec_that_the_server_does_not_take_another_one_is_told(doors: Doors) -> None:
    assert doors.livekit.rooms.create("lobby").codecs == doors.server.config.codecs
    for codecs, told in (
        (("opus", "H264", "VP8"), [("video/H264", "track"), ("video/VP8", "")]),
        (("opus", "VP8"), [("video/VP8", "track")]),
        ((), [("video/VP9", "track"), ("video/VP8", "")]),
    ):
        info = PublishedTrack.announced(CAMERA, codecs).info
        assert [(each.mime_type, each.cid) for each in info.codecs] == told
    doors.livekit.rooms.end(doors.livekit.rooms.by_name["lobby"])
