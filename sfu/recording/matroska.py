"""Fragments of a Matroska file (RFC 9559): put one behind the other they are the file.

The first has the EBML header, a Segment of unknown size, Info and Tracks before its Cluster; the others are Clusters.
So a file that ends behind any fragment is a file, and nothing of it is ever written again. Written here and not by
libavformat, because the bytes are evidence: the same packets make the same bytes whatever library is installed.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

from sfu.recording.depacketize import StreamFormat

CODEC_IDS = {
    "opus": b"A_OPUS",
    "vp8": b"V_VP8",
    "vp9": b"V_VP9",
    "av1": b"V_AV1",
    "h264": b"V_MPEG4/ISO/AVC",
}
"""The Matroska codec mappings, by a codec's name in lower case."""
MAX_SPAN_MS = 32_767
"""Longest span of a fragment's frames: a block's time has 16 bits, relative to its Cluster's."""

_AUDIO_RATE = 48_000.0
_CHANNELS = 2
_SEEK_PREROLL_NS = 80_000_000  # "80 milliseconds": the Opus mapping
_MILLISECOND_NS = 1_000_000
_VIDEO, _AUDIO = 1, 2
_TRACK = 0x81  # number 1 as a variable-size integer
_KEY_FLAG = 0x80
_UNKNOWN_SIZE = b"\x01" + b"\xff" * 7


class TimedFrame(NamedTuple):
    """A frame as the container takes it."""

    data: bytes
    time_ms: int
    key: bool


class MatroskaWriter:
    """Writes the fragments of one file, which has one track."""

    def __init__(self, codec: str) -> None:
        self._codec = codec.lower()
        self.begun = False
        """Whether the header is written."""

    def build_fragment(self, frames: Sequence[TimedFrame], stream: StreamFormat) -> bytes:
        """Build the next fragment of at least one frame; times rise strictly, from 0 on, over at most `MAX_SPAN_MS`.

        The header, before the first fragment, says what `stream` is by then; what changes later stands in key frames.
        """
        cluster = build_cluster(frames)
        if self.begun:
            return cluster
        self.begun = True
        return build_header(self._codec, stream) + cluster


def build_header(codec: str, stream: StreamFormat) -> bytes:
    """Build everything that precedes the first Cluster; `codec` is a key of `CODEC_IDS`."""
    # WebM is Matroska with these codecs only; a player that knows no other Matroska plays it
    kind = b"matroska" if codec == "h264" else b"webm"
    ebml = _element(
        0x1A45DFA3,
        _unsigned(0x4286, 1)  # EBMLVersion
        + _unsigned(0x42F7, 1)  # EBMLReadVersion
        + _unsigned(0x42F2, 4)  # EBMLMaxIDLength
        + _unsigned(0x42F3, 8)  # EBMLMaxSizeLength
        + _element(0x4282, kind)  # DocType
        + _unsigned(0x4287, 4)  # DocTypeVersion
        + _unsigned(0x4285, 2),  # DocTypeReadVersion
    )
    info = _element(
        0x1549A966,
        _unsigned(0x2AD7B1, _MILLISECOND_NS)  # TimestampScale
        + _element(0x4D80, b"sfu")  # MuxingApp
        + _element(0x5741, b"sfu"),  # WritingApp
    )
    return ebml + _identifier(0x18538067) + _UNKNOWN_SIZE + info + _element(0x1654AE6B, _track(codec, stream))


def _track(codec: str, stream: StreamFormat) -> bytes:
    body = (
        _unsigned(0xD7, 1)  # TrackNumber
        + _unsigned(0x73C5, 1)  # TrackUID
        + _unsigned(0x83, _AUDIO if codec == "opus" else _VIDEO)  # TrackType
        + _unsigned(0x9C, 0)  # FlagLacing
        + _element(0x22B59C, b"und")  # Language
        + _element(0x86, CODEC_IDS[codec])  # CodecID
    )
    if stream.private:
        body += _element(0x63A2, stream.private)  # CodecPrivate
    if codec == "opus":
        body += _unsigned(0x56BB, _SEEK_PREROLL_NS)  # SeekPreRoll
        body += _element(0xE1, _element(0xB5, struct.pack("!d", _AUDIO_RATE)) + _unsigned(0x9F, _CHANNELS))
    else:
        body += _element(0xE0, _unsigned(0xB0, stream.width) + _unsigned(0xBA, stream.height))
    return _element(0xAE, body)  # TrackEntry


_BLOCK_HEAD = struct.Struct("!BhB")


def build_cluster(frames: Sequence[TimedFrame]) -> bytes:
    """Build a Cluster with a SimpleBlock for each frame."""
    begin_ms = frames[0].time_ms
    parts = [b"", _unsigned(0xE7, begin_ms)]  # Timestamp
    body_bytes = len(parts[1])
    for data, time_ms, key in frames:
        head = _BLOCK_HEAD.pack(_TRACK, time_ms - begin_ms, _KEY_FLAG if key else 0)
        size = _size(_BLOCK_HEAD.size + len(data))
        parts += (b"\xa3", size, head, data)
        body_bytes += 1 + len(size) + _BLOCK_HEAD.size + len(data)
    parts[0] = _identifier(0x1F43B675) + _size(body_bytes)
    return b"".join(parts)


def _element(identifier: int, body: bytes) -> bytes:
    return _identifier(identifier) + _size(len(body)) + body


def _unsigned(identifier: int, value: int) -> bytes:
    return _element(identifier, value.to_bytes(max(1, (value.bit_length() + 7) // 8)))


def _identifier(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8)


def _size(value: int) -> bytes:
    """Encode a variable-size integer in the shortest form (RFC 8794 section 4); all ones are kept for "unknown"."""
    octets = max(1, ((value + 1).bit_length() + 6) // 7)
    return (value | 1 << 7 * octets).to_bytes(octets)
