"""The speakers of a room: events of who speaks, and last-N on Tracks and Subscriptions. The levels are put into the
plane's tables as its packets would."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from sfu import Config, Room, Server, Track
from sfu.audio.speakers import INTERVAL
from sfu.events import ActiveSpeakersChanged, DominantSpeakerChanged, TrackHeld, TrackPublished, TrackReleased
from sfu.wire.rtcp import build_goodbye, build_receiver_report
from tests.unit.fakes import FakeClock
from tests.unit.offers import BOTH, make_offer

SPEECH, SILENCE = 100, 0


class Meeting:
    """A room whose Peers speak on a clock of its own."""

    def __init__(self, server: Server, clock: FakeClock) -> None:
        self.server = server
        self.clock = clock
        self.room: Room = server.room("lobby")
        self._stream = self.room.events()

    async def join(self, name: str, *media: tuple[str, str]) -> dict[str, Track]:
        """Publish; the Tracks by kind."""
        answered = self.room.join(name).answer(make_offer(*(media or BOTH)))
        return {track.kind: track for track in answered.connection.tracks}

    def speak(self, seconds: float, *speakers: str) -> None:
        """Let time pass in which these speak."""
        for _ in range(round(seconds / INTERVAL)):
            self.clock.now += INTERVAL
            for track in self.room.tracks:
                if track.kind == "audio":
                    self._add_level(track, SPEECH if track.peer in speakers else SILENCE)
            self.room.update_speakers(self.clock.now)

    def _add_level(self, track: Track, loudness: int) -> None:
        plane: Any = track.route.shard.plane
        entry = plane._tables.encodings[track.encodings[0].row]
        entry["levels"] += 5
        entry["loudness"] += 5 * loudness
        entry["voiced"] += 5 * (loudness > 0)

    async def told(self) -> list[Any]:
        """The events so far, without those that are not about the floor."""
        self._stream.close()
        kinds = (ActiveSpeakersChanged, DominantSpeakerChanged, TrackHeld, TrackReleased)
        events = [event async for event in self._stream if isinstance(event, kinds)]
        self._stream = self.room.events()
        return events


@pytest.fixture(params=[1, 2], ids=["one_shard", "two_shards"])
async def meeting(request: pytest.FixtureRequest) -> AsyncIterator[Meeting]:
    clock = FakeClock()
    async with Server(Config(shards=request.param), clock=clock) as server:
        yield Meeting(server, clock)


async def test_speakers_are_told_by_name(meeting: Meeting) -> None:
    await meeting.join("ann")
    await meeting.join("bob")
    meeting.speak(3.0)
    assert await meeting.told() == []
    meeting.speak(2.0, "bob")
    assert await meeting.told() == [ActiveSpeakersChanged("lobby", ("bob",)), DominantSpeakerChanged("lobby", "bob")]
    assert (meeting.room.active_speakers, meeting.room.dominant_speaker) == (("bob",), "bob")
    meeting.speak(3.0)
    assert await meeting.told() == [ActiveSpeakersChanged("lobby", ())]
    assert meeting.room.dominant_speaker == "bob"


async def test_who_leaves_speaks_no_more_from_that_moment(meeting: Meeting) -> None:
    await meeting.join("ann")
    meeting.speak(2.0, "ann")
    await meeting.told()
    meeting.room.peers["ann"].leave()
    assert await meeting.told() == [ActiveSpeakersChanged("lobby", ()), DominantSpeakerChanged("lobby", None)]
    assert (meeting.room.active_speakers, meeting.room.dominant_speaker) == ((), None)


async def test_who_mutes_speaks_no_more_from_that_moment(meeting: Meeting) -> None:
    tracks = await meeting.join("ann")
    meeting.speak(2.0, "ann")
    await meeting.told()
    (connection,) = meeting.room.peers["ann"].connections
    ssrc = tracks["audio"].encodings[0].ssrc
    assert ssrc is not None
    connection.handle_rtcp(build_receiver_report(9) + build_goodbye([ssrc]), meeting.clock.now)
    assert await meeting.told() == [ActiveSpeakersChanged("lobby", ())]


async def test_two_microphones_of_one_peer_are_one_speaker(meeting: Meeting) -> None:
    await meeting.join("ann", ("audio", "sendonly"), ("audio", "sendonly"))
    meeting.speak(3.0, "ann")
    assert meeting.room.active_speakers == ("ann",)


async def test_last_n_holds_those_who_do_not_speak(meeting: Meeting) -> None:
    tracks = {name: await meeting.join(name) for name in ["ann", "bob", "eve"]}
    viewer = meeting.room.join("viewer").offer()
    meeting.room.set_last_n("video", 1)
    held = {name for name, own in tracks.items() if own["video"].held}
    assert held == {"bob", "eve"}
    assert not any(own["audio"].held for own in tracks.values())
    assert {one.track.peer for one in viewer.subscriptions if one.stopped} == {"bob", "eve"}

    await meeting.told()
    meeting.speak(2.0, "eve")
    changes = [event for event in await meeting.told() if isinstance(event, TrackHeld | TrackReleased)]
    assert changes == [
        TrackHeld("lobby", "ann", tracks["ann"]["video"].id),
        TrackReleased("lobby", "eve", tracks["eve"]["video"].id),
    ]
    meeting.room.pin(tracks["bob"]["video"])
    assert not tracks["bob"]["video"].held
    meeting.room.unpin(tracks["bob"]["video"])
    assert tracks["bob"]["video"].held
    meeting.room.set_last_n("video", None)
    assert not any(own["video"].held for own in tracks.values())
    with pytest.raises(ValueError, match="-1"):
        meeting.room.set_last_n("audio", -1)


async def test_last_n_from_the_settings_holds_whoever_comes_later() -> None:
    clock = FakeClock()
    async with Server(Config(last_n_audio=1, last_n_video=0), clock=clock) as server:
        meeting = Meeting(server, clock)
        stream = server.events()
        ann = await meeting.join("ann")
        bob = await meeting.join("bob")
        assert [ann["audio"].held, bob["audio"].held] == [False, True]
        assert [ann["video"].held, bob["video"].held] == [True, True]
        meeting.room.peers["ann"].leave()
        assert not bob["audio"].held
        stream.close()
        published = [event async for event in stream if isinstance(event, TrackPublished | TrackHeld)]
        order = [type(event) for event in published if event.track == bob["audio"].id]
        assert order == [TrackPublished, TrackHeld]


async def test_a_hold_is_not_the_viewers_pause(meeting: Meeting) -> None:
    tracks = await meeting.join("ann")
    viewer = meeting.room.join("viewer").offer()
    (video,) = [one for one in viewer.subscriptions if one.track is tracks["video"]]
    video.pause()
    meeting.room.set_last_n("video", 0)
    meeting.room.set_last_n("video", None)
    assert (video.paused, video.stopped) == (True, True)
    meeting.room.set_last_n("video", 0)
    video.resume()
    assert (video.paused, video.stopped) == (False, True)
    meeting.room.set_last_n("video", None)
    assert not video.stopped


async def test_the_server_looks_by_itself() -> None:
    """With its own timer, on its own clock."""
    async with Server() as server:
        meeting = Meeting(server, FakeClock())
        await meeting.join("ann")
        track = next(track for track in meeting.room.tracks if track.kind == "audio")
        async for event in _fed(meeting, track):
            if isinstance(event, DominantSpeakerChanged):
                break
        assert event == DominantSpeakerChanged("lobby", "ann")


async def _fed(meeting: Meeting, track: Track) -> AsyncIterator[Any]:
    """Events, while packets of a voice come in."""

    async def feed() -> None:
        while True:
            meeting._add_level(track, SPEECH)
            await asyncio.sleep(0.02)

    feeding = asyncio.create_task(feed())
    try:
        async with asyncio.timeout(10):
            async for event in meeting.room.events():
                yield event
    finally:
        feeding.cancel()
