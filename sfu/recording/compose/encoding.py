"""Writes the film: H.264 and AAC in MP4, the index in front, so that it can be watched while it is loaded.

It is written under another name beside the film's, which it only gets when it is whole: nobody takes the beginning of
a film for the film.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import av
from av.video.frame import PictureType
from av.video.reformatter import ColorRange, Colorspace

from sfu.recording.compose.chapters import Chapter
from sfu.recording.compose.sound import SAMPLE_RATE, Samples
from sfu.recording.errors import RecordError

_PART = ".part"
_VIDEO: Mapping[str, str] = {
    "preset": "veryfast",
    "crf": "23",
    "forced-idr": "1",
    "x264-params": "rc-lookahead=10:weightp=0:subme=1",  # a quarter less work for 4 % more bits
}
_AUDIO: Mapping[str, str] = {"aac_coder": "fast"}
_AUDIO_BPS = 128_000
_KEY_FRAMES_S = 4
"""Most seconds between two places where a player can enter; each chapter begins with a key frame besides."""
_BT709 = 1


class FilmWriter:
    """Takes pictures and sound in order of time. All methods raise RecordError, naming the film."""

    def __init__(
        self,
        path: Path,
        width: int,
        height: int,
        fps: Fraction,
        chapters: Sequence[Chapter],
        metadata: Mapping[str, str],
    ) -> None:
        self.path = path
        self.part = path.with_name(path.name + _PART)
        """Where it is while it is not whole."""
        self._fps = fps
        self._frames = self._samples = 0
        self._entries = frozenset(chapter.first_frame for chapter in chapters)
        try:
            with self.part.open("wb"):  # says what is wrong better than libav
                pass
            self._container = av.open(self.part, "w", format="mp4", options={"movflags": "+faststart"})
        except (OSError, av.FFmpegError) as error:
            raise self._fail(error) from error
        try:
            self._container.metadata.update(metadata)
            self._container.set_chapters(
                [
                    {
                        "id": number,
                        "start": chapter.first_frame * fps.denominator,
                        "end": chapter.end_frame * fps.denominator,
                        "time_base": Fraction(1, fps.numerator),
                        "metadata": {"title": chapter.title},
                    }
                    for number, chapter in enumerate(chapters)
                ]
            )
            self._video = self._container.add_stream("libx264", rate=fps, options=dict(_VIDEO))
            self._video.width, self._video.height, self._video.pix_fmt = width, height, "yuv420p"
            context = self._video.codec_context
            context.time_base, context.gop_size = 1 / fps, round(_KEY_FRAMES_S * fps)
            context.colorspace, context.color_range = Colorspace.ITU601, ColorRange.MPEG
            context.color_primaries = context.color_trc = _BT709
            self._audio = self._container.add_stream("aac", rate=SAMPLE_RATE, layout="stereo", options=dict(_AUDIO))
            self._audio.bit_rate = _AUDIO_BPS
        except BaseException:
            self.abandon()
            raise

    def write_picture(self, frame: av.VideoFrame) -> None:
        """Add the next frame."""
        frame.pts, frame.time_base = self._frames, 1 / self._fps
        frame.color_primaries = frame.color_trc = _BT709
        if self._frames in self._entries:
            frame.pict_type = PictureType.I
        self._frames += 1
        try:
            self._container.mux(self._video.encode(frame))
        except (OSError, av.FFmpegError) as error:
            raise self._fail(error) from error

    def write_sound(self, samples: Samples) -> None:
        """Add the sound that follows: two channels."""
        if not samples.shape[1]:
            return
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, self._samples, Fraction(1, SAMPLE_RATE)
        self._samples += samples.shape[1]
        try:
            self._container.mux(self._audio.encode(frame))
        except (OSError, av.FFmpegError) as error:
            raise self._fail(error) from error

    def finish(self) -> None:
        """Write what is pending, and bring the file to disk; it gets its name only by `publish`."""
        try:
            self._container.mux(self._video.encode(None))
            self._container.mux(self._audio.encode(None))
            self._container.close()
            with self.part.open("rb+") as file:
                os.fsync(file.fileno())
            self._check()
        except (OSError, av.FFmpegError) as error:
            raise self._fail(error) from error

    def publish(self) -> None:
        """Give the finished film its name."""
        try:
            self.part.replace(self.path)
        except OSError as error:
            raise self._fail(error) from error

    def abandon(self) -> None:
        """Remove what was written so far. Idempotent."""
        with contextlib.suppress(OSError, av.FFmpegError):
            self._container.close()
        self.part.unlink(missing_ok=True)

    def _check(self) -> None:
        """Check that all frames can be read back: libav does not report a disk that became full at the very end."""
        with av.open(self.part) as film:
            found = film.streams.video[0].frames if film.streams.video else 0
        if found != self._frames:
            raise OSError(0, f"{found} of {self._frames} frames are on disk; is the disk full?")

    def _fail(self, error: Exception) -> RecordError:
        return RecordError(self.path, f"the film cannot be written: {getattr(error, 'strerror', None) or error}")
