"""A picture that flashes and a beep that sounds at the same moments, and finding both in files."""

from __future__ import annotations

import asyncio
import fractions
from pathlib import Path

import av
import numpy as np
from aiortc import VideoStreamTrack
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError

PATIENCE_S = 15.0
PERIOD_S, FLASH_S = 1.0, 0.2
RATE, FRAME = 48000, 960
FPS = 25


class Beat:
    """The clock that both share; they begin together."""

    def __init__(self) -> None:
        self._begin: float | None = None
        self._made = 0.0

    async def until(self, at: float) -> None:
        """Wait for a moment after the beginning, which the first caller makes."""
        loop = asyncio.get_running_loop()
        if self._begin is None:
            self._begin = loop.time()
        await asyncio.sleep(max(0.0, self._begin + at - loop.time()))
        self._made = max(self._made, at)

    async def more(self, seconds: float) -> None:
        """Wait until the tracks have made so much more media."""
        wanted = self._made + seconds
        async with asyncio.timeout(seconds + PATIENCE_S):
            while self._made < wanted:  # noqa: ASYNC110 - the tracks are asked by aiortc
                await asyncio.sleep(0.05)


class Flash(VideoStreamTrack):
    """Dark, and white for `FLASH_S` once a `PERIOD_S`."""

    def __init__(self, beat: Beat) -> None:
        super().__init__()
        self._beat, self._count = beat, 0
        self._noise = np.random.default_rng(1)

    async def recv(self) -> av.VideoFrame:
        at = self._count / FPS
        await self._beat.until(at)
        if self.readyState != "live":
            raise MediaStreamError
        picture = np.full((240, 320, 3), 230 if at % PERIOD_S < FLASH_S - 1e-6 else 30, np.uint8)
        picture[:60, :80] = self._noise.integers(0, 255, (60, 80, 3), np.uint8)  # or next to nothing would be sent
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = round(at * 90000), fractions.Fraction(1, 90000)
        self._count += 1
        return frame


class Beep(AudioStreamTrack):
    """Silent, and a tone for `FLASH_S` once a `PERIOD_S`."""

    def __init__(self, beat: Beat, frequency: float = 1000.0) -> None:
        super().__init__()
        self._beat, self._position, self._frequency = beat, 0, frequency

    async def recv(self) -> av.AudioFrame:
        await self._beat.until(self._position / RATE)
        if self.readyState != "live":
            raise MediaStreamError
        at = (self._position + np.arange(FRAME)) / RATE
        loud = at % PERIOD_S < FLASH_S
        samples = (12000 * loud * np.sin(2 * np.pi * self._frequency * at)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.pts, frame.sample_rate, frame.time_base = self._position, RATE, fractions.Fraction(1, RATE)
        self._position += FRAME
        return frame


def find_flashes(file: Path, threshold: float = 130.0) -> list[float]:
    """When the picture of a media file turns bright, in seconds."""
    with av.open(str(file)) as container:
        levels = [(float(frame.time), _brightness(frame)) for frame in container.decode(video=0)]
    return _find_onsets(levels, threshold)


def find_beeps(file: Path) -> list[float]:
    """When the sound of a media file begins, in seconds."""
    levels: list[tuple[float, float]] = []
    resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
    with av.open(str(file)) as container:
        for coded in container.decode(audio=0):
            start = float(coded.time)
            for frame in resampler.resample(coded):
                samples = frame.to_ndarray().reshape(-1)
                for at in range(0, len(samples) - 119, 120):  # 2.5 ms
                    levels.append((start + at / RATE, float(np.abs(samples[at : at + 120]).max())))
    return _find_onsets(levels, 0.1)


def _brightness(frame: av.VideoFrame) -> float:
    return float(frame.to_ndarray(format="gray").mean())


def _find_onsets(levels: list[tuple[float, float]], threshold: float) -> list[float]:
    found: list[float] = []
    quiet_since: float | None = None
    for at, level in levels:
        if level < threshold:
            quiet_since = at if quiet_since is None else quiet_since
        else:
            if quiet_since is not None and at - quiet_since > PERIOD_S / 4:
                found.append(at)
            quiet_since = None
    return found


def seen_to_begin(onsets: list[float], begins: list[float]) -> list[float]:
    """Those that are none of a flash or beep which had begun when a source did, at one of `begins`, and so is cut."""
    return [at for at in onsets if not any(begin <= at < begin + FLASH_S + 1.5 / FPS for begin in begins)]


def match(first: list[float], second: list[float]) -> list[float]:
    """How much later than the nearest of `second` each of `first` is; those at the ends may have no partner."""
    return [min((a - b for b in second), key=abs) for a in first if second[0] - 0.3 < a < second[-1] + 0.3]
