"""Makes sound continuous for a browser, which plays packet after packet and takes no notice of holes between them.

Silence is put where packets are missing, from the record's time 0 on, so that media time is the record's time. If a
sender's clock runs fast, one packet is left out each time it has got ahead by the length of one.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from sfu.node.player.webm import Cue, build_cluster
from sfu.recording.clusters import Layout, MediaError, read_blocks

SILENCE = b"\xf8\xff\xfe"
"""20 ms of silence in Opus: one CELT frame, full band, without energy (RFC 6716 section 3.1)."""
SILENCE_MS = 20
MAX_AHEAD_MS = 20
_CLUSTER_MS = 2_000
_CUE_MS = 10_000
_MAX_PACKET_MS = 120
_MAX_CLUSTER_BYTES = 4 << 20
"""Most bytes of a cluster of sound; no recorder writes a longer one."""
_CELT_MS = (2.5, 5.0, 10.0, 20.0)
_SILK_MS = (10.0, 20.0, 40.0, 60.0)
_HYBRID_MS = (10.0, 20.0)


def measure_opus(packet: bytes) -> float:
    """Return how many milliseconds a packet of Opus lasts (RFC 6716 section 3.1); raises MediaError if it is none."""
    if not packet:
        raise MediaError("a packet is empty")
    config, code = packet[0] >> 3, packet[0] & 3
    if config < 12:
        frame_ms = _SILK_MS[config & 3]
    elif config < 16:
        frame_ms = _HYBRID_MS[config & 1]
    else:
        frame_ms = _CELT_MS[config & 3]
    if code == 3 and len(packet) < 2:
        raise MediaError("a packet is cut off")
    count = (1, 2, 2, packet[1] & 0x3F if code == 3 else 0)[code]
    if not 0 < count * frame_ms <= _MAX_PACKET_MS:
        raise MediaError("a packet lasts longer than it may")
    return count * frame_ms


@dataclass(frozen=True, slots=True)
class Sound:
    """The clusters that were written."""

    cues: tuple[Cue, ...]
    size: int


def write_sound(source: BinaryIO, layout: Layout, out: BinaryIO, limit_ms: int) -> Sound:
    """Write all packets of a file, and silence between them, as clusters; what comes after `limit_ms` is left out."""
    cues: list[Cue] = []
    pending: list[tuple[int, bytes]] = []
    size = 0

    def flush() -> None:
        nonlocal size
        if pending:
            cluster = build_cluster(pending[0][0], pending)
            if not cues or pending[0][0] - cues[-1].at_ms >= _CUE_MS:
                cues.append(Cue(pending[0][0], size))
            out.write(cluster)
            size += len(cluster)
            pending.clear()

    for at_ms, data in fill(_read_packets(source, layout, limit_ms)):
        if pending and at_ms - pending[0][0] >= _CLUSTER_MS:
            flush()
        pending.append((round(at_ms), data))
    flush()
    return Sound(tuple(cues), size)


def fill(packets: Iterable[tuple[int, bytes]]) -> Iterator[tuple[float, bytes]]:
    """Yield packets and silence, one after the other from 0 on, each with the time at which it is heard."""
    heard_ms = 0.0
    for at_ms, data in packets:
        try:
            length_ms = measure_opus(data)
        except MediaError:
            continue
        while at_ms - heard_ms >= SILENCE_MS:
            yield heard_ms, SILENCE
            heard_ms += SILENCE_MS
        if heard_ms - at_ms > MAX_AHEAD_MS:
            continue
        yield heard_ms, data
        heard_ms += length_ms


def _read_packets(source: BinaryIO, layout: Layout, limit_ms: int) -> Iterator[tuple[int, bytes]]:
    for cluster in layout.clusters:
        if cluster.size > _MAX_CLUSTER_BYTES:
            continue
        source.seek(cluster.offset)
        data = source.read(cluster.size)
        held = dataclasses.replace(cluster, offset=0, size=len(data))
        for block in read_blocks(io.BytesIO(data), held):
            if block.at_ms > limit_ms:
                return
            yield block.at_ms, data[block.offset : block.offset + block.size]
