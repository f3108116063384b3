"""What is published reaches who may have it, on one peer connection and on two."""

from __future__ import annotations

import pytest
from livekit.protocol.models import (
    ClientInfo,
    ParticipantPermission,
    SubscriptionError,
    TrackType,
    VideoQuality,
)
from livekit.protocol.room import MuteRoomTrackRequest
from livekit.protocol.rtc import (
    AddTrackRequest,
    LeaveRequest,
    MuteTrackRequest,
    RequestResponse,
    SessionDescription,
    SignalRequest,
    SubscriptionPermission,
    TrackPermission,
    TrickleRequest,
    UpdateLocalAudioTrack,
    UpdateLocalVideoTrack,
    UpdateSubscription,
    UpdateTrackSettings,
)

from sfu import Layer
from sfu.media.layer import WHOLE
from sfu.signaling.livekit.claims import Claims
from sfu.signaling.livekit.twirp.errors import TwirpError
from sfu.signaling.livekit.twirp.room_service import RoomService
from tests.unit.offers import make_answer, make_offer
from tests.unit.signaling.livekit.conftest import Doors
from tests.unit.signaling.livekit.negotiating import (
    MICROPHONE,
    RECEIVE,
    SIMULCAST,
    answer_to,
    enter_single,
    offer,
    publish,
)


async def test_one_connection_publishes_and_receives(doors: Doors) -> None:
    alice, sid = await publish(doors)
    kinds = alice.kinds()
    assert kinds.index("join") == 0
    assert kinds.index("track_published") < kinds.index("answer")
    assert not alice.seen[0].join.subscriber_primary
    bob = await enter_single(doors, "bob", *RECEIVE)
    (other,) = (await bob.until("join")).join.other_participants
    (track,) = other.tracks
    assert (track.sid, track.mid, track.mime_type, track.simulcast) == (sid, "0", "video/VP8", True)
    assert other.is_publisher
    answer = (await bob.until("answer")).answer
    assert (answer.type, answer.id, dict(answer.mid_to_track_id)) == ("answer", 1, {"1": sid})
    assert f"a=msid:{other.sid}|camera {sid}" in answer.sdp
    assert (await alice.until("track_subscribed")).track_subscribed.track_sid == sid


@pytest.mark.parametrize(("sdk", "decodes"), [("python", True), ("node", True), ("rust", True), ("js", False)])
async def test_native_sdks_are_known_to_decode_layers_that_no_descriptor_tells_apart(
    doors: Doors, sdk: str, decodes: bool
) -> None:
    await publish(doors)
    bob = await enter_single(doors, "bob", *RECEIVE, client=ClientInfo(sdk=ClientInfo.SDK.Value(sdk.upper())))
    await bob.until("answer")
    carol = await doors.enter("carol", sdk=sdk)
    await carol.until("offer")
    peers = doors.server.rooms["lobby"].peers
    for name in ("bob", "carol"):
        assert [connection.decodes_layers for connection in peers[name].connections] == [decodes]


@pytest.mark.parametrize(("kind", "told"), [(0, ""), (1, "GCM"), (2, "CUSTOM"), (7, "type 7")])
async def test_what_is_encrypted_from_end_to_end_is_said_to_be_so_to_all_and_to_the_record(
    doors: Doors, kind: int, told: str
) -> None:
    request = AddTrackRequest(cid="track", type=TrackType.AUDIO, encryption=kind)  # type: ignore[arg-type]
    alice = await enter_single(doors, "alice", ("audio", "sendonly"), tracks=[request])
    await alice.until("answer")
    (track,) = doors.server.rooms["lobby"].tracks
    assert track.encryption == told
    bob = await enter_single(doors, "bob")
    (other,) = (await bob.until("join")).join.other_participants
    assert [each.encryption for each in other.tracks] == [kind]


