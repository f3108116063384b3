"""Transport-wide feedback: when each packet came, told every 100 ms.

draft-holmer-rmcat-transport-wide-cc-extensions-01; written for the bench, so that a server's own reading of the draft
does not check itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.generator.kernel import kernel, stage
from bench.generator.layout import ARRIVALS, Tables
from bench.generator.numbers import extend_sequence
from bench.generator.octets import Octets, put_u16, put_u32

TICK_NS = 250_000
_REFERENCE_TICKS = 256
_HEADER_BYTES = 20
#: Packets that one feedback tells of: with two octets for each it stays below 1,200 bytes.
MOST_STATUSES = 480
_RUN_MOST = 8191
_ONE_BIT, _TWO_BIT = 14, 7
_LARGE = 2


@stage
def note_arrival(connection: Any, ring: NDArray[np.int32], number: int, arrived_ns: int) -> None:
    """Note when the packet with a transport-wide number (16 bits) came, since the engine's start."""
    last = np.int64(connection["last_arrival"])
    if last < 0:
        last = number + 0xFFFF
        connection["first_arrival"] = last + 1
    number = extend_sequence(last, number)
    if number > last:
        for skipped in range(max(last + 1, number - ARRIVALS), number):
            ring[skipped % ARRIVALS] = 0
        last = number
        # What does not fit any more is left out.
        oldest = last - ARRIVALS + 1
        if connection["first_arrival"] < oldest:
            connection["unreported"] += np.uint64(oldest - connection["first_arrival"])
            connection["first_arrival"] = oldest
    elif number <= last - ARRIVALS:
        return
    elif number < connection["first_arrival"]:
        # Told of as missing before; told of again, as libwebrtc does.
        connection["first_arrival"] = number
    connection["last_arrival"] = last
    ring[number % ARRIVALS] = max(arrived_ns, 0) // TICK_NS + 1


@kernel
def build_feedback(
    out: Octets,
    sender_ssrc: int,
    media_ssrc: int,
    count: int,
    ring: NDArray[np.int32],
    first: int,
    last: int,
    symbols: Octets,
) -> tuple[int, int]:
    """Write one RTCP packet on the numbers `first` to `last` to `out`; its length, and how many numbers it covers.

    ring: ticks since some start, plus 1; 0: did not come. symbols: MOST_STATUSES octets of scratch. It covers less than
    all where they are too many, or where one came more than 8 s apart from the one before: the next packet goes on.
    (0, 0): none of them came.
    """
    start = -1
    for number in range(first, last + 1):
        if ring[number % ARRIVALS] != 0:
            start = np.int64(ring[number % ARRIVALS]) - 1
            break
    if start < 0:
        return 0, 0
    reference = start // _REFERENCE_TICKS
    covered = _choose_symbols(ring, first, last, reference * _REFERENCE_TICKS, symbols)
    at = _HEADER_BYTES
    done = 0
    while done < covered:
        chunk, size = _next_chunk(symbols, done, covered)
        put_u16(out, at, chunk)
        at += 2
        done += size
    at = _put_deltas(out, at, ring, first, covered, reference * _REFERENCE_TICKS, symbols)
    while at & 3:
        out[at] = 0
        at += 1
    out[0] = 0x8F
    out[1] = 205
    put_u16(out, 2, at // 4 - 1)
    put_u32(out, 4, sender_ssrc)
    put_u32(out, 8, media_ssrc)
    put_u16(out, 12, first & 0xFFFF)
    put_u16(out, 14, covered)
    put_u32(out, 16, ((reference & 0xFFFFFF) << 8) | (count & 0xFF))
    return at, covered


@stage
def _choose_symbols(ring: NDArray[np.int32], first: int, last: int, ticks: int, symbols: Octets) -> int:
    """The octets that each number's delta takes; how many numbers there are until one has none that fits."""
    count = min(last - first + 1, MOST_STATUSES)
    for done in range(count):
        arrived = np.int64(ring[(first + done) % ARRIVALS])
        symbols[done] = 0
        if arrived != 0:
            delta = arrived - 1 - ticks
            if not -0x8000 <= delta <= 0x7FFF:
                return done
            symbols[done] = 1 if 0 <= delta <= 0xFF else _LARGE
            ticks = arrived - 1
    return count


@stage
def _next_chunk(symbols: Octets, start: int, end: int) -> tuple[int, int]:
    """The chunk for `symbols[start:]`, and how many it stands for: a run if that is longer, else a vector."""
    symbol = np.int64(symbols[start])
    run = 1
    while start + run < end and run < _RUN_MOST and symbols[start + run] == symbol:
        run += 1
    if run >= _ONE_BIT or start + run == end:
        return symbol << 13 | run, run
    count = min(end - start, _ONE_BIT)
    chunk, width, size = 0x8000, 1, _ONE_BIT
    for turn in range(count):
        if symbols[start + turn] == _LARGE:
            chunk, width, size = 0xC000, 2, _TWO_BIT
    count = min(count, size)
    for turn in range(count):
        chunk |= np.int64(symbols[start + turn]) << (width * (size - 1 - turn))
    return chunk, count


@stage
def _put_deltas(
    out: Octets, at: int, ring: NDArray[np.int32], first: int, covered: int, ticks: int, symbols: Octets
) -> int:
    for done in range(covered):
        if symbols[done] == 0:
            continue
        arrived = np.int64(ring[(first + done) % ARRIVALS]) - 1
        if symbols[done] == 1:
            out[at] = arrived - ticks
            at += 1
        else:
            put_u16(out, at, (arrived - ticks) & 0xFFFF)
            at += 2
        ticks = arrived
    return at


@kernel
def next_feedback(index: int, tables: Tables, out: Octets, symbols: Octets) -> int:
    """Write the connection's next feedback packet, if there is anything new to tell of; its length, or 0."""
    connection: Any = tables.connections[index]
    first, last = np.int64(connection["first_arrival"]), np.int64(connection["last_arrival"])
    if last < 0 or first > last:
        return 0
    media_ssrc = np.int64(tables.streams[index, connection["last_stream"]]["ssrc"])
    number = np.int64(connection["feedbacks"])
    sender = np.int64(connection["ssrc"])
    size, covered = build_feedback(out, sender, media_ssrc, number, tables.arrivals[index], first, last, symbols)
    connection["first_arrival"] = first + covered if size > 0 else last + 1
    if size > 0:
        connection["feedbacks"] += np.uint64(1)
    return size
