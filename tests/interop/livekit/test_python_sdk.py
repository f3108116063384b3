"""The Python SDK, whose engine is that of Rust, Node and others: two participants on a node."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable

import numpy as np
import pytest
import pytest_asyncio
from livekit import rtc

from tests.interop.livekit.conftest import LiveKitNode

pytestmark = [pytest.mark.stable, pytest.mark.asyncio(loop_scope="session")]

WIDTH, HEIGHT = 640, 360
PATIENCE = 20.0


class Attendee:
    """One participant, what it has heard of the others, and what has come of their tracks."""

    def __init__(self) -> None:
        self.room = rtc.Room()
        self.seen: list[str] = []
        self.frames: collections.Counter[str] = collections.Counter()
        self.width = 0
        self._tasks: list[asyncio.Task[None]] = []
        for event in (
            "participant_connected",
            "participant_disconnected",
            "track_published",
            "track_unpublished",
            "track_unsubscribed",
            "track_subscription_failed",
            "track_muted",
            "track_unmuted",
            "participant_attributes_changed",
            "participant_metadata_changed",
            "active_speakers_changed",
            "connection_quality_changed",
            "local_track_subscribed",
            "reconnecting",
            "reconnected",
            "disconnected",
        ):
            self.room.on(event, lambda *_, event=event: self.seen.append(event))
        self.room.on("track_subscribed", self._take)

    def _take(self, track: rtc.RemoteTrack, publication: rtc.RemoteTrackPublication, _: rtc.RemoteParticipant) -> None:
        self.seen.append("track_subscribed")
        self._tasks.append(asyncio.create_task(self._read(track)))

    async def _read(self, track: rtc.RemoteTrack) -> None:
        if track.kind == rtc.TrackKind.KIND_AUDIO:
            async for heard in rtc.AudioStream(track):
                if np.abs(np.frombuffer(heard.frame.data, dtype=np.int16)).max() > 1000:
                    self.frames["audio"] += 1
        else:
            async for event in rtc.VideoStream(track):
                self.frames["video"] += 1
                self.width = event.frame.width

    async def publish(self) -> dict[str, rtc.LocalTrackPublication]:
        """A picture that changes, and a tone."""
        video, audio = rtc.VideoSource(WIDTH, HEIGHT), rtc.AudioSource(48000, 1)
        self._tasks += [asyncio.create_task(_draw(video)), asyncio.create_task(_hum(audio))]
        local = self.room.local_participant
        camera = rtc.LocalVideoTrack.create_video_track("camera", video)
        microphone = rtc.LocalAudioTrack.create_audio_track("microphone", audio)
        return {
            "video": await local.publish_track(
                camera, rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_CAMERA, simulcast=True)
            ),
            "audio": await local.publish_track(
                microphone, rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
            ),
        }

    async def until(self, condition: Callable[[], object]) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE
        while not condition():
            assert loop.time() < deadline, f"never came; seen {self.seen}, frames {dict(self.frames)}"
            await asyncio.sleep(0.05)

    async def more(self, kind: str, count: int = 20) -> None:
        """Wait for so many more frames."""
        wanted = self.frames[kind] + count
        await self.until(lambda: self.frames[kind] >= wanted)

    def other(self, identity: str) -> rtc.RemoteParticipant:
        return self.room.remote_participants[identity]

    def publication(self, identity: str, kind: str) -> rtc.RemoteTrackPublication:
        wanted = rtc.TrackKind.KIND_VIDEO if kind == "video" else rtc.TrackKind.KIND_AUDIO
        return next(each for each in self.other(identity).track_publications.values() if each.kind == wanted)

    async def close(self) -> None:
        await self.room.disconnect()
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def _draw(source: rtc.VideoSource) -> None:
    picture = np.zeros((HEIGHT, WIDTH, 4), dtype=np.uint8)
    for number in range(1 << 30):
        picture[:] = number * 5 % 256
        picture[: HEIGHT // 2, : WIDTH // 2] = 255 - number * 3 % 256
        source.capture_frame(rtc.VideoFrame(WIDTH, HEIGHT, rtc.VideoBufferType.RGBA, picture.tobytes()))
        await asyncio.sleep(0.04)


async def _hum(source: rtc.AudioSource) -> None:
    samples = (np.sin(2 * np.pi * 500 * np.arange(480) / 48000) * 10000).astype(np.int16).tobytes()
    while True:
        await source.capture_frame(rtc.AudioFrame(samples, 48000, 1, 480))


Enter = Callable[..., "asyncio.Future[Attendee]"]


@pytest.fixture(params=[True, False], ids=["one-connection", "two-connections"])
def single(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest_asyncio.fixture(loop_scope="session")
async def enter(livekit_node: LiveKitNode, single: bool) -> AsyncIterator[Enter]:
    name = f"room-{uuid.uuid4().hex[:12]}"
    entered: list[Attendee] = []

    async def join(identity: str, *, auto_subscribe: bool = True) -> Attendee:
        attendee = Attendee()
        entered.append(attendee)
        options = rtc.RoomOptions(auto_subscribe=auto_subscribe, single_peer_connection=single)
        await attendee.room.connect(livekit_node.ws_url, livekit_node.join_token(name, identity), options)
        return attendee

    yield join  # type: ignore[misc]
    for attendee in entered:
        await attendee.close()


async def test_sound_and_pictures_come_early_and_late(enter: Enter) -> None:
    alice, bob = await enter("alice"), await enter("bob")
    published = await alice.publish()
    await bob.until(lambda: bob.frames["video"] > 20 and bob.frames["audio"] > 20)
    await alice.until(lambda: "local_track_subscribed" in alice.seen)
    assert bob.publication("alice", "video").sid == published["video"].sid
    carol = await enter("carol")
    await carol.until(lambda: carol.frames["video"] > 20 and carol.frames["audio"] > 20)
    assert {*carol.room.remote_participants} == {"alice", "bob"}
    await alice.close()
    await bob.until(lambda: "participant_disconnected" in bob.seen)
    assert not any("failed" in each or "reconnect" in each for each in bob.seen + carol.seen)


async def test_mutes_and_unpublished_tracks_are_told(enter: Enter) -> None:
    alice, bob = await enter("alice"), await enter("bob")
    published = await alice.publish()
    await bob.until(lambda: bob.frames["video"] > 5 and bob.frames["audio"] > 5)
    published["audio"].track.mute()  # type: ignore[union-attr]
    await bob.until(lambda: "track_muted" in bob.seen and bob.publication("alice", "audio").muted)
    published["audio"].track.unmute()  # type: ignore[union-attr]
    await bob.until(lambda: "track_unmuted" in bob.seen)
    await bob.more("audio")
    await alice.room.local_participant.unpublish_track(published["video"].sid)
    await bob.until(lambda: "track_unpublished" in bob.seen and "track_unsubscribed" in bob.seen)
    await alice.publish()
    await bob.more("video")


async def test_what_one_says_of_oneself_is_passed_on(enter: Enter) -> None:
    alice, bob = await enter("alice"), await enter("bob")
    await alice.room.local_participant.set_metadata("first row")
    await alice.room.local_participant.set_attributes({"hand": "up"})
    await alice.room.local_participant.set_name("Alice A.")
    await bob.until(lambda: bob.other("alice").name == "Alice A.")
    assert bob.other("alice").metadata == "first row"
    assert bob.other("alice").attributes == {"hand": "up"}


async def test_a_subscriber_chooses_track_by_track(enter: Enter) -> None:
    alice = await enter("alice")
    await alice.publish()
    bob = await enter("bob", auto_subscribe=False)
    await bob.until(lambda: "alice" in bob.room.remote_participants and len(bob.other("alice").track_publications) == 2)
    bob.publication("alice", "video").set_subscribed(True)
    await bob.more("video")
    assert not bob.frames["audio"]
    bob.publication("alice", "video").set_subscribed(False)
    await bob.until(lambda: "track_unsubscribed" in bob.seen)
    bob.publication("alice", "video").set_subscribed(True)
    await bob.more("video")


@pytest.mark.parametrize("anew", [False, True], ids=["resumed", "anew"])
async def test_media_go_on_when_a_session_is_resumed_or_begins_anew(enter: Enter, anew: bool) -> None:
    alice, bob = await enter("alice"), await enter("bob")
    await alice.publish()
    await bob.publish()
    for each in (alice, bob):
        await each.until(lambda each=each: each.frames["video"] > 20 and each.frames["audio"] > 20)
    sid, told = alice.room.local_participant.sid, {*alice.room.local_participant.track_publications}
    kind = rtc.SimulateScenarioKind
    await alice.room.simulate_scenario(kind.SIMULATE_FULL_RECONNECT if anew else kind.SIMULATE_SIGNAL_RECONNECT)
    if anew:
        await alice.until(lambda: "reconnected" in alice.seen)
        await bob.until(lambda: bob.other("alice").sid != sid)
    for each in (alice, bob):
        for media in ("video", "audio"):
            await each.more(media)
    mine = alice.room.local_participant
    assert len(mine.track_publications) == 2
    assert ("track_unsubscribed" in bob.seen) is anew
    if not anew:
        assert (mine.sid, {*mine.track_publications}) == (sid, told)


async def test_who_speaks_and_how_good_the_way_is(enter: Enter) -> None:
    alice, bob = await enter("alice"), await enter("bob")
    await alice.publish()
    await bob.until(lambda: "active_speakers_changed" in bob.seen and "connection_quality_changed" in bob.seen)
    assert bob.other("alice").connection_quality == rtc.ConnectionQuality.QUALITY_EXCELLENT


async def test_the_same_identity_twice(enter: Enter) -> None:
    first = await enter("alice")
    second = await enter("alice")
    await first.until(lambda: "disconnected" in first.seen)
    assert second.room.isconnected()
