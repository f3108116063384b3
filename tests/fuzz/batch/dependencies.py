"""Streams of dependency descriptors in batches; an input is as in `tests.fuzz.descriptors`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import intrinsic
from numpy.typing import NDArray

from sfu.wire.extensions import Extension
from sfu.wire.kernels.dependency import BROKEN, FINE, MAX_BYTES, UNKNOWN, describe_dependencies
from sfu.wire.kernels.dependency_rewrite import MAX_GROWTH_BYTES, active_mask, write_dependencies
from sfu.wire.kernels.dependency_structure import MAX_TARGETS, MAX_TEMPLATES, STRUCTURE
from sfu.wire.kernels.layers import describe_opaque
from sfu.wire.layers import ALL_LAYERS, SPATIAL_LAYERS, TEMPORAL_LAYERS

from .linked import Linked
from .loop import loop
from .mutate import Octets, Offsets
from .rows import BEFORE, HEAD_BYTES, ROW, ROW_WORDS, Rows, others_set, surround
from .target import (
    BEYOND,
    CONTRADICTION,
    OPERATIONS,
    OTHERS,
    POSITION,
    RANGE,
    REPETITION,
    STATUS,
    SURROUNDINGS,
    Words,
    all_are,
    any_set,
    copy,
    fill_octets,
    fill_words,
    fold,
    mix,
    same,
)

_KIND = int(Extension.DEPENDENCY_DESCRIPTOR)
_GUARD, _GUARDED = 3, 0xEE
_STRUCTURE_WORDS = STRUCTURE.itemsize // 8
_MOST_DESCRIPTORS = 24
_FIRST_SEQUENCE = 65_530
_BEFORE_TAKEN, _EXACT, _AMID, _AGAIN = range(4)
"""Copies of what is known: before a descriptor, after it alone, after it among others, after what was written of it."""
_DESCRIBE, _WRITE = Linked(describe_dependencies), Linked(write_dependencies)


@intrinsic
def _describe_linked(_typing: Any, buffer: Any, packets: Any, row: Any, structures: Any, structure: Any) -> Any:
    return _DESCRIBE.signature, _DESCRIBE.generate


@intrinsic
def _write_linked(
    _typing: Any,
    buffer: Any,
    at: Any,
    length: Any,
    out: Any,
    out_at: Any,
    structures: Any,
    structure: Any,
    number: Any,
    mask: Any,
    announce: Any,
) -> Any:
    return _WRITE.signature, _WRITE.generate


class Dependencies(Rows):
    """Rows of packets and what is known of their structures, reused."""

    def __init__(self) -> None:
        super().__init__(3, MAX_BYTES)
        self.structures = np.zeros((4, 2), STRUCTURE)
        self.known = self.structures.view(np.int64).reshape(4, 2, _STRUCTURE_WORDS)
        self.out = np.zeros(_GUARD + MAX_BYTES + MAX_GROWTH_BYTES + _GUARD, np.uint8)
        _DESCRIBE.link(self.out, self.packets[0], 0, self.structures[0], 0)
        _WRITE.link(self.out, 0, 0, self.out, 0, self.structures[0], 0, 0, 0, True)

    def judge(self, inputs: Octets, ends: Offsets, progress: Words, marks: Words, *, again: bool = False) -> int:
        """A `Fault` at `progress[POSITION]`, or 0 at the end."""
        return int(
            judge_dependencies(
                inputs,
                ends,
                progress,
                marks,
                self.amid,
                self.out,
                self.packets,
                self.words,
                self.structures,
                self.known,
            )
        )


@loop
def judge_dependencies(
    inputs: Octets,
    ends: Offsets,
    progress: Words,
    marks: Words,
    amid: Octets,
    out: Octets,
    packets: NDArray[Any],
    words: NDArray[np.int64],
    structures: NDArray[Any],
    known: NDArray[np.int64],
) -> int:
    """Try all inputs, each a stream; see `Dependencies.judge`."""
    begin = 0
    known[:] = 0
    words[:] = 0
    for k in range(len(ends)):
        progress[POSITION] = k
        fill_words(known[_EXACT][1], 0)
        fill_words(known[_AMID][1], 0)
        at, end = begin + HEAD_BYTES, ends[k]
        sequence = _FIRST_SEQUENCE
        mark = np.int64(0)
        taken = 0
        while at + 2 <= end and taken < _MOST_DESCRIPTORS:
            wish = np.int64(inputs[at])
            stop = min(at + 2 + np.int64(inputs[at + 1]), end)
            sequence = (sequence + (0x5001 if wish & 0x80 else 1)) & 0xFFFF
            late = (wish >> 6) & 1
            number = (sequence - 40) & 0xFFFF if late else sequence
            fault, mark = _take(
                inputs[at + 2 : stop], wish, number, late, amid, out, packets, words, structures, known, mark
            )
            if fault != 0:
                return fault
            taken += 1
            at = stop
        # the streams' other rows are written by none of the calls, or stay written
        if others_set(words[0]) or any_set(known[_EXACT][0]) or any_set(known[_AMID][0]):
            return OTHERS
        progress[OPERATIONS] += taken
        marks[k] = fold(mark)
        begin = end
    return 0


@loop
def _describe(
    buffer: Octets,
    at: int,
    size: int,
    sequence: int,
    late: int,
    packets: NDArray[Any],
    structures: NDArray[Any],
) -> int:
    describe_opaque(packets, ROW)
    packets[ROW]["sequence"] = sequence
    packets[ROW]["late"] = late
    packets[ROW]["extension_at"][_KIND] = at
    packets[ROW]["extension_bytes"][_KIND] = size
    status = _describe_linked(buffer, packets, ROW, structures, 1)
    packets[ROW]["extension_at"][_KIND] = 0
    packets[ROW]["extension_bytes"][_KIND] = 0
    return status


@loop
def _take(
    value: Octets,
    wish: int,
    sequence: int,
    late: int,
    amid: Octets,
    out: Octets,
    packets: NDArray[Any],
    words: NDArray[np.int64],
    structures: NDArray[Any],
    known: NDArray[np.int64],
    mark: int,
) -> tuple[int, int]:
    """Describe a packet, and write it for a subscriber; a `Fault`, and the mark so far."""
    size = len(value)
    surround(value, amid)
    for k in range(len(words)):
        fill_words(words[k][ROW * ROW_WORDS : (ROW + 1) * ROW_WORDS], 0)
    copy(known[_EXACT][1], known[_BEFORE_TAKEN][1])  # which is that in the other surroundings, too, or that was a fault
    status = _describe(value, 0, size, sequence, late, packets[0], structures[_EXACT])
    again = _describe(amid, BEFORE, size, sequence, late, packets[1], structures[_AMID])
    if again != status or not same(words[0], words[1]) or not same(known[_EXACT][1], known[_AMID][1]):
        return SURROUNDINGS, 0
    fault = _check_status(status, known)
    if fault != 0 or status == BROKEN or size < 3:
        return fault, mix(mark, status)
    row, entry = packets[0][ROW], structures[_EXACT][1]
    if row["frame_number"] != np.int64(value[1]) << 8 | np.int64(value[2]):
        return CONTRADICTION, 0
    announce = wish & 0x20 != 0
    if status == UNKNOWN:
        written = _write(value, entry["active"], row["frame_number"], announce, out, structures)
        learned = not same(known[_AMID][1], known[_EXACT][1])
        return (BEYOND if written < 0 or learned else 0), mix(mark, status)
    fault = _check_known(entry, row)
    if fault == 0:
        fault = _check_written(value, wish, sequence, late, out, packets, words, structures, known)
    mark = mix(mark, (entry["templates"] << 16) | (entry["targets"] << 8) | (entry["needs_key_frame"] != 0))
    return fault, mix(mark, row["present"] ^ (row["switch"] << 8))


@loop
def _check_status(status: int, known: NDArray[np.int64]) -> int:
    """What is known of the stream has changed only if all is well."""
    if status != FINE and status != BROKEN and status != UNKNOWN:
        return STATUS
    if status != FINE and not same(known[_EXACT][1], known[_BEFORE_TAKEN][1]):
        return OTHERS
    return 0


@loop
def _check_written(
    value: Octets,
    wish: int,
    sequence: int,
    late: int,
    out: Octets,
    packets: NDArray[Any],
    words: NDArray[np.int64],
    structures: NDArray[Any],
    known: NDArray[np.int64],
) -> int:
    """For a subscriber of some Layer, and for one who gets all: said as it is, all is as it was."""
    row, entry, announce = packets[0][ROW], structures[_EXACT][1], wish & 0x20 != 0
    mask = active_mask(structures[_EXACT], 1, wish & 3, (wish >> 2) & 7)
    if mask & ~entry["active"] != 0 or (mask == 0) != (entry["active"] == 0):
        return CONTRADICTION
    if _write(value, mask, (row["frame_number"] + 1) & 0xFFFF, announce, out, structures) < 0:
        return BEYOND
    written = _write(value, entry["active"], row["frame_number"], announce, out, structures)
    if written < 0 or not same(known[_AMID][1], known[_EXACT][1]):  # they were, before
        return BEYOND
    copy(known[_BEFORE_TAKEN][1], known[_AGAIN][1])
    text = out[_GUARD : _GUARD + written]
    if _describe(text, 0, written, sequence, late, packets[2], structures[_AGAIN]) != FINE:
        return REPETITION
    structures[_AGAIN][1]["sequence"] = entry["sequence"]  # moves on with each set that is announced
    if not same(words[0], words[2]) or not same(known[_AGAIN][1], known[_EXACT][1]):
        return REPETITION
    return 0


@loop
def _write(
    value: Octets,
    mask: int,
    number: int,
    announce: bool,
    out: Octets,
    structures: NDArray[Any],
) -> int:
    """Its length; -1: more was written than there is room for."""
    size = len(value)
    fill_octets(out, _GUARDED)
    written = _write_linked(value, 0, size, out, _GUARD, structures[_EXACT], 1, number, mask, announce)
    if not 3 <= written <= min(size + MAX_GROWTH_BYTES, MAX_BYTES):  # padding may go
        return -1
    if not all_are(out[:_GUARD], _GUARDED) or not all_are(out[_GUARD + max(written, size) :], _GUARDED):
        return -1
    return written


@loop
def _check_known(entry: Any, row: Any) -> int:
    """What is known of the stream, and what is said of the packet, is within its bounds."""
    templates, targets = entry["templates"], entry["targets"]
    if entry["valid"] != 1 or not (1 <= templates <= MAX_TEMPLATES and 1 <= targets <= MAX_TARGETS):
        return RANGE
    if not (0 <= entry["chains"] <= targets and 0 <= entry["offset"] < 64 and 0 < entry["text_bytes"] <= 256):
        return RANGE
    every = (np.int64(1) << targets) - 1
    if entry["active"] & ~every != 0 or entry["sequence"] & ~0xFFFF != 0 or entry["needs_key_frame"] & ~ALL_LAYERS != 0:
        return RANGE
    fault = _check_templates(entry, every)
    if fault == 0:
        fault = _check_targets(entry, every)
    return fault if fault != 0 else _check_row(row)


@loop
def _check_templates(entry: Any, every: int) -> int:
    for k in range(entry["templates"]):
        if not (0 <= entry["spatial"][k] < SPATIAL_LAYERS and 0 <= entry["temporal"][k] < TEMPORAL_LAYERS):
            return RANGE
        if (entry["target_present"][k] | entry["target_switch"][k] | entry["target_discardable"][k]) & ~every != 0:
            return RANGE
        if (entry["present"][k] | entry["switch"][k] | entry["discardable"][k]) & ~ALL_LAYERS != 0:
            return RANGE
    return 0


@loop
def _check_targets(entry: Any, every: int) -> int:
    served = np.int64(0)
    for k in range(entry["targets"]):
        if entry["contained"][k] & ~every != 0 or (entry["layers"][k] | entry["substitute"][k]) & ~ALL_LAYERS != 0:
            return RANGE
        if served & entry["layers"][k] != 0:
            return CONTRADICTION  # one target serves a Layer
        served |= entry["layers"][k]
    for k in range(SPATIAL_LAYERS * TEMPORAL_LAYERS):
        if not -1 <= entry["server"][k] < entry["targets"]:
            return RANGE
    return 0


@loop
def _check_row(row: Any) -> int:
    if (row["key"] | row["frame_start"] | row["frame_end"]) & ~1 != 0:
        return RANGE
    if (row["present"] | row["switch"] | row["discardable"]) & ~ALL_LAYERS != 0:
        return RANGE
    if row["discardable"] & ~row["present"] != 0:
        return CONTRADICTION
    if not (0 <= row["spatial"] < SPATIAL_LAYERS and 0 <= row["temporal"] < TEMPORAL_LAYERS):
        return RANGE
    return 0
