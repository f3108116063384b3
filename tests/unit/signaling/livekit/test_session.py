"""Who is in a room, and what they hear of each other."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

from livekit.protocol.models import DisconnectReason, ParticipantInfo, TrackInfo, TrackSource, TrackType
from livekit.protocol.rtc import (
    AddTrackRequest,
    LeaveRequest,
    MuteTrackRequest,
    Ping,
    RequestResponse,
    SignalRequest,
    SimulateScenario,
    SyncState,
    TrackPublishedResponse,
    UpdateParticipantMetadata,
)

from sfu.signaling.livekit.requests import HANDLERS
from tests.unit.signaling.livekit.conftest import PATIENCE, Doors, make_token
from tests.unit.signaling.livekit.negotiating import RECEIVE, enter_single

State = ParticipantInfo.State


async def test_a_participant_is_told_who_is_there_and_the_others_that_it_came(doors: Doors) -> None:
    alice = await doors.enter("alice")
    join = (await alice.until("join")).join
    assert (join.room.name, join.participant.identity, join.participant.name) == ("lobby", "alice", "Alice")
    assert join.room.sid.startswith("RM_") and join.participant.sid.startswith("PA_")
    assert join.server_info.version and join.ping_interval and join.ping_timeout
    assert join.subscriber_primary and not join.other_participants
    bob = await doors.enter("bob")
    assert [other.identity for other in (await bob.until("join")).join.other_participants] == ["alice"]
    (seen,) = (await alice.until("update")).update.participants
    assert (seen.identity, seen.state) == ("bob", State.JOINED)
    await bob.send(SignalRequest(leave=LeaveRequest()))
    await bob.ended()
    (seen,) = (await alice.until("update")).update.participants
    assert (seen.identity, seen.state) == ("bob", State.DISCONNECTED)
    assert seen.disconnect_reason == DisconnectReason.CLIENT_INITIATED


async def test_what_the_client_says_of_itself_is_passed_on(doors: Doors) -> None:
    await doors.enter("alice", client_protocol="2")
    bob = await doors.enter("bob")
    (other,) = (await bob.until("join")).join.other_participants
    assert other.client_protocol == 2


async def test_the_older_of_one_identity_leaves(doors: Doors) -> None:
    first = await doors.enter("alice")
    old = (await first.until("join")).join.participant.sid
    second = await doors.enter("alice")
    new = (await second.until("join")).join.participant.sid
    leave = (await first.until("leave")).leave
    assert (leave.reason, leave.action) == (DisconnectReason.DUPLICATE_IDENTITY, LeaveRequest.Action.DISCONNECT)
    await first.ended()
    assert old != new
    assert list(doors.livekit.rooms.by_name["lobby"].participants) == ["alice"]


async def test_who_is_hidden_is_seen_by_nobody(doors: Doors) -> None:
    alice = await doors.enter("alice")
    await alice.until("join")
    ghost = await doors.enter("ghost", grants={"hidden": True})
    await ghost.until("join")
    bob = await doors.enter("bob")
    assert [other.identity for other in (await bob.until("join")).join.other_participants] == ["alice"]
    await alice.send(SignalRequest(ping_req=Ping(timestamp=1)))
    await alice.until("pong_resp")
    seen = {each.identity for response in alice.seen for each in response.update.participants}
    assert seen == {"bob"}
    assert doors.livekit.rooms.by_name["lobby"].info().num_participants == 2


async def test_both_pings_are_answered(doors: Doors) -> None:
    alice = await doors.enter()
    await alice.send(SignalRequest(ping_req=Ping(timestamp=42)))
    assert (await alice.until("pong_resp")).pong_resp.last_ping_timestamp == 42
    await alice.send(SignalRequest(ping=42))
    assert (await alice.until("pong")).pong == int(doors.now[0] * 1000)


async def test_a_client_that_speaks_json_is_answered_in_json(doors: Doors) -> None:
    alice = await doors.enter()
    await alice.until("join")
    await alice.send('{"pingReq": {"timestamp": "42"}}')
    while not isinstance(answer := await alice.next(), str):
        assert answer is not None
    assert json.loads(answer)["pongResp"]["lastPingTimestamp"] == "42"


async def test_requests_of_newer_clients_are_counted_and_do_no_harm(doors: Doors) -> None:
    alice = await doors.enter()
    await alice.send(b"\xca\x3e\x02\x08\x01")
    await alice.send(SignalRequest(ping_req=Ping(timestamp=1)))
    await alice.until("pong_resp")
    assert doors.livekit.requests["unknown"] == 1


def test_every_kind_of_request_is_handled() -> None:
    assert {field.name for field in SignalRequest.DESCRIPTOR.fields} == {*HANDLERS}


async def test_metadata_change_for_who_may(doors: Doors) -> None:
    alice = await doors.enter("alice", grants={"can_update_own_metadata": True})
    bob = await doors.enter("bob")
    await bob.until("join")
    update = UpdateParticipantMetadata(metadata="m", name="Al", attributes={"a": "1", "b": "2"}, request_id=7)
    await alice.send(SignalRequest(update_metadata=update))
    response = (await alice.until("request_response")).request_response
    assert (response.request_id, response.reason) == (7, RequestResponse.Reason.OK)
    while (seen := (await bob.until("update")).update.participants[0]).metadata != "m":
        pass
    assert (seen.identity, seen.name, dict(seen.attributes)) == ("alice", "Al", {"a": "1", "b": "2"})
    await alice.send(SignalRequest(update_metadata=UpdateParticipantMetadata(attributes={"a": ""})))
    assert (await alice.until("request_response")).request_response.reason == RequestResponse.Reason.OK
    assert dict((await bob.until("update")).update.participants[0].attributes) == {"b": "2"}
    await bob.send(SignalRequest(update_metadata=update))
    refused = (await bob.until("request_response")).request_response
    assert (refused.request_id, refused.reason) == (7, RequestResponse.Reason.NOT_ALLOWED)
    assert refused.update_metadata == update
    update.metadata = "x" * 100_000
    await alice.send(SignalRequest(update_metadata=update))
    refused = (await alice.until("request_response")).request_response
    assert refused.reason == RequestResponse.Reason.LIMIT_EXCEEDED


class TestResume:
    async def test_who_comes_back_in_time_goes_on(self, doors: Doors) -> None:
        alice, bob = await doors.enter("alice"), await doors.enter("bob")
        sid = (await alice.until("join")).join.participant.sid
        await bob.until("join")
        await alice.hang_up()
        doors.now[0] += doors.livekit.options.resume_timeout - 1
        doors.livekit.rooms.handle_tick(doors.now[0])
        again = await doors.enter("alice", reconnect="1", sid=sid)
        first = await again.next()
        assert first is not None and not isinstance(first, str)
        assert first.WhichOneof("message") == "reconnect"
        update = (await again.until("update")).update
        assert {each.identity for each in update.participants} == {"alice", "bob"}
        assert (await again.until("room_update")).room_update.room.name == "lobby"
        doors.livekit.rooms.handle_tick(doors.now[0] + 1000)
        assert {*doors.livekit.rooms.by_name["lobby"].participants} == {"alice", "bob"}

    async def test_who_stays_away_has_left(self, doors: Doors) -> None:
        alice, bob = await doors.enter("alice"), await doors.enter("bob")
        await alice.until("join")
        await bob.until("join")
        await alice.hang_up()
        doors.livekit.rooms.handle_tick(doors.now[0] + doors.livekit.options.resume_timeout)
        while (seen := (await bob.until("update")).update.participants[0]).identity != "alice":
            pass
        assert seen.state == State.DISCONNECTED
        assert seen.disconnect_reason == DisconnectReason.SIGNAL_CLOSE

    async def test_who_is_not_known_has_to_begin_anew(self, doors: Doors) -> None:
        alice = await doors.enter("alice")
        await alice.until("join")
        for caller in (
            await doors.enter("alice", reconnect="1", sid="PA_another"),
            await doors.enter("bob", reconnect="1", sid="PA_another"),
        ):
            first = await caller.next()
            assert first is not None and not isinstance(first, str)
            assert first.leave.reason == DisconnectReason.STATE_MISMATCH
            assert first.leave.action == LeaveRequest.Action.RECONNECT
            await caller.ended()
        assert [*doors.livekit.rooms.by_name["lobby"].participants] == ["alice"]

    async def test_a_socket_that_another_one_replaced_takes_nothing_with_it(self, doors: Doors) -> None:
        alice = await doors.enter("alice")
        sid = (await alice.until("join")).join.participant.sid
        again = await doors.enter("alice", reconnect="1", sid=sid)
        await again.until("reconnect")
        await alice.hang_up()
        doors.livekit.rooms.handle_tick(doors.now[0] + 1000)
        assert "alice" in doors.livekit.rooms.by_name["lobby"].participants

    async def test_the_former_socket_ends_once_its_client_has_another(self, doors: Doors) -> None:
        alice = await doors.enter("alice")
        sid = (await alice.until("join")).join.participant.sid
        again = await doors.enter("alice", reconnect="1", sid=sid)
        await again.until("reconnect")
        await alice.ended_by_server()
        await again.send(SignalRequest(ping_req=Ping(timestamp=1)))
        assert (await again.until("pong_resp")).pong_resp.last_ping_timestamp == 1

    async def test_a_client_that_publishes_what_is_not_known_begins_anew(self, doors: Doors) -> None:
        alice = await doors.enter("alice")
        sid = (await alice.until("join")).join.participant.sid
        await alice.hang_up()
        again = await doors.enter("alice", reconnect="1", sid=sid)
        track = TrackPublishedResponse(cid="c", track=TrackInfo(sid="TR_x"))
        await again.send(SignalRequest(sync_state=SyncState(publish_tracks=[track])))
        assert (await again.until("leave")).leave.reason == DisconnectReason.STATE_MISMATCH


class TestAnnouncing:
    MICROPHONE: Mapping[str, object] = {"cid": "c1", "type": TrackType.AUDIO, "source": TrackSource.MICROPHONE}

    async def test_a_track_gets_its_id_before_its_media(self, doors: Doors) -> None:
        alice = await doors.enter("alice")
        await alice.send(SignalRequest(add_track=AddTrackRequest(**self.MICROPHONE, name="mic", muted=True)))  # type: ignore[arg-type]
        published = (await alice.until("track_published")).track_published
        assert published.cid == "c1" and published.track.sid.startswith("TR_")
        assert (published.track.name, published.track.muted, published.track.source) == ("mic", True, 2)
        await alice.send(SignalRequest(add_track=AddTrackRequest(**self.MICROPHONE)))  # type: ignore[arg-type]
        again = (await alice.until("track_published")).track_published
        assert again.track.sid == published.track.sid, "it was announced already"
        await alice.send(SignalRequest(mute=MuteTrackRequest(sid=published.track.sid, muted=False)))
        await alice.send(SignalRequest(mute=MuteTrackRequest(sid="TR_other")))
        refused = (await alice.until("request_response")).request_response
        assert (refused.reason, refused.mute.sid) == (RequestResponse.Reason.NOT_FOUND, "TR_other")

    async def test_what_the_token_does_not_allow_is_refused(self, doors: Doors) -> None:
        alice = await doors.enter("alice", grants={"can_publish_sources": ["camera"]})
        bob = await doors.enter("bob", grants={"can_publish": False})
        request = AddTrackRequest(**self.MICROPHONE)  # type: ignore[arg-type]
        for caller in (alice, bob):
            await caller.send(SignalRequest(add_track=request))
            refused = (await caller.until("request_response")).request_response
            assert (refused.reason, refused.add_track) == (RequestResponse.Reason.NOT_ALLOWED, request)

    async def test_announcements_are_bounded(self, doors: Doors) -> None:
        alice = await doors.enter("alice")
        for number in range(doors.livekit.options.max_pending_tracks + 1):
            await alice.send(SignalRequest(add_track=AddTrackRequest(cid=f"c{number}", type=TrackType.AUDIO)))
        refused = (await alice.until("request_response")).request_response
        assert refused.reason == RequestResponse.Reason.LIMIT_EXCEEDED


class TestRoom:
    async def test_a_room_that_everybody_left_ends_after_a_while(self, doors: Doors) -> None:
        happened: list[str] = []
        doors.livekit.rooms.watch(lambda name, room, participant, published: happened.append(name))
        alice = await doors.enter("alice")
        await alice.send(SignalRequest(leave=LeaveRequest()))
        await alice.ended()
        room = doors.livekit.rooms.by_name["lobby"]
        doors.livekit.rooms.handle_tick(doors.now[0] + room.departure_timeout - 1)
        assert "lobby" in doors.livekit.rooms.by_name
        doors.livekit.rooms.handle_tick(doors.now[0] + room.departure_timeout)
        assert "lobby" not in doors.livekit.rooms.by_name
        assert happened == ["room_started", "participant_joined", "participant_left", "room_finished"]

    async def test_a_room_that_nobody_entered_has_longer(self, doors: Doors) -> None:
        room = doors.livekit.rooms.create("lobby")
        doors.livekit.rooms.handle_tick(doors.now[0] + room.empty_timeout - 1)
        assert doors.livekit.rooms.find("lobby") is room
        doors.livekit.rooms.handle_tick(doors.now[0] + room.empty_timeout)
        assert doors.livekit.rooms.find("lobby") is None

    async def test_a_full_room_lets_nobody_in(self, doors: Doors) -> None:
        doors.livekit.rooms.create("lobby").max_participants = 1
        assert (await doors.enter("alice")).status == 101
        assert (await doors.enter("bob")).status == 409
        assert (await doors.enter("alice")).status == 101, "who comes again takes his own place"

    async def test_its_metadata_are_told(self, doors: Doors) -> None:
        alice = await doors.enter("alice")
        await alice.until("join")
        doors.livekit.rooms.by_name["lobby"].set_metadata("topic")
        assert (await alice.until("room_update")).room_update.room.metadata == "topic"


class TestSimulated:
    async def test_what_sdks_test_with(self, doors: Doors) -> None:
        alice = await doors.enter("alice")
        await alice.until("join")
        await alice.send(SignalRequest(simulate=SimulateScenario(leave_request_full_reconnect=True)))
        assert (await alice.until("leave")).leave.action == LeaveRequest.Action.RECONNECT
        await alice.send(SignalRequest(simulate=SimulateScenario()))
        refused = (await alice.until("request_response")).request_response
        assert refused.reason == RequestResponse.Reason.UNSUPPORTED_TYPE
        bob = await doors.enter("bob")
        await bob.until("join")
        await bob.send(SignalRequest(simulate=SimulateScenario(server_leave=True)))
        assert (await bob.until("leave")).leave.reason == DisconnectReason.SERVER_SHUTDOWN
        await bob.ended()
        carol = await doors.enter("carol")
        sid = (await carol.until("join")).join.participant.sid
        await carol.send(SignalRequest(simulate=SimulateScenario(node_failure=True)))
        await carol.ended()
        assert (await doors.call("/rtc", access_token=make_token("carol"), reconnect="1", sid=sid)).status == 101

    async def test_somebody_is_said_to_speak_for_a_while(self, doors: Doors) -> None:
        alice, bob = await doors.enter("alice"), await doors.enter("bob")
        sid = (await alice.until("join")).join.participant.sid
        await bob.until("join")
        await alice.send(SignalRequest(simulate=SimulateScenario(speaker_update=3)))
        (told,) = (await bob.until("speakers_changed")).speakers_changed.speakers
        assert (told.sid, told.active, round(told.level, 3)) == (sid, True, 0.9)
        carol = await doors.enter("carol")
        (told,) = (await carol.until("speakers_changed")).speakers_changed.speakers
        assert (told.sid, told.active) == (sid, True)  # she has only come, and hears of it, too
        doors.now[0] += 3.0
        doors.livekit.rooms.handle_tick(doors.now[0])
        (told,) = (await bob.until("speakers_changed")).speakers_changed.speakers
        assert (told.sid, told.active) == (sid, False)

    async def test_a_path_is_made_as_narrow_as_is_said(self, doors: Doors) -> None:
        bob = await enter_single(doors, "bob", *RECEIVE)
        await bob.until("answer")
        (connection,) = doors.server.rooms["lobby"].peers["bob"].connections
        for rate, bound in ((100_000, 100_000.0), (0, float("inf")), (-1, float("inf"))):
            await bob.send(SignalRequest(simulate=SimulateScenario(subscriber_bandwidth=rate)))
            await bob.send(SignalRequest(ping=1))
            await bob.until("pong")
            assert connection._budget._bound_bps == bound


class TestServerThatStops:
    async def test_nobody_opens_a_room_and_who_is_in_one_is_not_put_out(self, doors: Doors) -> None:
        alice = await doors.enter("alice")
        await alice.until("join")
        doors.server.drain(60.0)
        for path in ("/rtc", "/rtc/v1"):
            refused = await doors.call(path, access_token=make_token("bob", room="attic"), join_request="")
            assert (refused.status, "60 s" in refused.body.decode()) == (503, True)
        assert set(doors.livekit.rooms.by_name) == {"lobby"}
        bob = await doors.enter("bob")
        await bob.until("join")

    async def test_its_platform_is_told(self, doors: Doors) -> None:
        happened: list[str] = []
        doors.livekit.rooms.watch(lambda name, room, participant, published: happened.append(f"{name} {room.name}"))
        await (await doors.enter("alice")).until("join")
        doors.server.drain(60.0)
        async with asyncio.timeout(PATIENCE):
            while "room_draining lobby" not in happened:  # noqa: ASYNC110 - nobody else is told
                await asyncio.sleep(0.01)
