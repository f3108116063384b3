"""What participants are told without asking: who is there, what a path does not carry, who speaks, quality, tokens."""

from __future__ import annotations

import time

from livekit.protocol.models import (
    ConnectionQuality,
    TrackSource,
)
from livekit.protocol.rtc import (
    SignalRequest,
    SignalResponse,
    StreamState,
)

from sfu import Layer
from sfu.signaling.livekit.quality import judge
from tests.unit.offers import make_offer
from tests.unit.signaling.livekit.conftest import Doors
from tests.unit.signaling.livekit.negotiating import (
    RECEIVE,
    enter_single,
    offer,
    publish,
)


async def test_peers_that_came_otherwise_are_participants_too(doors: Doors) -> None:
    alice = await enter_single(doors, "alice", *RECEIVE)
    await alice.until("answer")
    whip = doors.server.room("lobby").join("obs", leave_when_idle=True)
    answered = whip.answer(make_offer(("audio", "sendonly"), ("video", "sendonly")))
    while not (seen := (await alice.until("update")).update.participants[0]).tracks:
        assert seen.identity == "obs"
    assert [track.source for track in seen.tracks] == [TrackSource.MICROPHONE, TrackSource.CAMERA]
    await alice.send(SignalRequest(offer=offer(*RECEIVE, id=2)))
    answer = (await alice.until("answer")).answer
    assert {*answer.mid_to_track_id.values()} == {track.sid for track in seen.tracks}
    answered.connection.close()
    while (seen := (await alice.until("update")).update.participants[0]).state != 3:
        assert seen.identity == "obs"


async def test_a_video_that_the_path_does_not_carry_is_told_to_who_receives_it(doors: Doors) -> None:
    alice, sid = await publish(doors)
    bob = await enter_single(doors, "bob", *RECEIVE)
    await bob.until("answer")
    (held,) = doors.server.rooms["lobby"].peers["bob"].subscriptions
    for layer, state in ((None, StreamState.PAUSED), (Layer(0, 0), StreamState.ACTIVE)):
        held.allocate(layer, time.monotonic())
        (told,) = (await bob.until("stream_state_update")).stream_state_update.stream_states
        assert (told.track_sid, told.state) == (sid, state)
        assert told.participant_sid == alice.seen[0].join.participant.sid


async def test_speakers_are_told_as_differences(doors: Doors) -> None:
    alice, _ = await publish(doors, camera=False)
    room = doors.livekit.rooms.by_name["lobby"]
    levels = {"alice": -20.0}
    room._speakers._room = Levels(levels)  # type: ignore[assignment]
    room.tell_speakers()
    (told,) = (await alice.until("speakers_changed")).speakers_changed.speakers
    assert told.active and abs(told.level - 0.1) < 1e-6
    levels["alice"] = -20.1
    room.tell_speakers()
    levels.clear()
    room.tell_speakers()
    (told,) = (await alice.until("speakers_changed")).speakers_changed.speakers
    assert (told.active, told.level) == (False, 0.0)


class Levels:
    def __init__(self, speaker_levels: dict[str, float]) -> None:
        self.speaker_levels = speaker_levels


def test_quality_is_judged_by_the_worst() -> None:
    good = {"connected": True, "losses": [0.0], "round_trip_s": 0.05, "starved": False}
    for change, expected in (
        ({}, ConnectionQuality.EXCELLENT),
        ({"losses": []}, ConnectionQuality.EXCELLENT),
        ({"losses": [0.0, 0.03]}, ConnectionQuality.GOOD),
        ({"round_trip_s": 0.4}, ConnectionQuality.GOOD),
        ({"losses": [0.1]}, ConnectionQuality.POOR),
        ({"starved": True}, ConnectionQuality.POOR),
        ({"connected": False}, ConnectionQuality.LOST),
    ):
        assert judge(**{**good, **change}) == expected  # type: ignore[arg-type]


async def test_tokens_are_refreshed(doors: Doors) -> None:
    alice = await doors.enter("alice")
    first = (await alice.until("refresh_token")).refresh_token
    doors.now[0] += doors.livekit.options.refresh_interval
    doors.livekit.handle_tick(doors.now[0])
    second = (await alice.until("refresh_token")).refresh_token
    old, new = doors.livekit.keys.verify(first), doors.livekit.keys.verify(second)
    assert new.expires > old.expires and new == old
    assert isinstance(alice.seen[0], SignalResponse)
