"""Plays the sound of one source: samples at their place on the record's clock, silence where there are none."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator

import av
import numpy as np
import numpy.typing as npt
from av.audio.resampler import AudioResampler

from sfu.recording.compose.media import MediaReader
from sfu.recording.reader import RecordSource

Samples = npt.NDArray[np.float32]
"""Channels by samples, 1.0 is full scale."""

SAMPLE_RATE = 48_000
_AHEAD_US = 1_000_000
_JUMP = SAMPLE_RATE // 20
"""Samples: a frame that is further off its place begins anew; a smaller offset is clock drift, and is stretched
away."""
_SLACK = SAMPLE_RATE // 200
_STRETCH = 2
"""Samples by which a frame is lengthened or shortened: 0.2 % of 20 ms, which nobody hears."""
_SMOOTHING = 1 / 32
_FADE = SAMPLE_RATE // 200


class SoundPlayer:
    """Plays forwards only. Holds the frames that were decoded and not yet read: less than a second."""

    def __init__(self, source: RecordSource) -> None:
        self.source = source
        self.reader = MediaReader(source)
        self.damaged = False
        """Whether samples are missing now, or cannot be decoded."""
        self._blocks: deque[tuple[int, Samples]] = deque()
        self._frames: Generator[tuple[int, Samples], None, None] | None = None
        self._cursor: int | None = None
        """Where the next samples go if nothing is missing."""
        self._drift = 0.0
        self._last_us: int | None = None
        self._ended = not source.spans

    def add_to(self, target: Samples, at: int) -> None:
        """Add the sound that begins at a sample of the record's clock; `at` must not be less than in the last call."""
        end = at + target.shape[1]
        self._fill(end)
        while self._blocks and self._blocks[0][0] < end:
            begin, block = self._blocks[0]
            first, last = max(begin, at), min(begin + block.shape[1], end)
            if last > first:
                target[:, first - at : last - at] += block[:, first - begin : last - begin]
            if begin + block.shape[1] > end:
                break
            self._blocks.popleft()
        self.damaged = self.reader.is_damaged(end * 1_000_000 // SAMPLE_RATE, self._last_us)

    def close(self) -> None:
        """Release the file and the decoder."""
        if self._frames is not None:
            self._frames.close()
        self.reader.close()

    def _fill(self, end: int) -> None:
        """Decode until one frame beyond the end is known, so that the last frame before a hole can be faded out."""
        if self._frames is None and not self._ended:
            if end * 1_000_000 // SAMPLE_RATE < self.source.spans[0].begin_us - _AHEAD_US:
                return
            self._frames = self._read()
        while not self._ended and (len(self._blocks) < 2 or self._blocks[-1][0] < end):
            assert self._frames is not None
            found = next(self._frames, None)
            if found is None:
                self._ended = True
                self.reader.close()
                self._fade_out()
            else:
                self._place(*found)

    def _place(self, at_us: int, samples: Samples) -> None:
        self._last_us = at_us
        wanted = round(at_us * SAMPLE_RATE / 1_000_000)
        off = 0 if self._cursor is None else wanted - self._cursor
        if self._cursor is None or abs(off) > _JUMP:
            self._fade_out()
            begin = wanted if self._cursor is None else max(wanted, self._cursor)
            samples = samples.copy()
            length = min(_FADE, samples.shape[1])
            samples[:, :length] *= np.linspace(0, 1, length, dtype=np.float32)
            self._drift = 0.0
        else:
            begin = self._cursor
            self._drift += (off - self._drift) * _SMOOTHING
            if abs(self._drift) > _SLACK:
                samples = _stretch(samples, _STRETCH if self._drift > 0 else -_STRETCH)
        self._blocks.append((begin, samples))
        self._cursor = begin + samples.shape[1]

    def _fade_out(self) -> None:
        if self._blocks:
            begin, block = self._blocks.pop()
            block = block.copy()
            length = min(_FADE, block.shape[1])
            block[:, -length:] *= np.linspace(1, 0, length, dtype=np.float32)
            self._blocks.append((begin, block))

    def _read(self) -> Generator[tuple[int, Samples], None, None]:
        resampler: AudioResampler | None = None
        for at_us, frame in self.reader.read_frames():
            if not isinstance(frame, av.AudioFrame) or not frame.samples:
                continue
            if frame.format.name == "fltp" and frame.sample_rate == SAMPLE_RATE and frame.layout.nb_channels <= 2:
                yield at_us, np.asarray(frame.to_ndarray(), np.float32)
                continue
            resampler = resampler or AudioResampler("fltp", "stereo", SAMPLE_RATE)
            for converted in resampler.resample(frame):
                yield at_us, np.asarray(converted.to_ndarray(), np.float32)


def _stretch(samples: Samples, by: int) -> Samples:
    length = samples.shape[1]
    places = np.linspace(0, length - 1, max(2, length + by))
    return np.stack([np.interp(places, np.arange(length), channel) for channel in samples]).astype(np.float32)
