"""Writes the head of a WebM file that a browser can seek in: duration, track, and cues (RFC 9559).

The clusters themselves stay as they are: a recorder's clusters of VP8, VP9, AV1 and Opus are valid in WebM.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sfu.recording.clusters import CLUSTER, EBML, SEGMENT, TRACKS, Cluster

_INFO, _SEEK_HEAD, _CUES = 0x1549A966, 0x114D9B74, 0x1C53BB6B
_TIMESTAMP, _SIMPLE_BLOCK = 0xE7, 0xA3
_TRACK_NUMBER = 1
"""Number of the only track in a recorder's file."""
_KEY = 0x80
_MAX_CUES = 1 << 16
_MIN_CUE_GAP_MS = 1000


@dataclass(frozen=True, slots=True)
class Cue:
    """A place where a player may begin to decode."""

    at_ms: int
    offset: int
    """Bytes from the first cluster to this one."""


def find_cues(clusters: Sequence[Cluster]) -> list[Cue]:
    """Return the clusters that begin with a key frame, at most one a second."""
    origin, cues = clusters[0].offset, list[Cue]()
    for cluster in clusters:
        if cluster.key and (not cues or cluster.at_ms - cues[-1].at_ms >= _MIN_CUE_GAP_MS) and len(cues) < _MAX_CUES:
            cues.append(Cue(cluster.at_ms, cluster.offset - origin))
    return cues


def build_head(tracks: bytes, cues: Sequence[Cue], body_bytes: int, duration_ms: float, lead: bytes = b"") -> bytes:
    """Return everything before the clusters, of which `body_bytes` follow.

    `lead` is a cluster before them at time 0, so that media time is the record's time.
    """
    info = _element(
        _INFO,
        _element(0x2AD7B1, _number(1_000_000)) + _element(0x4489, struct.pack(">d", duration_ms))
        + _element(0x4D80, b"sfu") + _element(0x5741, b"sfu"),
    )  # fmt: skip
    leading = [Cue(0, -len(lead)), *cues] if lead else list(cues)
    # All numbers have eight bytes, so the size does not depend on them.
    at = len(_build_seek_head(0, 0, 0))
    places = (at, at + len(info), at + len(info) + len(tracks))
    seek = _build_seek_head(*places)
    first = places[2] + len(_build_cues(leading, 0)) + len(lead)
    body = seek + info + tracks + _build_cues(leading, first) + lead
    segment = SEGMENT.to_bytes(4, "big") + _size(len(body) + body_bytes)
    return _build_ebml() + segment + body


def build_lead(frame: bytes) -> bytes:
    """Return a cluster at time 0 that holds one key frame."""
    return build_cluster(0, [(0, frame)])


def build_cluster(at_ms: int, frames: Iterable[tuple[int, bytes]]) -> bytes:
    """Return a cluster of key frames, each with its time, which is within 32 s of the first."""
    blocks = (
        _element(_SIMPLE_BLOCK, struct.pack(">BhB", 0x80 | _TRACK_NUMBER, time_ms - at_ms, _KEY) + data)
        for time_ms, data in frames
    )
    return _element(CLUSTER, _element(_TIMESTAMP, _number(at_ms)) + b"".join(blocks))


def _build_ebml() -> bytes:
    numbers = ((0x4286, 1), (0x42F7, 1), (0x42F2, 4), (0x42F3, 8))
    head = b"".join(_element(key, _number(value)) for key, value in numbers)
    versions = _element(0x4287, _number(4)) + _element(0x4285, _number(2))
    return _element(EBML, head + _element(0x4282, b"webm") + versions)


def _build_seek_head(info: int, tracks: int, cues: int) -> bytes:
    return _element(
        _SEEK_HEAD,
        b"".join(
            _element(0x4DBB, _element(0x53AB, key.to_bytes(4, "big")) + _element(0x53AC, _number(place)))
            for key, place in ((_INFO, info), (TRACKS, tracks), (_CUES, cues))
        ),
    )


def _build_cues(cues: Iterable[Cue], first: int) -> bytes:
    """Return the cues; `first` is the place in the segment of the cluster from which their offsets count."""
    points = (
        _element(
            0xBB,
            _element(0xB3, _number(cue.at_ms))
            + _element(
                0xB7, _element(0xF7, _number(_TRACK_NUMBER)) + _element(0xF1, _number(max(0, first + cue.offset)))
            ),
        )
        for cue in cues
    )
    return _element(_CUES, b"".join(points))


def _element(key: int, data: bytes) -> bytes:
    return key.to_bytes((key.bit_length() + 7) // 8, "big") + _size(len(data)) + data


def _size(size: int) -> bytes:
    return (0x0100000000000000 | size).to_bytes(8, "big")


def _number(value: int) -> bytes:
    return value.to_bytes(8, "big")
