"""Plays the picture of one source: the frame that is to be seen at a moment."""

from __future__ import annotations

from collections.abc import Generator

import av

from sfu.recording.compose.media import MediaReader
from sfu.recording.reader import RecordSource

_AHEAD_US = 1_000_000
"""How long before its first picture a file is opened, not earlier: decoders take memory."""


class VideoPlayer:
    """Plays forwards only. Holds two frames: the one that is shown, and the next one."""

    def __init__(self, source: RecordSource) -> None:
        self.source = source
        self.reader = MediaReader(source)
        self.frame: av.VideoFrame | None = None
        """What is to be seen now; None before the first frame."""
        self.damaged = False
        """Whether that should be another one, which is missing or cannot be decoded."""
        self._at_us: int | None = None
        self._next: tuple[int, av.VideoFrame] | None = None
        self._frames: Generator[tuple[int, av.VideoFrame], None, None] | None = None
        self._ended = not source.spans

    def advance(self, t_us: int) -> None:
        """Go on to a moment of the record."""
        if self._ended and self._next is None:
            self._look_for_damage(t_us)
            return
        if self._frames is None:
            if t_us < self.source.spans[0].begin_us - _AHEAD_US:
                return
            self._frames = self._read()
            self._next = self._pull()
        while self._next is not None and self._next[0] <= t_us:
            self._at_us, self.frame = self._next
            self._next = self._pull()
        self._look_for_damage(t_us)

    def close(self) -> None:
        """Release the file and the decoder."""
        if self._frames is not None:
            self._frames.close()
        self.reader.close()

    def _look_for_damage(self, t_us: int) -> None:
        self.damaged = self.reader.is_damaged(t_us, self._at_us)

    def _read(self) -> Generator[tuple[int, av.VideoFrame], None, None]:
        for at_us, frame in self.reader.read_frames():
            if isinstance(frame, av.VideoFrame):
                yield at_us, frame

    def _pull(self) -> tuple[int, av.VideoFrame] | None:
        assert self._frames is not None
        found = next(self._frames, None)
        if found is None:
            self._ended = True
            self.reader.close()
        return found
