"""A bridge for audio: what is said in one room is heard in the other, with aiortc as the client of both.

    bridge = asyncio.create_task(bridge_rooms(server.room("floor"), server.room("interpreters")))

Instead of a second room there can be anything that takes and gives samples: a telephone line, or a model that listens
and speaks.
"""

import asyncio
import collections
import fractions

import av
import numpy as np
from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from sfu import Room
from sfu.events import NegotiationNeeded

RATE, FRAME = 48_000, 960  # 20 ms
MOST_WAITING = 10 * FRAME


class Mixer(MediaStreamTrack):
    """All that was put in, as one track: 20 ms of it 50 times a second."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._waiting: dict[MediaStreamTrack, collections.deque[int]] = {}
        self._sent = 0
        self._begin = 0.0

    async def listen(self, track: MediaStreamTrack) -> None:
        """Mix `track` in until it ends."""
        waiting = self._waiting[track] = collections.deque(maxlen=MOST_WAITING)
        resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
        try:
            while True:
                for frame in resampler.resample(await track.recv()):
                    waiting.extend(frame.to_ndarray()[0].tolist())
        except MediaStreamError:  # the track has ended
            del self._waiting[track]

    async def recv(self) -> av.AudioFrame:
        """What comes next (aiortc asks for it)."""
        now = asyncio.get_running_loop().time()
        self._begin = self._begin or now
        await asyncio.sleep(self._begin + self._sent / RATE - now)
        mixed = np.zeros(FRAME, np.int32)
        for waiting in self._waiting.values():
            samples = [waiting.popleft() for _ in range(min(FRAME, len(waiting)))]
            mixed[: len(samples)] += np.array(samples, np.int32)
        frame = av.AudioFrame.from_ndarray(np.clip(mixed, -32768, 32767).astype(np.int16)[None], "s16", "mono")
        frame.sample_rate, frame.time_base, frame.pts = RATE, fractions.Fraction(1, RATE), self._sent
        self._sent += FRAME
        return frame


async def attend(room: Room, heard: Mixer, spoken: Mixer) -> None:
    """Be a peer of `room`: mix what it hears into `heard`, and say what comes of `spoken`."""
    client = RTCPeerConnection(RTCConfiguration(bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
    listening = set[asyncio.Task[None]]()

    @client.on("track")
    def on_track(track: MediaStreamTrack) -> None:
        if track.kind == "audio":
            listening.add(asyncio.create_task(heard.listen(track)))

    peer = room.join("bridge")
    connection = peer.offer(subscribe="all", publish=["audio"])
    events = room.events()
    try:
        while True:
            await client.setRemoteDescription(RTCSessionDescription(connection.offer(), "offer"))
            if spoken not in [sender.track for sender in client.getSenders()]:
                client.addTrack(spoken)
            await client.setLocalDescription(await client.createAnswer())
            connection.accept(client.localDescription.sdp)
            async for event in events:
                if isinstance(event, NegotiationNeeded) and event.connection == connection.id:
                    break
            else:
                return  # the room's server is closed
    finally:
        peer.leave()
        await client.close()
        for task in listening:
            task.cancel()


async def bridge_rooms(here: Room, there: Room) -> None:
    """Until it is cancelled, or their server closes."""
    from_here, from_there = Mixer(), Mixer()
    async with asyncio.TaskGroup() as both:
        both.create_task(attend(here, heard=from_here, spoken=from_there))
        both.create_task(attend(there, heard=from_there, spoken=from_here))