async def test_firefox_gets_the_tracks_id_in_the_streams(doors: Doors) -> None:
    alice, sid = await publish(doors)
    firefox = await doors.enter("bob", browser="firefox")
    sdp = (await firefox.until("offer")).offer.sdp
    assert f"a=msid:{alice.seen[0].join.participant.sid}|{sid} {sid}" in sdp


async def test_who_lacks_sections_is_asked_for_more(doors: Doors) -> None:
    bob = await enter_single(doors, "bob", ("audio", "recvonly"))
    await bob.until("answer")
    _, sid = await publish(doors)
    needed = (await bob.until("media_sections_requirement")).media_sections_requirement
    assert (needed.num_audios, needed.num_videos) == (0, 1)
    await bob.send(SignalRequest(offer=offer(("audio", "recvonly"), ("video", "recvonly"), id=2)))
    answer = (await bob.until("answer")).answer
    assert (answer.id, dict(answer.mid_to_track_id)) == (2, {"1": sid})


async def test_free_sections_need_another_offer_and_nothing_else(doors: Doors) -> None:
    bob = await enter_single(doors, "bob", *RECEIVE)
    await bob.until("answer")
    alice, _ = await publish(doors)
    needed = (await bob.until("media_sections_requirement")).media_sections_requirement
    assert (needed.num_audios, needed.num_videos) == (0, 0)
    await bob.send(SignalRequest(offer=offer(*RECEIVE, id=2)))
    assert (await bob.until("answer")).answer.mid_to_track_id
    await alice.send(SignalRequest(leave=LeaveRequest()))
    await bob.until("media_sections_requirement")
    await bob.send(SignalRequest(offer=offer(*RECEIVE, id=3)))
    assert not (await bob.until("answer")).answer.mid_to_track_id


async def test_two_connections_publish_and_receive(doors: Doors) -> None:
    alice, bob = await doors.enter("alice"), await doors.enter("bob")
    first = (await bob.until("offer")).offer
    await bob.send(SignalRequest(answer=SessionDescription(type="answer", sdp=make_answer(first.sdp), id=first.id)))
    await alice.send(SignalRequest(trickle=TrickleRequest(candidateInit="{}", final=True)))
    await alice.send(SignalRequest(add_track=MICROPHONE))
    sid = (await alice.until("track_published")).track_published.track.sid
    await alice.send(SignalRequest(offer=offer(("audio", "sendonly"), id=9)))
    answer = (await alice.until("answer")).answer
    assert answer.id == 9 and "a=ice-lite" in answer.sdp
    second = (await bob.until("offer")).offer
    assert second.id > first.id
    assert [*second.mid_to_track_id.values()] == [sid]
    stale = SessionDescription(type="answer", sdp=make_answer(first.sdp), id=first.id)
    await bob.send(SignalRequest(answer=stale))
    await bob.send(SignalRequest(answer=SessionDescription(type="answer", sdp=make_answer(second.sdp), id=second.id)))
    assert (await alice.until("track_subscribed")).track_subscribed.track_sid == sid
    assert "leave" not in bob.kinds()


async def test_an_offer_that_cannot_be_agreed_on_begins_anew(doors: Doors) -> None:
    alice = await enter_single(doors, "alice", *RECEIVE)
    await alice.until("answer")
    await alice.send(SignalRequest(offer=SessionDescription(type="offer", sdp="v=0")))
    assert (await alice.until("leave")).leave.action == LeaveRequest.Action.RECONNECT


async def test_a_resumed_subscriber_restarts_ice(doors: Doors) -> None:
    alice = await doors.enter("alice")
    sid = (await alice.until("join")).join.participant.sid
    before = (await alice.until("offer")).offer
    await alice.send(SignalRequest(answer=SessionDescription(type="answer", sdp=make_answer(before.sdp), id=before.id)))
    await alice.send(SignalRequest(ping=1))
    await alice.until("pong")
    await alice.hang_up()
    again = await doors.enter("alice", reconnect="1", sid=sid)
    after = (await again.until("offer")).offer
    assert find_ufrag(after.sdp) != find_ufrag(before.sdp)
    assert after.id > before.id


