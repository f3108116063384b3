"""Whose connectivity check a datagram is, in batches; an input is as in `tests.fuzz.stun`, and nothing put in order."""

from __future__ import annotations

import numpy as np

from sfu.wire.kernels.binding import parse_ufrag
from sfu.wire.ufrag import UFRAG_BYTES

from .loop import loop
from .mutate import Octets, Offsets
from .target import BEYOND, OPERATIONS, POSITION, RANGE, STATUS, SURROUNDINGS, Words, fold, mix

HEAD_BYTES = 1
_BEFORE, _AFTER = 9, 40
_COLON = 0x3A
_HEADER_BYTES = 20
_MOST_WALKED = 8


class Binding:
    """Where a message stands among other octets, reused."""

    def __init__(self, longest: int) -> None:
        self.amid = np.full(_BEFORE + longest + _AFTER, 0xFF, np.uint8)

    def judge(self, inputs: Octets, ends: Offsets, progress: Words, marks: Words, *, again: bool = False) -> int:
        """A `Fault` at `progress[POSITION]`, or 0 at the end."""
        return int(judge_binding(inputs, ends, progress, marks, self.amid))


@loop
def judge_binding(inputs: Octets, ends: Offsets, progress: Words, marks: Words, amid: Octets) -> int:
    """Try all inputs; see `Binding.judge`."""
    at = 0
    for k in range(len(ends)):
        progress[POSITION] = k
        marks[k] = 0
        start = at + HEAD_BYTES
        at = ends[k]
        if at < start:
            continue
        progress[OPERATIONS] += 1
        message = inputs[start:at]
        size = len(message)
        for j in range(size):
            amid[_BEFORE + j] = message[j]
        for j in range(_BEFORE + size, _BEFORE + size + _AFTER):
            amid[j] = 0xFF
        found = parse_ufrag(message, 0, size)
        if parse_ufrag(amid, _BEFORE, _BEFORE + size) != found:
            return SURROUNDINGS
        if found < -1:
            return STATUS
        if found >= 0:
            fault = _check_found(message, found)
            if fault != 0:
                return fault
        marks[k] = fold(mix(_walk(message), np.int64(found >= 0)))
    return 0


@loop
def _check_found(message: Octets, found: int) -> int:
    """It is eight octets of ASCII that stand in the message before a colon."""
    for j in range(UFRAG_BYTES):
        if (found >> (8 * j)) & 0x80:
            return RANGE
    for at in range(_HEADER_BYTES + 4, len(message) - UFRAG_BYTES):
        if message[at + UFRAG_BYTES] != _COLON:
            continue
        value = np.int64(0)
        for j in range(UFRAG_BYTES):
            value = value << 8 | np.int64(message[at + j])
        if value == found:
            return 0
    return BEYOND


@loop
def _walk(message: Octets) -> int:
    """Which attributes the message has, roughly how long."""
    at, walked, mark = _HEADER_BYTES, 0, np.int64(0)
    while at + 4 <= len(message) and walked < _MOST_WALKED:
        kind = np.int64(message[at]) << 8 | np.int64(message[at + 1])
        length = np.int64(message[at + 2]) << 8 | np.int64(message[at + 3])
        mark = mix(mark, min(kind, 16) << 8 | min(length // 4, 8))
        at += 4 + (length + 3) // 4 * 4
        walked += 1
    return mark
