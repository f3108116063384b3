"""What clients hear of their requests, of who takes their audio, and of another room that they are to come to."""

from __future__ import annotations

import pytest
from livekit.protocol.models import DisconnectReason, ParticipantPermission
from livekit.protocol.room import MoveParticipantRequest
from livekit.protocol.rtc import (
    LeaveRequest,
    MuteTrackRequest,
    RequestResponse,
    SignalRequest,
    TrickleRequest,
    UpdateParticipantMetadata,
    UpdateSubscription,
)

from sfu.signaling.livekit.claims import Claims
from sfu.signaling.livekit.twirp.errors import TwirpError
from sfu.signaling.livekit.twirp.room_service import RoomService
from sfu.signaling.livekit.wanted import PATIENCE
from tests.unit.signaling.livekit.conftest import Caller, Doors, make_token
from tests.unit.signaling.livekit.negotiating import RECEIVE, enter_single, offer, publish

Reason = RequestResponse.Reason
CLAIMS = Claims(api_key="one", expires=0.0)


async def hear(caller: Caller, request: SignalRequest) -> list[RequestResponse]:
    """Send a request, and return the responses to it."""
    before = len(caller.seen)
    await caller.send(request)
    await caller.send(SignalRequest(ping=1))
    await caller.until("pong")
    return [each.request_response for each in caller.seen[before:] if each.WhichOneof("message") == "request_response"]


@pytest.mark.parametrize(
    ("sdk", "protocol", "success", "failure"),
    [
        ("js", "15", [(7, Reason.OK)], [Reason.NOT_FOUND]),
        ("js", "14", [], [Reason.NOT_FOUND]),
        ("rust", "10", [], [Reason.NOT_FOUND]),
        ("rust", "9", [], []),
    ],
)
async def test_success_is_told_to_who_has_a_word_for_it(
    doors: Doors, sdk: str, protocol: str, success: list[tuple[int, int]], failure: list[int]
) -> None:
    token = make_token("alice", can_update_own_metadata=True)
    alice = await doors.call("/rtc", access_token=token, protocol=protocol, sdk=sdk)
    update = UpdateParticipantMetadata(metadata="m", request_id=7)
    told = await hear(alice, SignalRequest(update_metadata=update))
    assert [(each.request_id, each.reason) for each in told] == success
    told = await hear(alice, SignalRequest(mute=MuteTrackRequest(sid="TR_none")))
    assert [each.reason for each in told] == failure


@pytest.mark.parametrize("candidate", ["{", "[]", "1", "[" * 100_000])
async def test_a_candidate_that_cannot_be_read_is_refused(doors: Doors, candidate: str) -> None:
    alice = await doors.enter("alice")
    request = TrickleRequest(candidateInit=candidate)
    (refused,) = await hear(alice, SignalRequest(trickle=request))
    assert (refused.reason, refused.trickle) == (Reason.UNCLASSIFIED_ERROR, request)
    assert not await hear(alice, SignalRequest(trickle=TrickleRequest(candidateInit="", final=True)))


async def test_who_publishes_audio_hears_whether_somebody_takes_it(doors: Doors) -> None:
    alice, sid = await publish(doors, camera=False)
    bob = await enter_single(doors, "bob", *RECEIVE)
    for wanted in (True, False, True):
        if bob.kinds()[-1:] != ["answer"]:
            await bob.until("answer")
        else:
            choice = UpdateSubscription(track_sids=[sid], subscribe=wanted)
            await bob.send(SignalRequest(subscription=choice))
            await bob.until("media_sections_requirement")
            await bob.send(SignalRequest(offer=offer(*RECEIVE, id=2)))
            await bob.until("answer")
        for _ in range(2):
            doors.livekit.rooms.handle_tick(doors.now[0])
            doors.now[0] += PATIENCE
        told = (await alice.until("subscribed_audio_codec_update")).subscribed_audio_codec_update
        (codec,) = told.subscribed_audio_codecs
        assert (told.track_sid, codec.codec, codec.enabled) == (sid, "opus", wanted)
    assert alice.kinds().count("subscribed_audio_codec_update") == 3, "told when it changes"


async def test_who_is_moved_comes_to_the_other_room_as_what_it_is_by_now(doors: Doors) -> None:
    alice, bob = await doors.enter("alice"), await doors.enter("bob")
    carol = await doors.call("/rtc", access_token=make_token("carol", "court"), protocol="16")
    for caller in (alice, bob, carol):
        await caller.until("join")
    lobby = doors.livekit.rooms.by_name["lobby"]
    client = lobby.clients[0]
    client.set_metadata("first row")
    client.set_permission(ParticipantPermission(can_subscribe=True))
    service = RoomService(doors.livekit.rooms, mint=doors.livekit.keys.mint)
    request = MoveParticipantRequest(room="lobby", identity="alice", destination_room="court")
    await service.move_participant(CLAIMS, request)
    moved = (await alice.until("room_moved")).room_moved
    assert (moved.room.name, moved.participant.identity) == ("court", "alice")
    assert [each.identity for each in moved.other_participants] == ["carol"]
    assert (await alice.until("refresh_token")).refresh_token == moved.token
    assert (await alice.until("leave")).leave.action == LeaveRequest.Action.RECONNECT
    while (
        seen := (await bob.until("update")).update.participants[0]
    ).identity != "alice" or not seen.disconnect_reason:
        pass
    assert seen.disconnect_reason == DisconnectReason.MIGRATION
    claims = doors.livekit.keys.verify(moved.token)
    assert (claims.video.room, claims.metadata, claims.video.can_publish) == ("court", "first row", False)
    again = await doors.call("/rtc", access_token=moved.token, protocol="16")
    joined = (await again.until("join")).join
    assert (joined.room.name, joined.participant.metadata) == ("court", "first row")


async def test_who_cannot_be_moved_stays(doors: Doors) -> None:
    alice = await doors.enter("alice")
    await alice.until("join")
    doors.server.room("lobby").join("obs")
    await doors.call("/rtc", access_token=make_token("alice", "court"), protocol="16")
    service = RoomService(doors.livekit.rooms, mint=doors.livekit.keys.mint)
    request = MoveParticipantRequest(room="lobby", identity="alice", destination_room="court")
    with pytest.raises(TwirpError, match="Somebody is 'alice'"):
        await service.move_participant(CLAIMS, request)
    doors.livekit.rooms.create("small").max_participants = 1
    await doors.call("/rtc", access_token=make_token("bob", "small"), protocol="16")
    request.destination_room = "small"
    with pytest.raises(TwirpError, match="full"):
        await service.move_participant(CLAIMS, request)
    request.identity = "obs"
    while "obs" not in doors.livekit.rooms.by_name["lobby"].participants:
        await alice.until("update")
    with pytest.raises(TwirpError, match="WHIP"):
        await service.move_participant(CLAIMS, request)
    assert {*doors.livekit.rooms.by_name["lobby"].participants} == {"alice", "obs"}