def find_ufrag(sdp: str) -> str:
    return next(line for line in sdp.splitlines() if line.startswith("a=ice-ufrag:"))


async def test_media_that_nobody_announced_is_for_nobody(doors: Doors) -> None:
    await enter_single(doors, "alice", ("audio", "sendonly"))
    bob = await enter_single(doors, "bob", *RECEIVE)
    assert not (await bob.until("join")).join.other_participants[0].tracks
    (track,) = doors.server.rooms["lobby"].tracks
    assert track.blocked
    alice = doors.livekit.rooms.by_name["lobby"].participants["alice"]
    alice.add_track(MICROPHONE)  # type: ignore[attr-defined]
    assert not track.blocked
    assert next(iter(alice.tracks.values())).track is track


class TestSubscribing:
    async def test_a_client_chooses_track_by_track(self, doors: Doors) -> None:
        _, sid = await publish(doors)
        bob = await doors.enter("bob", auto_subscribe="0")
        offered = (await bob.until("offer")).offer
        assert not offered.mid_to_track_id
        await answer_to(bob, offered)
        await bob.send(SignalRequest(subscription=UpdateSubscription(track_sids=[sid], subscribe=True)))
        offered = (await bob.until("offer")).offer
        assert [*offered.mid_to_track_id.values()] == [sid]
        await answer_to(bob, offered)
        await bob.send(SignalRequest(subscription=UpdateSubscription(track_sids=[sid], subscribe=False)))
        assert not (await bob.until("offer")).offer.mid_to_track_id
        await bob.send(SignalRequest(subscription=UpdateSubscription(track_sids=["TR_no"], subscribe=True)))
        refused = (await bob.until("subscription_response")).subscription_response
        assert (refused.track_sid, refused.err) == ("TR_no", SubscriptionError.SE_TRACK_NOTFOUND)

    async def test_what_it_cannot_decode_is_told(self, doors: Doors) -> None:
        _, sid = await publish(doors)
        bob = await enter_single(doors, "bob", ("audio", "recvonly"), ("VP9", "recvonly"))
        refused = (await bob.until("subscription_response")).subscription_response
        assert (refused.track_sid, refused.err) == (sid, SubscriptionError.SE_CODEC_UNSUPPORTED)

    async def test_who_may_not_subscribe_gets_nothing_until_he_may(self, doors: Doors) -> None:
        _, sid = await publish(doors)
        bob = await enter_single(doors, "bob", *RECEIVE, can_subscribe=False)
        assert not (await bob.until("answer")).answer.mid_to_track_id
        client = doors.livekit.rooms.by_name["lobby"].participants["bob"]
        client.set_permission(ParticipantPermission(can_subscribe=True))  # type: ignore[attr-defined]
        await bob.until("media_sections_requirement")
        await bob.send(SignalRequest(offer=offer(*RECEIVE, id=2)))
        assert [*(await bob.until("answer")).answer.mid_to_track_id.values()] == [sid]

    async def test_settings_bound_what_is_sent(self, doors: Doors) -> None:
        _, sid = await publish(doors)
        bob = await enter_single(doors, "bob", *RECEIVE)
        await bob.until("answer")
        (held,) = doors.server.rooms["lobby"].peers["bob"].subscriptions

        async def choose(**settings: object) -> None:
            request = UpdateTrackSettings(track_sids=[sid, "TR_no"], **settings)  # type: ignore[arg-type]
            await bob.send(SignalRequest(track_setting=request))
            await bob.send(SignalRequest(ping=1))
            await bob.until("pong")

        assert (held.ceiling, held.paused) == (WHOLE, False)
        await choose(quality=VideoQuality.LOW)
        assert held.ceiling == Layer(0, WHOLE.temporal)
        await choose(width=300, height=150)
        assert held.ceiling == Layer(0, WHOLE.temporal)
        await choose(width=640, height=360, fps=8)
        assert held.ceiling == Layer(WHOLE.spatial, 0)
        await choose(quality=VideoQuality.HIGH, priority=1)
        assert held.ceiling == WHOLE and held.priority == 2.0
        await choose(disabled=True)
        assert held.paused
        await choose(quality=VideoQuality.HIGH)
        assert not held.paused and held.priority == 1.0

    async def test_settings_of_before_hold_for_what_comes(self, doors: Doors) -> None:
        _, sid = await publish(doors)
        bob = await enter_single(doors, "bob")
        await bob.send(SignalRequest(track_setting=UpdateTrackSettings(track_sids=[sid], quality=VideoQuality.LOW)))
        await bob.send(SignalRequest(offer=offer(*RECEIVE)))
        await bob.until("answer")
        (held,) = doors.server.rooms["lobby"].peers["bob"].subscriptions
        assert held.ceiling == Layer(0, WHOLE.temporal)

    async def test_a_publisher_says_who_may_have_it(self, doors: Doors) -> None:
        alice, sid = await publish(doors)
        bob, carol = await enter_single(doors, "bob", *RECEIVE), await enter_single(doors, "carol", *RECEIVE)
        for caller in (bob, carol):
            await caller.until("answer")
        carols = carol.seen[0].join.participant.sid
        permission = SubscriptionPermission(
            track_permissions=[TrackPermission(participant_sid=carols, track_sids=[sid])]
        )
        await alice.send(SignalRequest(subscription_permission=permission))
        told = (await bob.until("subscription_permission_update")).subscription_permission_update
        assert (told.track_sid, told.allowed) == (sid, False)
        peers = doors.server.rooms["lobby"].peers
        assert not peers["bob"].subscriptions and peers["carol"].subscriptions
        await alice.send(SignalRequest(subscription_permission=SubscriptionPermission(all_participants=True)))
        assert (await bob.until("subscription_permission_update")).subscription_permission_update.allowed
        assert "subscription_permission_update" not in carol.kinds()


