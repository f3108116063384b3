"""Who may publish data tracks, and what others see of them."""

from __future__ import annotations

from typing import Any

import pytest
from livekit.protocol.models import (
    DataTrackFrameEncoding,
    DataTrackSchemaEncoding,
    DataTrackSchemaId,
    DisconnectReason,
    Encryption,
    ParticipantPermission,
)
from livekit.protocol.rtc import (
    LeaveRequest,
    PublishDataTrackRequest,
    PublishDataTrackResponse,
    RequestResponse,
    SignalRequest,
    SyncState,
    UnpublishDataTrackRequest,
)

from sfu.signaling.livekit.options import LiveKitOptions
from tests.unit.signaling.livekit.conftest import Caller, Doors
from tests.unit.signaling.livekit.data_tracks.lines import Attendee, attend
from tests.unit.signaling.livekit.data_tracks.packets import make_packet

Reason = RequestResponse.Reason
SCHEMA = DataTrackSchemaId(name="Pose", encoding=DataTrackSchemaEncoding(custom="capnp"))


@pytest.fixture
def options() -> LiveKitOptions:
    return LiveKitOptions(max_data_tracks=4, max_data_tracks_bytes=1000, request_burst=100, request_rate=1000.0)


async def refused(caller: Caller, request: PublishDataTrackRequest) -> Reason:
    await caller.send(SignalRequest(publish_data_track_request=request))
    response = (await caller.until("request_response")).request_response
    assert response.publish_data_track == request, "by it the client knows what was refused"
    return response.reason


async def test_a_data_track_gets_its_id_and_is_seen(doors: Doors) -> None:
    alice, bob = await attend(doors, "alice"), await attend(doors, "bob")
    request = PublishDataTrackRequest(
        pub_handle=0xFFFF,
        name="pose",
        encryption=Encryption.Type.GCM,
        frame_encoding=DataTrackFrameEncoding(custom="capnp"),
        schema=SCHEMA,
    )
    await alice.caller.send(SignalRequest(publish_data_track_request=request))
    info = (await alice.caller.until("publish_data_track_response")).publish_data_track_response.info
    assert info.sid.startswith("DTR_")
    assert (info.pub_handle, info.name, info.encryption) == (0xFFFF, "pose", Encryption.Type.GCM)
    assert (info.frame_encoding, info.schema) == (request.frame_encoding, SCHEMA)
    seen = await bob.sees("alice")
    assert [*seen.data_tracks] == [info] and seen.is_publisher
    carol = await doors.enter("carol")
    others = {each.identity: each for each in (await carol.until("join")).join.other_participants}
    assert [*others["alice"].data_tracks] == [info]
    assert doors.livekit.rooms.by_name["lobby"].info().num_publishers == 1


async def test_a_data_track_that_is_unpublished_is_gone(doors: Doors) -> None:
    alice, bob = await attend(doors, "alice"), await attend(doors, "bob")
    sid = await alice.publish(3)
    await bob.sees("alice")
    await bob.subscribe(sid)
    unpublish = UnpublishDataTrackRequest(pub_handle=3)
    await alice.caller.send(SignalRequest(unpublish_data_track_request=unpublish))
    response = (await alice.caller.until("unpublish_data_track_response")).unpublish_data_track_response
    assert (response.info.sid, response.info.pub_handle) == (sid, 3)
    seen = await bob.sees("alice")
    assert not seen.data_tracks and not seen.is_publisher
    assert not (await bob.handles()).sub_handles
    alice.push(make_packet(3))
    assert not bob.line.sent and doors.livekit.rooms.data_losses["data_track_unknown_handle"] == 1
    await alice.caller.send(SignalRequest(unpublish_data_track_request=unpublish))
    again = (await alice.caller.until("request_response")).request_response
    assert (again.reason, again.unpublish_data_track) == (Reason.NOT_FOUND, unpublish)
    assert await alice.publish(3) != sid, "the handle and the name are free again"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"pub_handle": 0}, Reason.INVALID_HANDLE),
        ({"pub_handle": 0x10000}, Reason.INVALID_HANDLE),
        ({"name": ""}, Reason.INVALID_NAME),
        ({"name": "ä" * 129}, Reason.INVALID_NAME),
        ({"encryption": Encryption.Type.CUSTOM}, Reason.INVALID_REQUEST),
        ({"encryption": 99}, Reason.INVALID_REQUEST),
        ({"frame_encoding": DataTrackFrameEncoding(custom="")}, Reason.INVALID_REQUEST),
        ({"frame_encoding": DataTrackFrameEncoding(custom="x" * 33)}, Reason.INVALID_REQUEST),
        ({"schema": DataTrackSchemaId()}, Reason.INVALID_REQUEST),
        ({"schema": DataTrackSchemaId(name="x" * 257)}, Reason.INVALID_REQUEST),
        ({"schema": DataTrackSchemaId(name="x", encoding=DataTrackSchemaEncoding(custom=""))}, Reason.INVALID_REQUEST),
        ({"pub_handle": 3}, Reason.DUPLICATE_HANDLE),
        ({"name": "pose"}, Reason.DUPLICATE_NAME),
    ],
)
async def test_what_cannot_be_published_is_refused(doors: Doors, wrong: dict[str, Any], reason: Reason) -> None:
    alice = await attend(doors, "alice")
    await alice.publish(3, "pose")
    assert await refused(alice.caller, PublishDataTrackRequest(**{"pub_handle": 4, "name": "n", **wrong})) == reason
    assert [*alice.client.data_tracks] == [3]


async def test_names_are_each_participant_s_own(doors: Doors) -> None:
    alice, bob = await attend(doors, "alice"), await attend(doors, "bob")
    assert await alice.publish(3, "pose") != await bob.publish(3, "pose")


