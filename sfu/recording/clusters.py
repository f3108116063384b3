"""Finds the clusters of a recorder's Matroska file (RFC 9559, RFC 8794), reading little more than their first bytes.

Such a file is a header and then clusters, each with one track, without index and without duration.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

EBML, SEGMENT, TRACKS, CLUSTER = 0x1A45DFA3, 0x18538067, 0x1654AE6B, 0x1F43B675
_VOID, _CRC = 0xEC, 0xBF
_SKIPPED = {_VOID, _CRC, 0x114D9B74, 0x1549A966, 0x1C53BB6B, 0x1254C367, 0x1043A770, 0x1941A469}
"""SeekHead, Info, Cues, Tags, Chapters and Attachments: elements that are made anew, or of no use here."""
_TIMESTAMP, _SIMPLE_BLOCK, _BLOCK_GROUP, _BLOCK, _REFERENCE = 0xE7, 0xA3, 0xA0, 0xA1, 0xFB
_HEAD_BYTES = 12
"""Longest head of an element: four octets of id and eight of size."""
_MAX_TRACKS_BYTES = 1 << 16
_MAX_CLUSTERS = 1 << 18
"""Most clusters of a file: three days at one a second."""
_KEY = 0x80
MAX_TIMESTAMP_MS = 1 << 40


class MediaError(Exception):
    """A media file cannot be played; the text says why."""


@dataclass(frozen=True, slots=True)
class Block:
    """One packet in a file."""

    at_ms: int
    """Time of the packet on the record's clock."""
    offset: int
    """Offset of the packet's payload in the file."""
    size: int
    key: bool


@dataclass(frozen=True, slots=True)
class Cluster:
    """A run of packets that are stored together."""

    offset: int
    size: int
    """Length in octets, including the head."""
    at_ms: int
    """Time of the first packet."""
    key: bool
    """Whether the cluster begins with a key frame."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a file's tracks and clusters stand."""

    tracks: bytes
    """The octets of the whole Tracks element."""
    clusters: tuple[Cluster, ...]
    end: int
    """Where the last whole cluster ends."""
    damage: str
    """What is wrong with the octets behind `end`; empty if the file ends there."""


@dataclass(frozen=True, slots=True)
class _Element:
    id: int
    begin: int
    data: int
    end: int | None
    """None: the size is unknown."""


def read_layout(file: BinaryIO) -> Layout:
    """Find the clusters of a file; raises MediaError if there is none at all. What follows damage is left out."""
    size = file.seek(0, 2)
    if not size:
        raise MediaError("the file is empty")
    head = _read_element(file, 0, size)
    if head is None or head.id != EBML or head.end is None:
        raise MediaError("it is no Matroska file")
    segment = _read_element(file, head.end, size)
    if segment is None or segment.id != SEGMENT:
        raise MediaError("it is no Matroska file: it has no segment")
    return _read_segment(file, segment.data, size)


def _read_segment(file: BinaryIO, at: int, size: int) -> Layout:
    tracks, clusters, damage = b"", list[Cluster](), ""
    while at < size:
        element = _read_element(file, at, size)
        if element is None or element.end is None:
            damage = f"there is no whole cluster at byte {at}"
            break
        if element.id == TRACKS and not tracks:
            if element.end - at > _MAX_TRACKS_BYTES:
                raise MediaError("its description of the track is too long")
            tracks = _read(file, at, element.end - at)
        elif element.id == CLUSTER and tracks and len(clusters) < _MAX_CLUSTERS:
            cluster = _read_cluster(file, element)
            if cluster is None:
                damage = f"the cluster at byte {at} cannot be read"
                break
            clusters.append(cluster)
        elif element.id not in _SKIPPED:
            damage = f"what stands at byte {at} is no cluster"
            break
        at = element.end
    if not clusters:
        raise MediaError(damage or "there are no media in it")
    return Layout(tracks, tuple(clusters), clusters[-1].offset + clusters[-1].size, damage)


def _read_cluster(file: BinaryIO, element: _Element) -> Cluster | None:
    assert element.end is not None
    first = next(_walk_blocks(file, element), None)
    if first is None:
        return None
    return Cluster(element.begin, element.end - element.begin, first.at_ms, first.key)


def read_blocks(file: BinaryIO, cluster: Cluster) -> Iterator[Block]:
    """Yield the packets of a cluster, as far as it can be read. Lacing is not supported: no recorder uses it."""
    element = _read_element(file, cluster.offset, cluster.offset + cluster.size)
    if element is not None and element.end is not None:
        yield from _walk_blocks(file, element)


def _walk_blocks(file: BinaryIO, cluster: _Element) -> Iterator[Block]:
    assert cluster.end is not None
    at, base_ms = cluster.data, 0
    while at < cluster.end:
        element = _read_element(file, at, cluster.end)
        if element is None or element.end is None:
            return
        if element.id == _TIMESTAMP:
            base_ms = int.from_bytes(_read(file, element.data, min(8, element.end - element.data)), "big")
            if base_ms > MAX_TIMESTAMP_MS:
                return
        elif element.id == _SIMPLE_BLOCK:
            block = _read_block(file, element, base_ms, None)
            if block is None:
                return
            yield block
        elif element.id == _BLOCK_GROUP:
            block = _read_group(file, element, base_ms)
            if block is None:
                return
            yield block
        at = element.end


def _read_group(file: BinaryIO, group: _Element, base_ms: int) -> Block | None:
    assert group.end is not None
    at, found, key = group.data, None, True
    while at < group.end:
        element = _read_element(file, at, group.end)
        if element is None or element.end is None:
            return None
        if element.id == _BLOCK:
            found = element
        elif element.id == _REFERENCE:
            key = False
        at = element.end
    return None if found is None else _read_block(file, found, base_ms, key)


def _read_block(file: BinaryIO, element: _Element, base_ms: int, key: bool | None) -> Block | None:
    """Read a block. `key` is None where the block itself says whether it is a key frame."""
    assert element.end is not None
    head = _read(file, element.data, 12)
    length = 9 - head[0].bit_length() if head and head[0] else 0
    if not length or len(head) < length + 3 or element.data + length + 3 > element.end:
        return None
    at_ms = base_ms + int.from_bytes(head[length : length + 2], "big", signed=True)
    begins = element.data + length + 3
    flagged = bool(head[length + 2] & _KEY)
    return Block(max(0, at_ms), begins, element.end - begins, flagged if key is None else key)


def _read_element(file: BinaryIO, at: int, limit: int) -> _Element | None:
    """Read the head of the element at `at`; None if there is none, or it goes beyond `limit`."""
    head = _read(file, at, _HEAD_BYTES)
    if not head or not head[0]:
        return None
    id_length = 9 - head[0].bit_length()
    if id_length > 4 or len(head) <= id_length or not head[id_length]:
        return None
    size_length = 9 - head[id_length].bit_length()
    data = id_length + size_length
    if len(head) < data:
        return None
    bits = 7 * size_length
    size = int.from_bytes(head[id_length:data], "big") & ((1 << bits) - 1)
    end = None if size == (1 << bits) - 1 else at + data + size
    if end is not None and end > limit:
        return None
    return _Element(int.from_bytes(head[:id_length], "big"), at, at + data, end)


def _read(file: BinaryIO, at: int, size: int) -> bytes:
    file.seek(at)
    return file.read(size)