class TestPublishing:
    async def test_a_mute_is_told_to_the_others_and_one_of_ours_to_the_publisher(self, doors: Doors) -> None:
        alice, sid = await publish(doors)
        bob = await doors.enter("bob")
        await bob.until("join")
        await alice.send(SignalRequest(mute=MuteTrackRequest(sid=sid, muted=True)))
        assert (await bob.until("update")).update.participants[0].tracks[0].muted
        room = doors.livekit.rooms.by_name["lobby"]
        peer = doors.server.rooms["lobby"].peers["alice"]
        assert [track.muted for track in peer.tracks] == [True], "nothing of it is forwarded"
        assert room.mute(room.participants["alice"], sid, False, told=True) is not None
        assert [track.muted for track in peer.tracks] == [False]
        assert not (await alice.until("mute")).mute.muted
        assert room.mute(room.participants["alice"], "TR_no", False) is None

    async def test_what_is_announced_as_muted_is_not_forwarded(self, doors: Doors) -> None:
        alice = await enter_single(
            doors,
            "alice",
            ("audio", "sendonly"),
            tracks=[AddTrackRequest(cid="track", type=TrackType.AUDIO, muted=True)],
        )
        sid = (await alice.until("track_published")).track_published.track.sid
        await alice.until("answer")
        (track,) = doors.server.rooms["lobby"].peers["alice"].tracks
        assert track.muted
        await alice.send(SignalRequest(mute=MuteTrackRequest(sid=sid, muted=False)))
        await alice.send(SignalRequest(ping=1))
        await alice.until("pong")
        assert not track.muted

    async def test_a_mute_of_what_came_by_whip_is_told(self, doors: Doors) -> None:
        alice = await doors.enter("alice")
        room = doors.server.room("lobby")
        (track,) = room.join("obs").answer(make_offer(("audio", "sendonly"))).connection.tracks
        while not (tracks := (await alice.until("update")).update.participants[0].tracks):
            pass
        room.set_track_muted(track, True)
        while not (await alice.until("update")).update.participants[0].tracks[0].muted:
            pass
        lobby = doors.livekit.rooms.by_name["lobby"]
        lobby.mute(lobby.participants["obs"], tracks[0].sid, False)
        assert not (await alice.until("update")).update.participants[0].tracks[0].muted
        assert not track.muted

    async def test_what_is_said_of_a_track_is_passed_on(self, doors: Doors) -> None:
        alice, sid = await publish(doors)
        bob = await doors.enter("bob")
        await bob.until("join")
        request = UpdateLocalVideoTrack(track_sid=sid, width=100, height=50)
        await alice.send(SignalRequest(update_video_track=request))
        track = (await bob.until("update")).update.participants[0].tracks[0]
        assert (track.width, track.height) == (100, 50)
        await alice.send(SignalRequest(update_audio_track=UpdateLocalAudioTrack(track_sid=sid)))
        refused = (await alice.until("request_response")).request_response
        assert refused.reason == RequestResponse.Reason.UNSUPPORTED_TYPE

    async def test_a_track_that_ends_is_gone_for_the_others(self, doors: Doors) -> None:
        alice, _ = await publish(doors)
        bob = await doors.enter("bob")
        await bob.until("join")
        inactive = make_offer(*SIMULCAST).replace("a=sendonly", "a=inactive")
        await alice.send(SignalRequest(offer=SessionDescription(type="offer", sdp=inactive, id=2)))
        assert not (await bob.until("update")).update.participants[0].tracks

    async def test_who_may_not_publish_any_more_has_nothing_published(self, doors: Doors) -> None:
        alice, sid = await publish(doors)
        bob = await enter_single(doors, "bob", *RECEIVE)
        await bob.until("answer")
        client = doors.livekit.rooms.by_name["lobby"].participants["alice"]
        client.set_permission(ParticipantPermission(can_subscribe=True))  # type: ignore[attr-defined]
        assert (await alice.until("track_unpublished")).track_unpublished.track_sid == sid
        assert not (await bob.until("update")).update.participants[0].tracks
        assert not doors.server.rooms["lobby"].peers["bob"].subscriptions
        (track,) = doors.server.rooms["lobby"].tracks
        assert track.blocked

    async def test_layers_that_nobody_takes_are_told_to_the_publisher(self, doors: Doors) -> None:
        alice, sid = await publish(doors)
        (track,) = doors.server.rooms["lobby"].tracks
        track._want(track.encodings[1], False)
        update = (await alice.until("subscribed_quality_update")).subscribed_quality_update
        assert update.track_sid == sid
        told = {each.quality: each.enabled for each in update.subscribed_codecs[0].qualities}
        assert told[VideoQuality.LOW] and not told[VideoQuality.HIGH]
        assert update.subscribed_codecs[0].codec == "vp8"


async def test_the_server_may_unmute_who_cannot_do_it_himself(doors: Doors) -> None:
    alice, sid = await publish(doors)
    room = doors.server.room("lobby")
    (track,) = room.join("obs").answer(make_offer(("audio", "sendonly"))).connection.tracks
    while not (seen := (await alice.until("update")).update.participants[0]).tracks or seen.identity != "obs":
        pass
    service = RoomService(doors.livekit.rooms, mint=doors.livekit.keys.mint)
    for identity, each in (("alice", sid), ("obs", seen.tracks[0].sid)):
        request = MuteRoomTrackRequest(room="lobby", identity=identity, track_sid=each, muted=True)
        await service.mute_published_track(CLAIMS, request)
        assert room.peers[identity].tracks[0].muted
    await service.mute_published_track(CLAIMS, MuteRoomTrackRequest(room="lobby", identity="obs", track_sid=each))
    assert not track.muted
    with pytest.raises(TwirpError, match="unmutes himself"):
        await service.mute_published_track(CLAIMS, MuteRoomTrackRequest(room="lobby", identity="alice", track_sid=sid))


CLAIMS = Claims(api_key="one", expires=0.0)
