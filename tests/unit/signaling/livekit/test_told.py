"""What participants are told without asking: who is there, what a path does not carry, who speaks, quality, tokens."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from livekit.protocol.models import (
    ConnectionQuality,
    ParticipantInfo,
    ParticipantPermission,
    TrackSource,
)
from livekit.protocol.rtc import (
    SignalRequest,
    SignalResponse,
    StreamState,
)

from sfu import Layer, events
from sfu.signaling.livekit.client import Client
from sfu.signaling.livekit.news import SpeakerNews
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


async def test_a_refreshed_token_gives_back_nothing_that_was_taken_away(doors: Doors) -> None:
    alice = await doors.enter("alice")
    first = doors.livekit.keys.verify((await alice.until("refresh_token")).refresh_token)
    client = doors.livekit.rooms.by_name["lobby"].clients[0]
    client.set_permission(ParticipantPermission(can_subscribe=True))
    doors.now[0] += doors.livekit.options.refresh_interval
    doors.livekit.handle_tick(doors.now[0])
    second = doors.livekit.keys.verify((await alice.until("refresh_token")).refresh_token)
    assert first.video.can_publish and first.video.can_publish_data
    assert second.video == replace(first.video, can_publish=False, can_publish_data=False)


async def test_a_refreshed_token_is_one_that_this_server_takes(doors: Doors) -> None:
    alice = await doors.enter("alice")
    first = doors.livekit.keys.verify((await alice.until("refresh_token")).refresh_token)
    client = doors.livekit.rooms.by_name["lobby"].clients[0]
    client.set_metadata("m" * 20_000)
    doors.now[0] += doors.livekit.options.refresh_interval
    doors.livekit.handle_tick(doors.now[0])
    assert doors.livekit.keys.verify((await alice.until("refresh_token")).refresh_token) == first


def test_who_comes_anew_while_speaking_is_told_of_and_its_former_self_is_silent() -> None:
    news = SpeakerNews(Levels({"alice": -20.0}))  # type: ignore[arg-type]
    former, anew = (Seen(sid) for sid in ("PA_1", "PA_2"))
    assert told(news, former) == {"PA_1": True}
    assert told(news, former) == {}
    assert told(news, anew) == {"PA_1": False, "PA_2": True}
    assert told(news, anew) == {}


class Seen:
    hidden = False

    def __init__(self, sid: str) -> None:
        self.sid = sid


def told(news: SpeakerNews, alice: Seen) -> dict[str, bool]:
    """Whether somebody speaks, by id."""
    changes = news.find_changes({"alice": alice}, 0.0)  # type: ignore[dict-item]
    return {} if changes is None else {each.sid: each.active for each in changes.speakers_changed.speakers}


async def test_who_was_connected_when_events_were_lost_is_told_of(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[str] = []
    doors.livekit.rooms.watch(lambda name, room, participant, published: happened.append(name))
    alice = await doors.enter("alice")
    await alice.until("join")
    monkeypatch.setattr(Client, "connected", property(lambda client: True))
    for _ in range(2):
        doors.livekit.rooms.handle_event(events.EventsLost(3))
    assert happened.count("participant_active") == 1
    assert doors.livekit.rooms.by_name["lobby"].clients[0].state == ParticipantInfo.State.ACTIVE


async def test_a_mistake_with_one_room_does_not_hold_up_the_others(
    doors: Doors, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken, other = (doors.livekit.rooms.create(name) for name in ("broken", "other"))

    def fail() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(broken, "tell_speakers", fail)
    alice = await doors.enter("alice")
    await alice.until("refresh_token")
    doors.livekit.handle_tick(doors.now[0] + other.empty_timeout)
    assert {*doors.livekit.rooms.by_name} == {"broken", "lobby"}
    await alice.until("refresh_token")
    assert "tick failed" in caplog.text
