"""A participant by the Python SDK: what it has heard of the others, and what has come of their tracks."""

from __future__ import annotations

import asyncio
import collections
import contextlib
from collections.abc import Callable

import numpy as np
from livekit import rtc

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
