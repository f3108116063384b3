"""Which sequence numbers of a stream have come, each counted once, and which are missing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.generator.kernel import kernel, stage
from bench.generator.layout import MOST_MISSING, NUMBERS, OTHER, Tables

FRESH, DUPLICATE, STALE = 0, 1, 2
"""What a packet is: the first of its number, another one, or older than is remembered."""


@kernel
def extend_sequence(highest: int, sequence: int) -> int:
    """The extended sequence number nearest to `highest` whose low 16 bits are `sequence`."""
    delta = (sequence - highest) & 0xFFFF
    if delta >= 0x8000:
        delta -= 0x10000
    return highest + delta


@stage
def find_stream(streams: NDArray[Any], count: int, ssrc: int) -> int:
    """Row of `ssrc` among `streams[:count]`, else -1."""
    for row in range(count):
        if streams[row]["ssrc"] == ssrc:
            return row
    return -1


@stage
def stream_of(connection: Any, streams: NDArray[Any], ssrc: int) -> int:
    """Row of `ssrc`, which gets one if it is new; -1 when the rows are used up, which is counted."""
    row = np.int64(connection["last_stream"])
    if streams[row]["ssrc"] == ssrc:
        return row
    row = find_stream(streams, np.int64(connection["streams"]), ssrc)
    if row < 0:
        row = np.int64(connection["streams"])
        if row >= streams.shape[0]:
            connection["overflow"] += np.uint64(1)
            return -1
        connection["streams"] = row + 1
        streams[row]["ssrc"] = ssrc
        streams[row]["kind"] = OTHER
        streams[row]["repair"] = -1
        streams[row]["counter"] = -1
    connection["last_stream"] = row
    return row


@stage
def extend_in_stream(stream: Any, sequence: int) -> int:
    """The extended number of a packet; the stream's first packet begins its numbering."""
    if stream["highest"] == 0:
        # One cycle up, so that an older packet that arrives next does not go below zero.
        stream["first"] = sequence + 0x10000
        stream["highest"] = sequence + 0xFFFF
    return extend_sequence(np.int64(stream["highest"]), sequence)


@stage
def note_number(index: int, row: int, extended: int, now_ns: int, tables: Tables) -> int:
    """Note that a number of the stream `row` has come, and what is missing before it; what the packet is."""
    stream = tables.streams[index, row]
    seen = tables.seen[index, row]
    highest = np.int64(stream["highest"])
    if extended > highest:
        if extended > highest + 1:
            skip_numbers(index, row, highest + 1, extended, now_ns, tables)
        seen[extended % NUMBERS] = 1
        stream["highest"] = extended
        return FRESH
    if extended <= highest - NUMBERS:
        return STALE
    if seen[extended % NUMBERS] == 1:
        return DUPLICATE
    seen[extended % NUMBERS] = 1
    stream["first"] = min(np.int64(stream["first"]), extended)
    if tables.connections[index]["missing"] > 0:
        forget_missing(index, row, extended, tables)
    return FRESH


@stage
def skip_numbers(index: int, row: int, start: int, end: int, now_ns: int, tables: Tables) -> None:
    """The numbers [start, end) did not come; where there is repair they are asked for."""
    connection = tables.connections[index]
    asks = tables.streams[index, row]["repair"] >= 0
    for number in range(max(start, end - NUMBERS), end):
        tables.seen[index, row, number % NUMBERS] = 0
        if asks and connection["missing"] < MOST_MISSING:
            entry = tables.missing[index, connection["missing"]]
            entry["stream"] = row
            entry["tries"] = 0
            entry["sequence"] = number
            entry["next_ns"] = now_ns
            connection["missing"] += 1
        elif asks:
            connection["given_up"] += np.uint64(1)


@stage
def drop_missing(index: int, at: int, tables: Tables) -> None:
    """Take row `at` off the list; the last one takes its place."""
    connection = tables.connections[index]
    last = np.int64(connection["missing"]) - 1
    entries = tables.missing[index]
    entries[at]["stream"] = entries[last]["stream"]
    entries[at]["tries"] = entries[last]["tries"]
    entries[at]["sequence"] = entries[last]["sequence"]
    entries[at]["next_ns"] = entries[last]["next_ns"]
    connection["missing"] = last


@stage
def forget_missing(index: int, row: int, extended: int, tables: Tables) -> None:
    """A packet that was missing has come."""
    entries = tables.missing[index]
    for at in range(tables.connections[index]["missing"]):
        if entries[at]["sequence"] == extended and entries[at]["stream"] == row:
            drop_missing(index, at, tables)
            return
