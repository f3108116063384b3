"""RTP headers, transport-wide feedback and REMB in batches; an input is as in `tests.fuzz.rtp_rtcp`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfu.wire.extensions import EXTENSION_COUNT
from sfu.wire.kernels.remb import MOST_BITRATE_BPS, parse_remb
from sfu.wire.kernels.rtp import parse_rtp, strip_padding
from sfu.wire.kernels.transport_feedback import (
    BASE_SEQUENCE,
    FEEDBACK_COUNT,
    HEAD,
    NOT_RECEIVED,
    STATUS_COUNT,
    TICK_US,
    parse_transport_feedback,
)
from tests.fuzz.rtp_rtcp import ROOMS, TARGETS, kinds_of

from .loop import loop
from .mutate import Octets, Offsets
from .rows import BEFORE, HEAD_BYTES, ROW, Rows, others_set, surround
from .target import (
    BEYOND,
    CONTRADICTION,
    OTHERS,
    POSITION,
    RANGE,
    STATUS,
    SURROUNDINGS,
    Words,
    fold,
    mix,
    same,
)

_RTP, _FEEDBACK, _REMB = (TARGETS.index(name) for name in ("rtp", "transport_feedback", "remb"))
_LEAST_BYTES = 12


class Headers(Rows):
    """What the parsers write to."""

    def __init__(self, longest: int) -> None:
        super().__init__(2, longest)
        self.kinds = np.array([kinds_of(detail) for detail in range(256)], np.uint8)
        self.heads = np.zeros((2, HEAD), np.int64)
        self.arrivals = np.zeros((2, max(ROOMS)), np.int64)

    def judge(self, inputs: Octets, ends: Offsets, progress: Words, marks: Words, *, again: bool = False) -> int:
        """A `Fault` at `progress[POSITION]`, or 0 at the end."""
        return int(
            judge_headers(
                inputs,
                ends,
                progress,
                marks,
                self.amid,
                self.kinds,
                self.packets,
                self.words,
                self.heads,
                self.arrivals,
            )
        )


@loop
def judge_headers(
    inputs: Octets,
    ends: Offsets,
    progress: Words,
    marks: Words,
    amid: Octets,
    kinds: NDArray[np.uint8],
    packets: NDArray[Any],
    words: NDArray[np.int64],
    heads: NDArray[np.int64],
    arrivals: NDArray[np.int64],
) -> int:
    """Try all inputs; see `Headers.judge`."""
    at = 0
    for k in range(len(ends)):
        progress[POSITION] = k
        marks[k] = 0
        start = at + HEAD_BYTES
        if ends[k] >= start:
            kind, detail = np.int64(inputs[at]), np.int64(inputs[at + 1])
            packet = inputs[start : ends[k]]
            surround(packet, amid)
            if kind == _RTP:
                words[:] = 0
                fault, marks[k] = _judge_rtp(packet, amid, kinds[detail], packets, words)
            elif kind == _FEEDBACK:
                fault, marks[k] = _judge_feedback(packet, amid, ROOMS[detail & 1], heads, arrivals)
            else:
                fault, marks[k] = _judge_remb(packet, amid)
            if fault != 0:
                return fault
        at = ends[k]
    return 0


@loop
def _judge_rtp(
    packet: Octets, amid: Octets, kinds: NDArray[np.uint8], packets: NDArray[Any], words: NDArray[np.int64]
) -> tuple[int, int]:
    """A `Fault`, and the mark."""
    size = len(packet)
    status = parse_rtp(packet, 0, size, kinds, packets[0], ROW)
    again = parse_rtp(amid, BEFORE, BEFORE + size, kinds, packets[1], ROW)
    if again != status:
        return SURROUNDINGS, 0
    if not 0 <= status <= 3:
        return STATUS, 0
    if others_set(words[0]):
        return OTHERS, 0
    if status != 0:
        return 0, status
    status = strip_padding(packet, size, packets[0], ROW)
    if strip_padding(amid, BEFORE + size, packets[1], ROW) != status:
        return SURROUNDINGS, 0
    if status != 0:
        return (0, status) if status == 1 or status == 4 else (STATUS, 0)
    fault = _check_row(packets[0][ROW], packets[1][ROW], size, packet[0] & 0x20 != 0)
    if fault == 0 and not same(words[0], words[1]):
        fault = SURROUNDINGS
    return fault, fold(_weigh(packets[0][ROW]))


@loop
def _check_row(row: Any, other: Any, size: int, padded: bool) -> int:
    """What was found lies within the packet; `other` is brought to where `row` stands, so that they can be compared."""
    for kind in range(EXTENSION_COUNT):
        at, length = row["extension_at"][kind], row["extension_bytes"][kind]
        if length > 0 and other["extension_at"][kind] != at + BEFORE:
            return SURROUNDINGS
        if length < 0 or (length > 0 and not _LEAST_BYTES + 4 < at <= row["payload"] - length):
            return BEYOND
        other["extension_at"][kind] = at
    other["start"] -= BEFORE
    other["payload"] -= BEFORE
    if row["start"] != 0 or not _LEAST_BYTES <= row["payload"] <= size - row["payload_bytes"]:
        return BEYOND
    if row["payload_bytes"] < 0 or row["sequence"] & ~0xFFFF or row["payload_type"] & ~0x7F or row["marker"] & ~1:
        return RANGE
    if (row["timestamp"] | row["ssrc"]) & ~0xFFFFFFFF:
        return RANGE
    if not padded and row["payload"] + row["payload_bytes"] != size:
        return CONTRADICTION
    return 0


@loop
def _weigh(row: Any) -> int:
    """Which extensions it has, roughly how long, and whether something stands behind them."""
    mark = np.int64(row["payload_bytes"] > 0)
    for kind in range(EXTENSION_COUNT):
        mark = mix(mark, min(row["extension_bytes"][kind], 4))
    return mix(mark, min((row["payload"] - _LEAST_BYTES) // 4, 16))


@loop
def _judge_feedback(
    packet: Octets, amid: Octets, room: int, heads: NDArray[np.int64], arrivals: NDArray[np.int64]
) -> tuple[int, int]:
    size = len(packet)
    count = parse_transport_feedback(packet, 0, size, heads[0], arrivals[0][:room])
    again = parse_transport_feedback(amid, BEFORE, BEFORE + size, heads[1], arrivals[1][:room])
    if again != count:
        return SURROUNDINGS, 0
    if count <= 0:
        return (0, -count) if -5 <= count < 0 else (STATUS, 0)
    if count > room or heads[0][STATUS_COUNT] != count:
        return BEYOND, 0
    if not same(heads[0], heads[1]) or not same(arrivals[0][:count], arrivals[1][:count]):
        return SURROUNDINGS, 0
    if heads[0][BASE_SEQUENCE] & ~0xFFFF or heads[0][FEEDBACK_COUNT] & ~0xFF:
        return RANGE, 0
    arrived = 0
    least, most = np.int64(1) << 62, -(np.int64(1) << 62)
    for k in range(count):
        if arrivals[0][k] != NOT_RECEIVED:
            arrived += 1
            least, most = min(least, arrivals[0][k]), max(most, arrivals[0][k])
            if arrivals[0][k] % TICK_US != 0:
                return RANGE, 0
    if 22 + arrived > size:  # each has an octet at least
        return CONTRADICTION, 0
    spread = (most - least) // 100_000 if arrived > 0 else -1
    return 0, fold(mix(min(count, 64) << 8 | min(arrived, 64), min(spread, 16)))


@loop
def _judge_remb(packet: Octets, amid: Octets) -> tuple[int, int]:
    size = len(packet)
    rate = parse_remb(packet, 0, size)
    if parse_remb(amid, BEFORE, BEFORE + size) != rate:
        return SURROUNDINGS, 0
    if not -1 <= rate <= MOST_BITRATE_BPS:
        return RANGE, 0
    if rate >= 0 and size != 20 + 4 * np.int64(packet[16]):
        return CONTRADICTION, 0
    power = 0
    while rate >> power > 0:
        power += 1
    return 0, fold(mix(power, size))
