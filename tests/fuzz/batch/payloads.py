"""Payload descriptors, RED and frame marking in batches; an input is as in `tests.fuzz.descriptors`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfu.wire.kernels.av1 import describe_av1
from sfu.wire.kernels.frame_marking import describe_frame_marking
from sfu.wire.kernels.h264 import describe_h264
from sfu.wire.kernels.layers import describe_opaque
from sfu.wire.kernels.red import primary_of, retarget
from sfu.wire.kernels.vp8 import describe_vp8
from sfu.wire.kernels.vp9 import describe_vp9, find_top_layer
from sfu.wire.layers import ALL_LAYERS
from tests.fuzz.descriptors import TARGETS

from .loop import loop
from .mutate import Octets, Offsets
from .rows import AFTER, BEFORE, FILLING, HEAD_BYTES, ROW, Rows, others_set, surround
from .target import (
    BEYOND,
    CONTRADICTION,
    OTHERS,
    POSITION,
    RANGE,
    REPETITION,
    STATUS,
    SURROUNDINGS,
    Words,
    all_are,
    fold,
    mix,
    same,
)

_VP8, _VP9, _H264, _AV1, _RED, _MARKING = (
    TARGETS.index(name) for name in ("vp8", "vp9", "h264", "av1", "red", "frame_marking")
)
_PAYLOAD_TYPE = 111


class Payloads(Rows):
    """The two batches of packets that payloads are described in."""

    def __init__(self, longest: int) -> None:
        super().__init__(2, longest)

    def judge(self, inputs: Octets, ends: Offsets, progress: Words, marks: Words, *, again: bool = False) -> int:
        """A `Fault` at `progress[POSITION]`, or 0 at the end."""
        return int(judge_payloads(inputs, ends, progress, marks, self.amid, self.packets, self.words))


@loop
def judge_payloads(
    inputs: Octets,
    ends: Offsets,
    progress: Words,
    marks: Words,
    amid: Octets,
    packets: NDArray[Any],
    words: NDArray[np.int64],
) -> int:
    """Try all inputs; see `Payloads.judge`."""
    at = 0
    for k in range(len(ends)):
        progress[POSITION] = k
        marks[k] = 0
        start, end = at + HEAD_BYTES, ends[k]
        if end >= start:
            kind, detail = np.int64(inputs[at]), np.int64(inputs[at + 1])
            if kind == _MARKING:
                end = min(end, start + (detail & 15) + 1)
            payload = inputs[start:end]
            surround(payload, amid)
            words[:] = 0
            if kind == _RED:
                fault, marks[k] = _judge_red(payload, amid)
            elif kind != _MARKING or len(payload) > 0:
                fault, marks[k] = _judge(kind, detail, payload, amid, packets, words)
            else:
                fault = 0
            if fault != 0:
                return fault
            if not all_are(amid[:BEFORE], FILLING):
                return OTHERS
        at = ends[k]
    return 0


@loop
def _describe(kind: int, detail: int, buffer: Octets, start: int, size: int, packets: NDArray[Any]) -> int:
    packets[ROW]["payload"] = start
    packets[ROW]["payload_bytes"] = size
    packets[ROW]["marker"] = 0 if kind == _MARKING else detail & 1
    describe_opaque(packets, ROW)
    if kind == _VP8:
        return describe_vp8(buffer, packets, ROW)
    if kind == _VP9:
        return describe_vp9(buffer, packets, ROW, (detail >> 1) % 9 - 1)
    if kind == _H264:
        return describe_h264(buffer, packets, ROW)
    if kind == _AV1:
        return describe_av1(buffer, packets, ROW)
    return describe_frame_marking(buffer, start, size, packets, ROW)


@loop
def _judge(
    kind: int, detail: int, payload: Octets, amid: Octets, packets: NDArray[Any], words: NDArray[np.int64]
) -> tuple[int, int]:
    """A `Fault`, and the mark."""
    size = len(payload)
    status = _describe(kind, detail, payload, 0, size, packets[0])
    again = _describe(kind, detail, amid, BEFORE, size, packets[1])
    if status != 0 and status != 1:
        return STATUS, 0
    top = find_top_layer(payload, packets[0], ROW) if kind == _VP9 and status == 0 else -1
    if kind == _VP9 and status == 0 and find_top_layer(amid, packets[1], ROW) != top:
        return SURROUNDINGS, 0
    packets[1][ROW]["payload"] = 0
    if again != status or not same(words[0], words[1]):
        return SURROUNDINGS, 0
    if others_set(words[0]):
        return OTHERS, 0
    packet = packets[0][ROW]
    mark = mix(status, top)
    if status == 0:
        fault = _check(packet, size)
        if fault != 0 or top > 7:
            return fault if fault != 0 else RANGE, 0
        mark = mix(mark, packet["present"])
        mark = mix(mark, packet["switch"])
        mark = mix(mark, packet["discardable"])
    flags = packet["key"] | packet["frame_start"] << 1 | packet["frame_end"] << 2
    mark = mix(mark, flags | packet["spatial"] << 3 | packet["temporal"] << 8 | (packet["raises"] + 1) << 16)
    return 0, fold(mix(mark, packet["picture_id_at"] << 16 | (packet["tl0_picture_at"] + 1)))


@loop
def _check(packet: Any, size: int) -> int:
    """Selection and rewriting index and write by these."""
    if (packet["key"] | packet["frame_start"] | packet["frame_end"]) & ~1 != 0:
        return RANGE
    if (packet["present"] | packet["switch"] | packet["discardable"]) & ~ALL_LAYERS != 0:
        return RANGE
    if not (0 <= packet["spatial"] < 4 and 0 <= packet["temporal"] < 8):
        return RANGE
    if packet["raises"] != -1 and packet["raises"] != packet["temporal"]:
        return CONTRADICTION
    if packet["discardable"] & ~packet["present"] != 0 or (packet["key"] == 1 and packet["switch"] != ALL_LAYERS):
        return CONTRADICTION
    bits = packet["picture_id_bits"]
    if bits != 0 and bits != 7 and bits != 15:
        return RANGE
    if (packet["picture_id_at"] >= 0) != (bits > 0):
        return CONTRADICTION
    if packet["picture_id_at"] + (bits + 1) // 8 > size or packet["tl0_picture_at"] >= max(size, 1):
        return BEYOND
    return 0


@loop
def _judge_red(payload: Octets, amid: Octets) -> tuple[int, int]:
    size = len(payload)
    found = primary_of(payload, 0, size)
    again = primary_of(amid, BEFORE, BEFORE + size)
    if (again - BEFORE if again >= 0 else -1) != found:
        return SURROUNDINGS, 0
    if found < 0:
        return (0, 1) if found == -1 else (STATUS, 0)
    if found > max(0, size - 1):
        return BEYOND, 0
    retarget(amid, BEFORE, size, _PAYLOAD_TYPE)
    if primary_of(amid, BEFORE, BEFORE + size) != again:
        return REPETITION, 0
    heads = 0
    for j in range(size):
        before, after = payload[j], amid[BEFORE + j]
        if before != after:
            heads += 1
            if j % 4 != 0 or j >= found or after != (before & 0x80) | _PAYLOAD_TYPE:
                return OTHERS, 0
    if not all_are(amid[BEFORE + size : BEFORE + size + AFTER], FILLING):
        return OTHERS, 0
    return 0, fold(mix(heads, found))
