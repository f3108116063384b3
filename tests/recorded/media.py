"""Pictures and tones in the form that a recorder gives them: a Matroska file a source, of clusters without an index."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np

MILLISECONDS = Fraction(1, 1000)
SAMPLE_RATE = 48_000
CLUSTER = b"\x1f\x43\xb6\x75"
_CONTAINER = {"live": "1", "fflags": "+bitexact", "cluster_time_limit": "1000", "cluster_size_limit": "100000000"}
_ENCODERS = {
    "vp8": ("libvpx", {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}),
    "vp9": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}),
    "h264": ("libx264", {"preset": "ultrafast", "tune": "zerolatency"}),
}
STEP_MS = 500
"""How long a picture looks the same."""


@dataclass(frozen=True, slots=True)
class Take:
    """Media without a hole, in milliseconds of the record."""

    begin_ms: int
    end_ms: int
    size: tuple[int, int] = (160, 90)
    """Of pictures, in pixels."""
    hertz: float = 0.0
    """Of a tone; 0 takes the source's."""


def build_pictures(
    colour: tuple[int, int, int],
    takes: Sequence[Take],
    *,
    codec: str = "vp8",
    interval_ms: int = 250,
    key_ms: int = 2000,
) -> bytes:
    """A file of a video of one colour. Eight cells below count steps of 500 ms in binary, least first, 1 is white."""
    name, options = _ENCODERS[codec]
    out = io.BytesIO()
    with av.open(_Pipe(out), "w", format="matroska", options=_CONTAINER) as container:
        stream: av.VideoStream = container.add_stream(name, options=options)  # type: ignore[call-overload]
        for at, take in enumerate(takes):
            encoder = stream.codec_context if at == 0 else av.CodecContext.create(name, "w")
            # Parameter sets of the first encoder stand in the header, those of others in their key frames.
            in_band = {"x264-params": "repeat-headers=1"} if at and codec == "h264" else {}
            encoder.options = {**options, **in_band}
            encoder.width, encoder.height = take.size
            encoder.pix_fmt = "yuv420p"
            encoder.bit_rate = 150_000
            encoder.time_base = MILLISECONDS
            encoder.framerate = Fraction(1000, interval_ms)
            encoder.gop_size = max(1, key_ms // interval_ms)
            for packet in _encode(encoder, _draw(colour, take, interval_ms)):
                packet.time_base, packet.stream = MILLISECONDS, stream
                packet.dts = packet.pts
                container.mux(packet)
    return out.getvalue()


def build_tones(hertz: float, takes: Sequence[Take]) -> bytes:
    """A file of Opus, 20 ms a packet, of steady tones."""
    out = io.BytesIO()
    with av.open(_Pipe(out), "w", format="matroska", options=_CONTAINER) as container:
        stream = container.add_stream("libopus", rate=SAMPLE_RATE, layout="mono")
        for at, take in enumerate(takes):
            encoder = stream.codec_context if at == 0 else av.CodecContext.create("libopus", "w")
            if at:
                encoder.sample_rate, encoder.layout, encoder.format = SAMPLE_RATE, "mono", "s16"
                encoder.time_base = Fraction(1, SAMPLE_RATE)
            for number, packet in enumerate(_encode(encoder, _sing(take.hertz or hertz, take))):
                packet.pts = packet.dts = take.begin_ms + 20 * number
                if packet.pts >= take.end_ms:
                    break
                packet.time_base, packet.stream = MILLISECONDS, stream
                container.mux(packet)
    return out.getvalue()


def split_fragments(data: bytes) -> list[bytes]:
    """A file as a recorder appends it: what stands before the first cluster goes with that."""
    starts = list(_find_clusters(data))
    return [data[begin:end] for begin, end in zip([0, *starts[1:]], [*starts[1:], len(data)], strict=True)]


def read_cluster_time(fragment: bytes) -> int:
    """When the first cluster of a fragment begins, in milliseconds."""
    at = next(_find_clusters(fragment)) + 4
    at += 9 - fragment[at].bit_length()
    at += 6 if fragment[at] == 0xBF else 0  # CRC-32
    assert fragment[at] == 0xE7, "a cluster begins with its timestamp"
    size = fragment[at + 1] & 0x7F
    return int.from_bytes(fragment[at + 2 : at + 2 + size], "big")


class _Pipe:
    """So that the muxer cannot go back."""

    def __init__(self, out: io.BytesIO) -> None:
        self.write = out.write


def _encode(encoder: av.CodecContext, frames: Iterator[av.VideoFrame | av.AudioFrame]) -> Iterator[av.Packet]:
    for frame in frames:
        yield from encoder.encode(frame)  # type: ignore[attr-defined]
    yield from encoder.encode(None)  # type: ignore[attr-defined]


def _draw(colour: tuple[int, int, int], take: Take, interval_ms: int) -> Iterator[av.VideoFrame]:
    width, height = take.size
    for at_ms in range(take.begin_ms, take.end_ms, interval_ms):
        picture = np.empty((height, width, 3), np.uint8)
        picture[:] = colour
        step = at_ms // STEP_MS
        for bit in range(8):
            picture[height * 3 // 4 :, width * bit // 8 : width * (bit + 1) // 8] = 255 * (step >> bit & 1)
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = at_ms, MILLISECONDS
        yield frame


def _sing(hertz: float, take: Take) -> Iterator[av.AudioFrame]:
    size = SAMPLE_RATE // 50
    for at_ms in range(take.begin_ms, take.end_ms, 20):
        first = at_ms * SAMPLE_RATE // 1000
        samples = np.sin(2 * np.pi * hertz * np.arange(first, first + size) / SAMPLE_RATE)
        frame = av.AudioFrame.from_ndarray((samples * 9000).astype(np.int16)[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, first, Fraction(1, SAMPLE_RATE)
        yield frame


def _find_clusters(data: bytes) -> Iterator[int]:
    """Where clusters stand, by their sizes: the four bytes may also stand within one."""
    at = data.index(CLUSTER)
    while at < len(data) and data[at : at + 4] == CLUSTER:
        yield at
        length = 9 - data[at + 4].bit_length()
        size = int.from_bytes(data[at + 4 : at + 4 + length], "big") & ((1 << 7 * length) - 1)
        at += 4 + length + size
