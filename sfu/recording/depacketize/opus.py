"""Opus (RFC 7587), also with redundancy (RFC 2198): a lost frame is taken from the copy in a later packet."""

from __future__ import annotations

import math
import struct
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from sfu.recording.depacketize.frame import Frame, StreamFormat, TimestampUnwrapper
from sfu.routing.plane import TappedPacket, TappedPackets

CLOCK_RATE = 48_000
_CHANNELS = 2
_HEAD = b"OpusHead" + struct.pack("<BBHIhB", 1, _CHANNELS, 0, CLOCK_RATE, 0, 0)
"""Identification header (RFC 7845 section 5.1), without pre-skip, since a record has no use for being shifted."""
_MAX_DURATION_US = 120_000
_MAX_BLOCKS = 8
_BLOCK_HEADER_BYTES = 4
_SILK_US = (10_000, 20_000, 40_000, 60_000)
_HYBRID_US = (10_000, 20_000)
_CELT_US = (2_500, 5_000, 10_000, 20_000)
_TWO_OCTETS_FROM = 252
_USUAL_US = 20_000


def packet_duration_us(packet: bytes, *, encrypted: bool = False) -> int:
    """Return the duration of an Opus packet (RFC 6716 section 3.1); 0 if it is malformed.

    Of an `encrypted` packet only the first octet is in the clear. One whose count of frames is not in there is taken
    for one of `_USUAL_US`.
    """
    if not packet:
        return 0
    configuration = packet[0] >> 3
    if configuration < 12:
        each = _SILK_US[configuration & 3]
    elif configuration < 16:
        each = _HYBRID_US[configuration & 1]
    else:
        each = _CELT_US[configuration & 3]
    code = packet[0] & 3
    if encrypted:
        return (each, 2 * each, 2 * each, _USUAL_US)[code]
    if code == 0:
        return each
    if code == 1:
        return 2 * each if len(packet) % 2 == 1 else 0
    if code == 2:
        return 2 * each if _first_frame_fits(packet) else 0
    if len(packet) < 2:
        return 0
    duration = (packet[1] & 0x3F) * each
    return duration if duration <= _MAX_DURATION_US else 0


def _first_frame_fits(packet: bytes) -> bool:
    """Whether the length of the first of two frames is there and within the packet (RFC 6716 section 3.2.1)."""
    if len(packet) < 2:
        return False
    length, at = packet[1], 2
    if length >= _TWO_OCTETS_FROM:
        if len(packet) < 3:
            return False
        length, at = length + 4 * packet[2], 3
    return at + length <= len(packet)


class Redundant(NamedTuple):
    """A block of a RED payload."""

    offset: int
    """RTP units by which it precedes the packet's timestamp; 0 for the primary block."""
    data: bytes


def parse_redundant(payload: bytes) -> list[Redundant] | None:
    """Return the blocks of a RED payload (RFC 2198 section 3), the oldest first, the primary one last; None if
    malformed.
    """
    heads: list[tuple[int, int]] = []
    at = 0
    while True:
        if at >= len(payload) or len(heads) > _MAX_BLOCKS:
            return None
        if not payload[at] & 0x80:
            at += 1
            break
        if at + _BLOCK_HEADER_BYTES > len(payload):
            return None
        word = int.from_bytes(payload[at + 1 : at + _BLOCK_HEADER_BYTES])
        heads.append((word >> 10, word & 0x03FF))
        at += _BLOCK_HEADER_BYTES
    blocks = []
    for offset, length in heads:
        if at + length > len(payload):
            return None
        blocks.append(Redundant(offset, payload[at : at + length]))
        at += length
    if at >= len(payload):
        return None
    blocks.append(Redundant(0, payload[at:]))
    return blocks


class OpusDepacketizer:
    """Makes one frame of each packet; `dropped` counts packets that no frame was made of, by reason."""

    since_us = math.inf
    """See `PictureDepacketizer.since_us`."""

    def __init__(self, *, encrypted: bool = False) -> None:
        self.dropped: Counter[str] = Counter()
        self._encrypted = encrypted
        self.format: StreamFormat | None = StreamFormat(0, 0, _HEAD)
        self._unwrapper = TimestampUnwrapper()
        self._next = -1
        self._latest = -1  # timestamp of the newest frame

    def push(self, packet: TappedPacket, sequence: int) -> Sequence[Frame]:
        """Return the frames that this packet adds; `sequence` is its extended number, and a jump in it is a loss."""
        missing = sequence - self._next if self._next >= 0 else 0
        self._next = sequence + 1
        payload = packet.payload
        if not payload:
            return ()
        if not packet.redundant:
            frame = self._frame(packet, sequence, payload)
            return (frame,) if frame else ()
        blocks = parse_redundant(payload)
        if blocks is None:
            self.dropped["malformed"] += 1
            return ()
        latest = self._latest
        frame = self._frame(packet, sequence, blocks[-1].data)
        if frame is None:
            return ()
        if not missing:
            return (frame,)
        return (*_restored(blocks[:-1], frame, latest, missing, self._encrypted), frame)

    def push_run(self, packets: TappedPackets, at: int, end: int, sequence: int) -> Sequence[Frame]:
        """Do as `push` with each packet of a run; `sequence` is the number of the first."""
        run = enumerate(packets[at:end], sequence)
        return [frame for number, packet in run for frame in self.push(packet, number)]

    def abandon(self, reason: str) -> None:
        """Do nothing: no frame is ever incomplete."""

    def _frame(self, packet: TappedPacket, sequence: int, data: bytes) -> Frame | None:
        duration_us = packet_duration_us(data, encrypted=self._encrypted)
        if not duration_us:
            self.dropped["malformed"] += 1
            return None
        self._latest = self._unwrapper.unwrap(packet.timestamp)
        repaired = 1 if packet.late else 0
        return Frame(data, self._latest, packet.arrival_us, True, sequence, sequence, 1, repaired, duration_us)


def _restored(blocks: list[Redundant], frame: Frame, latest: int, missing: int, encrypted: bool) -> list[Frame]:
    """Return those of the `missing` packets before `frame` that its redundancy restores, newer than `latest`.

    Each block counts for one packet, the last block for the last packet.
    """
    found: list[Frame] = []
    for back, block in enumerate(reversed(blocks), 1):
        timestamp = frame.timestamp - block.offset
        duration_us = packet_duration_us(block.data, encrypted=encrypted)
        if back > missing or timestamp <= latest or not duration_us:
            break
        sequence = frame.first_sequence - back
        # it was sent that much before, and would have come then
        arrival_us = frame.arrival_us - block.offset * 1_000_000 // CLOCK_RATE
        found.append(Frame(block.data, timestamp, arrival_us, True, sequence, sequence, 0, 1, duration_us))
    found.reverse()
    return found
