"""aiortc clients that send what can be recognised and recognise what they get."""

from __future__ import annotations

import asyncio
import contextlib
import fractions
from collections.abc import AsyncIterator, Callable

import av
import numpy as np
from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
    VideoStreamTrack,
)
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError

WIDTH, HEIGHT, BAR = 320, 240, 32
PATIENCE_S = 15.0


async def moments() -> AsyncIterator[None]:
    """In which to look for what has no event; an error when there were enough."""
    for _ in range(int(PATIENCE_S / 0.01)):
        yield
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come")


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what has no event."""
    async for _ in moments():
        if condition():
            return


class MovingBar(VideoStreamTrack):
    """A white bar that walks over a red ground."""

    def __init__(self) -> None:
        super().__init__()
        self._count = 0

    async def recv(self) -> av.VideoFrame:
        pts, time_base = await self.next_timestamp()
        picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        picture[:, :] = (200, 30, 30)
        start = self._count * 8 % (WIDTH - BAR)
        picture[:, start : start + BAR] = 255
        self._count += 1
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = pts, time_base
        return frame


class Tone(AudioStreamTrack):
    """A sine of `frequency` Hz at 48 kHz, in frames of 20 ms."""

    def __init__(self, frequency: float) -> None:
        super().__init__()
        self._frequency = frequency
        self._position = 0
        self._begin: float | None = None

    async def recv(self) -> av.AudioFrame:
        loop = asyncio.get_running_loop()
        self._begin = self._begin if self._begin is not None else loop.time()
        await asyncio.sleep(max(0.0, self._begin + self._position / 48000 - loop.time()))
        if self.readyState != "live":
            raise MediaStreamError
        at = (self._position + np.arange(960)) / 48000
        samples = (12000 * np.sin(2 * np.pi * self._frequency * at)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.pts, frame.sample_rate = self._position, 48000
        frame.time_base = fractions.Fraction(1, 48000)
        self._position += 960
        return frame


def find_bar(frame: av.VideoFrame) -> int | None:
    """The left edge of the white bar, if the picture is a bar on red."""
    picture = frame.to_ndarray(format="rgb24").astype(int)
    assert picture.shape == (HEIGHT, WIDTH, 3)
    row = picture[HEIGHT // 4 : 3 * HEIGHT // 4].mean(axis=0)
    white = row.min(axis=1) > 150
    red = (row[:, 0] > 120) & (row[:, 1] < 110) & (row[:, 2] < 110)
    if abs(int(white.sum()) - BAR) > 12 or int(red.sum()) < WIDTH - BAR - 40:
        return None
    return int(np.argmax(white))


def find_tone(frames: list[av.AudioFrame]) -> float:
    """The strongest frequency in Hz."""
    channels = [frame.to_ndarray().reshape(-1, len(frame.layout.channels))[:, 0] for frame in frames]
    samples = np.concatenate(channels).astype(float)
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * 48000 / len(samples))


class Client:
    """A peer connection, and the tracks that it receives by kind, newest last.

    With the default policy `balanced` aiortc 1.16 loses all but the first section of a kind when sections are bundled.
    """

    def __init__(self, bundle_policy: RTCBundlePolicy) -> None:
        self.pc = RTCPeerConnection(RTCConfiguration(bundlePolicy=bundle_policy))
        self.received: dict[str, list[MediaStreamTrack]] = {"audio": [], "video": []}
        self.pc.on("track", lambda track: self.received[track.kind].append(track))

    async def offer(self) -> str:
        await self.pc.setLocalDescription(await self.pc.createOffer())
        return str(self.pc.localDescription.sdp)

    async def take_answer(self, sdp: str) -> None:
        await self.pc.setRemoteDescription(RTCSessionDescription(sdp, "answer"))

    async def answer(self, offer: str) -> str:
        await self.pc.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        await self.pc.setLocalDescription(await self.pc.createAnswer())
        return str(self.pc.localDescription.sdp)

    def receive(self, *kinds: str) -> None:
        for kind in kinds:
            self.pc.addTransceiver(kind, direction="recvonly")

    def send(self, *, frequency: float = 440.0) -> None:
        self.pc.addTrack(Tone(frequency))
        self.pc.addTrack(MovingBar())

    async def see_bar_move(self) -> None:
        """Receive video until the bar has been seen at three places."""
        (*_, track) = self.received["video"]
        places: set[int] = set()
        async with asyncio.timeout(PATIENCE_S):
            while len(places) < 3:
                place = find_bar(await track.recv())
                if place is not None:
                    places.add(place)

    async def hear(self) -> float:
        """Receive audio for a while; return its frequency."""
        (*_, track) = self.received["audio"]
        async with asyncio.timeout(PATIENCE_S):
            frames = [await track.recv() for _ in range(50)]
        return find_tone(frames[25:])  # the jitter buffer may have begun within a gap

    async def vanish(self) -> None:
        """Be gone without a word: no BYE, no close_notify, no more checks."""
        for transceiver in self.pc.getTransceivers():
            await transceiver.sender.transport.transport._connection.close()
            break


@contextlib.asynccontextmanager
async def client(bundle_policy: RTCBundlePolicy = RTCBundlePolicy.BALANCED) -> AsyncIterator[Client]:
    made = Client(bundle_policy)
    try:
        yield made
    finally:
        await made.pc.close()
