"""A program written for LiveKit, as it is: it joins the room "lobby", plays a tone, and tells whom it hears.

    python livekit_client.py alice

It reads `LIVEKIT_URL`, `LIVEKIT_API_KEY` and `LIVEKIT_API_SECRET`, and knows nothing of the server behind them.
"""

import asyncio
import math
import os
import sys

import numpy as np
from livekit import api, rtc

RATE, FRAME = 48_000, 480  # 10 ms
TONE_HZ = 440.0
AUDIBLE = 1_000  # of 32,767


def make_token(identity: str) -> str:
    """What lets `identity` into the room. A platform does this on its server, with the key that only it knows."""
    grants = api.VideoGrants(room_join=True, room="lobby")
    return api.AccessToken().with_identity(identity).with_grants(grants).to_jwt()


async def play(source: rtc.AudioSource) -> None:
    """A tone, for ever."""
    sent = 0
    while True:
        time = (sent + np.arange(FRAME)) / RATE
        samples = (8_000 * np.sin(2 * math.pi * TONE_HZ * time)).astype(np.int16)
        await source.capture_frame(rtc.AudioFrame(samples.tobytes(), RATE, 1, FRAME))
        sent += FRAME


async def listen(name: str, track: rtc.Track) -> None:
    """Say once that somebody can be heard."""
    stream = rtc.AudioStream(track)
    async for event in stream:
        if np.abs(np.frombuffer(event.frame.data, np.int16).astype(np.int32)).max() > AUDIBLE:
            print(f"{name} is heard", flush=True)
            break
    await stream.aclose()


async def attend(identity: str) -> None:
    """Be in the room until the program is ended."""
    room, listening = rtc.Room(), set[asyncio.Task[None]]()

    @room.on("track_subscribed")
    def _(track: rtc.Track, _: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant) -> None:
        listening.add(asyncio.create_task(listen(participant.identity, track)))

    await room.connect(os.environ["LIVEKIT_URL"], make_token(identity))
    source = rtc.AudioSource(RATE, 1)
    track = rtc.LocalAudioTrack.create_audio_track("tone", source)
    await room.local_participant.publish_track(track)
    print(f"{identity} is in the room {room.name}", flush=True)
    try:
        await play(source)
    finally:
        await room.disconnect()


async def show() -> None:
    """List who is there, by the server API."""
    async with api.LiveKitAPI() as server:
        listed = await server.room.list_participants(api.ListParticipantsRequest(room="lobby"))
        for participant in listed.participants:
            print(participant.identity, f"publishes {len(participant.tracks)}")


if __name__ == "__main__":
    try:
        asyncio.run(show() if sys.argv[1] == "--list" else attend(sys.argv[1]))
    except KeyboardInterrupt:
        pass
