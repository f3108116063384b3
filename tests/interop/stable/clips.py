"""What the stable's clients publish: short clips, encoded once, each in an IVF file, that a client sends over and over.

IVF is a header and frames behind their lengths, so a client reads it in ten lines of any language. The container is
meant for VP8, VP9 and AV1 (temporal units); here it holds H.264 (access units in Annex B) and Opus packets likewise.
"""

from __future__ import annotations

import math
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np

FPS = 30
SECONDS = 4
KEY_FRAME_S = 2
"""How far key frames are apart, as OBS and ffmpeg are told to do it; who gets a PLI goes to the next one at once."""
_SAMPLE_RATE = 48_000
_OPUS_SAMPLES = 960  # 20 ms
_TONE_HERTZ = 440


class Picture(NamedTuple):
    """The size of a clip and what it is to cost."""

    width: int
    height: int
    bps: int


SINGLE = Picture(640, 360, 600_000)
"""One encoding, as OBS and ffmpeg publish it."""
SIMULCAST = (Picture(160, 90, 80_000), Picture(320, 180, 200_000), SINGLE)

_FOURCC = {"vp8": b"VP80", "vp9": b"VP90", "h264": b"H264", "av1": b"AV01", "opus": b"OPUS"}
_ENCODERS = {
    "vp8": ("libvpx", {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "auto-alt-ref": "0"}),
    "vp9": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "row-mt": "0"}),
    # SPS and PPS before every IDR picture: a clip is entered at each of its key frames
    "h264": ("libx264", {"preset": "veryfast", "tune": "zerolatency", "profile": "baseline", "level": "3.1"}),
    # low delay at a constant rate; a sequence header before every key frame
    "av1": ("libsvtav1", {"preset": "10", "svtav1-params": "pred-struct=1:rc=2"}),
}


def make_video(codec: str, picture: Picture, path: Path) -> None:
    """Encode a clip in which every frame differs from the one before."""
    name, options = _ENCODERS[codec]
    encoder = av.CodecContext.create(name, "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = picture.width, picture.height, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, FPS), Fraction(FPS)
    encoder.bit_rate, encoder.gop_size = picture.bps, FPS * KEY_FRAME_S
    rates = {"maxrate": str(picture.bps), "bufsize": str(picture.bps // 2), "keyint_min": str(FPS * KEY_FRAME_S)}
    encoder.options = {**options, **rates}
    packets = [packet for frame in _pictures(picture) for packet in encoder.encode(frame)]
    packets += encoder.encode(None)
    _write(path, codec, [bytes(packet) for packet in packets], picture, FPS)


def make_audio(path: Path) -> None:
    """Encode a tone as Opus packets of 20 ms."""
    encoder = av.CodecContext.create("libopus", "w")
    assert isinstance(encoder, av.AudioCodecContext)
    encoder.sample_rate, encoder.layout, encoder.format = _SAMPLE_RATE, "stereo", "s16"
    encoder.bit_rate, encoder.time_base = 48_000, Fraction(1, _SAMPLE_RATE)
    encoder.options = {"frame_duration": "20"}
    packets: list[bytes] = []
    for number in range(SECONDS * _SAMPLE_RATE // _OPUS_SAMPLES):
        at = np.arange(number * _OPUS_SAMPLES, (number + 1) * _OPUS_SAMPLES)
        wave = (8_000 * np.sin(2 * math.pi * _TONE_HERTZ * at / _SAMPLE_RATE)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(np.repeat(wave, 2)[None, :], format="s16", layout="stereo")
        frame.sample_rate, frame.pts = _SAMPLE_RATE, number * _OPUS_SAMPLES
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    _write(path, "opus", packets, Picture(0, 0, 0), 50)


def _make_apart(codec: str, picture: Picture, path: Path) -> None:
    """`make_video` in a process of its own.

    Run by root, SVT-AV1 makes the thread that calls it one with real-time priority (SCHED_FIFO), and so whatever that
    starts later: clients that waited busily for each other then kept both cores from everything else.
    """
    subprocess.run([sys.executable, "-m", __name__, codec, *map(str, picture), str(path)], check=True, timeout=60)


class Clips:
    """The clips, made in a directory when they are first asked for."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def video(self, codec: str, picture: Picture = SINGLE) -> Path:
        path = self._directory / f"{codec}-{picture.height}.ivf"
        if not path.exists():
            _make_apart(codec, picture, path)
        return path

    def audio(self) -> Path:
        path = self._directory / "opus.ivf"
        if not path.exists():
            make_audio(path)
        return path


def read_clip(path: Path) -> list[bytes]:
    """The frames of a clip."""
    data, at, frames = path.read_bytes(), 32, []
    while at < len(data):
        (size,) = struct.unpack_from("<I", data, at)
        frames.append(data[at + 12 : at + 12 + size])
        at += 12 + size
    return frames


def _pictures(picture: Picture) -> Iterator[av.VideoFrame]:
    """A gradient that drifts, with grain, so that the encoder has something to spend its bits on."""
    random = np.random.default_rng(1)
    across = np.arange(picture.width)[None, :]
    down = np.arange(picture.height * 3 // 2)[:, None]
    for number in range(FPS * SECONDS):
        grain = random.integers(0, 12, (picture.height * 3 // 2, picture.width))
        planes = (across + 2 * down + 4 * number) % 128 + 48 + grain
        planes[picture.height :] = 128 + (grain[picture.height :] - 6)
        frame = av.VideoFrame.from_ndarray(planes.astype(np.uint8), format="yuv420p")
        frame.pts, frame.time_base = number, Fraction(1, FPS)
        yield frame


def _write(path: Path, codec: str, frames: Sequence[bytes], picture: Picture, rate: int) -> None:
    size = (picture.width, picture.height)
    with path.open("wb") as file:
        file.write(struct.pack("<4sHH4sHHIIII", b"DKIF", 0, 32, _FOURCC[codec], *size, rate, 1, len(frames), 0))
        for number, frame in enumerate(frames):
            file.write(struct.pack("<IQ", len(frame), number) + frame)


if __name__ == "__main__":
    codec, width, height, bps, path = sys.argv[1:]
    make_video(codec, Picture(int(width), int(height), int(bps)), Path(path))