async def test_who_may_not_publish_data_is_refused(doors: Doors) -> None:
    alice = await attend(doors, "alice", {"can_publish_data": False})
    assert await refused(alice.caller, PublishDataTrackRequest(pub_handle=3, name="n")) == Reason.NOT_ALLOWED


async def test_data_tracks_are_bounded(doors: Doors) -> None:
    alice = await attend(doors, "alice")
    for number in range(1, 5):
        await alice.publish(number, f"n{number}")
    assert await refused(alice.caller, PublishDataTrackRequest(pub_handle=9, name="n")) == Reason.LIMIT_EXCEEDED


async def test_what_is_said_of_them_is_bounded(doors: Doors) -> None:
    alice = await attend(doors, "alice")
    for number in range(1, 4):
        await alice.publish(number, str(number) * 256)
    request = PublishDataTrackRequest(pub_handle=9, name="n" * 200)
    assert await refused(alice.caller, request) == Reason.LIMIT_EXCEEDED
    await alice.publish(9, "n")


async def test_what_is_not_known_of_a_data_track_is_not_passed_on(doors: Doors) -> None:
    alice = await attend(doors, "alice")
    ballast = b"\xba\x3e\x90\x4e" + bytes(10_000)  # field 999, which nobody knows
    encoding, schema = DataTrackFrameEncoding.FromString(ballast), DataTrackSchemaId.FromString(ballast)
    schema.name = "Pose"
    schema.encoding.MergeFromString(ballast)
    await alice.publish(3, frame_encoding=encoding, schema=schema)
    assert len(alice.client.info().SerializeToString()) < 300


async def test_who_may_not_any_more_has_nothing_published(doors: Doors) -> None:
    alice, bob = await attend(doors, "alice"), await attend(doors, "bob")
    sids = {await alice.publish(3, "pose"), await alice.publish(4, "speed")}
    for _ in sids:
        await bob.sees("alice")
    await bob.subscribe(*sids)
    alice.client.set_permission(ParticipantPermission(can_publish=True, can_subscribe=True, can_publish_data=False))
    told = {(await alice.caller.until("unpublish_data_track_response")).unpublish_data_track_response.info.sid}
    told.add((await alice.caller.until("unpublish_data_track_response")).unpublish_data_track_response.info.sid)
    assert told == sids
    while (await bob.sees("alice")).data_tracks:
        pass
    while (await bob.handles()).sub_handles:
        pass


async def test_who_leaves_takes_his_data_tracks_with_him(doors: Doors) -> None:
    alice, bob = await attend(doors, "alice"), await attend(doors, "bob")
    sid = await alice.publish(3)
    await bob.sees("alice")
    await bob.subscribe(sid)
    mine = await bob.publish(3)
    await alice.subscribe(mine)
    await alice.caller.send(SignalRequest(leave=LeaveRequest()))
    assert not (await bob.handles()).sub_handles
    seen = await bob.sees("alice")
    assert seen.disconnect_reason == DisconnectReason.CLIENT_INITIATED and not seen.data_tracks
    bob.push(make_packet(3))
    alice.push(make_packet(3))
    assert not alice.line.sent and not bob.line.sent
    catalogue = doors.livekit.rooms.by_name["lobby"].data_tracks
    assert [track.sid for track in catalogue.tracks] == [mine] and not catalogue.tracks[0].subscriptions


class TestResume:
    async def come_back(self, doors: Doors, alice: Attendee, *listed: str) -> Caller:
        """Alice's socket is cut, and she says that she publishes this."""
        await alice.caller.hang_up()
        again = await doors.enter("alice", reconnect="1", sid=alice.client.sid)
        state = SyncState()
        for sid in listed:
            state.publish_data_tracks.add().info.sid = sid
        await again.send(SignalRequest(sync_state=state))
        return again

    async def test_what_is_published_goes_on(self, doors: Doors) -> None:
        alice, bob = await attend(doors, "alice"), await attend(doors, "bob")
        sid = await alice.publish(3)
        await bob.sees("alice")
        await bob.subscribe(sid)
        await self.come_back(doors, alice, sid)
        alice.push(make_packet(3))
        assert len(bob.line.sent) == 1

    async def test_who_publishes_what_is_not_known_begins_anew(self, doors: Doors) -> None:
        alice = await attend(doors, "alice")
        sid = await alice.publish(3)
        again = await self.come_back(doors, alice, sid, "DTR_other")
        leave = (await again.until("leave")).leave
        assert (leave.reason, leave.action) == (DisconnectReason.STATE_MISMATCH, LeaveRequest.Action.RECONNECT)

    async def test_who_does_not_say_which_one_begins_anew(self, doors: Doors) -> None:
        alice = await attend(doors, "alice")
        await alice.publish(3)
        await alice.caller.hang_up()
        again = await doors.enter("alice", reconnect="1", sid=alice.client.sid)
        state = SyncState(publish_data_tracks=[PublishDataTrackResponse()])
        await again.send(SignalRequest(sync_state=state))
        assert (await again.until("leave")).leave.reason == DisconnectReason.STATE_MISMATCH

    async def test_an_answer_that_was_lost_is_given_again(self, doors: Doors) -> None:
        alice = await attend(doors, "alice")
        known, lost = await alice.publish(3, "pose"), await alice.publish(4, "speed")
        again = await self.come_back(doors, alice, known)
        told = (await again.until("publish_data_track_response")).publish_data_track_response
        assert (told.info.sid, told.info.pub_handle) == (lost, 4)
        assert again.kinds().count("publish_data_track_response") == 1
