"""Transport-wide congestion feedback as we send it (draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1).

Arrival times are cut down to whole ticks of 250 us before the differences are taken, so that errors do not add up. The
packet is filled up to a multiple of four octets with zeros that nothing refers to, without the P bit: RTCP padding
would have to come in fours, and only at the end of a compound (RFC 3550 section 6.4.1).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sfu.wire.kernels.kernel import kernel, stage
from sfu.wire.kernels.octets import Octets, store16, store24, store32
from sfu.wire.kernels.transport_feedback import (
    FEEDBACK_FORMAT,
    FEEDBACK_HEADER_BYTES,
    FEEDBACK_TYPE,
    LARGE,
    NOT_RECEIVED,
    ONE_BIT_SYMBOLS,
    ONE_BIT_VECTOR,
    REFERENCE_TICKS,
    RUN_MOST,
    SMALL,
    TICK_US,
    TWO_BIT_SYMBOLS,
    TWO_BIT_VECTOR,
)

MIN_FEEDBACK_BYTES = 24
"""The least `limit` with which every packet gets on: a chunk and a delta of two octets behind the header."""
MOST_STATUSES = 0xFFFF
"""The packet status count has 16 bits."""

# Symbols that wait for their chunk: 14 of two bits each, the first in the highest ones, zeros behind the last.
_TOP = 2 * (ONE_BIT_SYMBOLS - 1)
_VECTOR = 2 * (ONE_BIT_SYMBOLS - TWO_BIT_SYMBOLS)
_EVERY = (1 << 2 * ONE_BIT_SYMBOLS) - 1
_LOW_BITS = _EVERY // 3  # the lower bit of each symbol
_HIGH_BITS = 2 * _LOW_BITS  # set in LARGE ones


@kernel
def build_transport_feedback(
    out: Octets,
    at: int,
    limit: int,
    sender_ssrc: int,
    media_ssrc: int,
    feedback_count: int,
    arrived: NDArray[np.int64],
    first: int,
    last: int,
) -> tuple[int, int]:
    """Write one RTCP packet on the sequence numbers `first` to `last`, both included, to `out[at:]`.

    `arrived` is a ring: `arrived[number % len(arrived)]` says when the packet with the extended sequence number came
    (microseconds of any clock that does not jump, or NOT_RECEIVED). `first` to `last` may not be more than its length.
    `feedback_count` is taken modulo 256; it rises with each packet of a connection.

    Returns its length, a multiple of 4 and at most `limit`, and how many numbers from `first` on it covers. It stops
    before a number for which there is no room, or that came more than 8.19 s before or after the one that came before
    it in order of sequence numbers (a difference of 16 bits): the caller goes on with the next packet, which has a
    reference time of its own. (0, 0) where none of the numbers came, or `limit` is less than MIN_FEEDBACK_BYTES:
    there is nothing to send.
    """
    count = min(last - first + 1, MOST_STATUSES)
    start = _first_tick(arrived, first, last)
    if start == NOT_RECEIVED:
        return 0, 0
    reference = start // REFERENCE_TICKS
    ticks = reference * REFERENCE_TICKS
    covered, end = _write_chunks(out, at, limit, arrived, first, count, ticks)
    if covered == 0:
        return 0, 0
    end = _write_deltas(out, end, arrived, first, covered, ticks)
    while (end - at) & 3:
        out[end] = 0
        end += 1
    out[at] = 0x80 | FEEDBACK_FORMAT
    out[at + 1] = FEEDBACK_TYPE
    store16(out, at + 2, (end - at) // 4 - 1)
    store32(out, at + 4, sender_ssrc)
    store32(out, at + 8, media_ssrc)
    store16(out, at + 12, first)
    store16(out, at + 14, covered)
    store24(out, at + 16, reference)
    out[at + 19] = feedback_count & 0xFF
    return end - at, covered


@stage
def _first_tick(arrived: NDArray[np.int64], first: int, last: int) -> int:
    """When the lowest of the numbers that came did, in ticks; NOT_RECEIVED where none came."""
    ring = len(arrived)
    for number in range(first, last + 1):
        if arrived[number % ring] != NOT_RECEIVED:
            return arrived[number % ring] // TICK_US
    return NOT_RECEIVED


@stage
def _write_chunks(
    out: Octets, at: int, limit: int, arrived: NDArray[np.int64], first: int, count: int, ticks: int
) -> tuple[int, int]:
    """Write chunks for as many of `count` numbers as the packet at `at` has room for; how many, and the chunks' end."""
    ring = len(arrived)
    room = limit - limit % 4
    end = at + FEEDBACK_HEADER_BYTES
    delta_bytes = covered = symbols = size = 0
    while covered < count:
        arrival = arrived[(first + covered) % ring]
        symbol = 0
        if arrival != NOT_RECEIVED:
            tick = arrival // TICK_US
            symbol = _delta_bytes(tick - ticks)
            ticks = tick
        fits = _fits(symbols, size, symbol)
        chunks_end = end + 2 if fits else end + 4  # with the one that is being filled
        if symbol > LARGE or chunks_end + delta_bytes + symbol - at > room:
            break
        if not fits:
            store16(out, end, _encode_chunk(symbols, size, size == ONE_BIT_SYMBOLS))
            end += 2
            if size < ONE_BIT_SYMBOLS and not _is_run(symbols, size):
                symbols = (symbols << (2 * TWO_BIT_SYMBOLS)) & _EVERY
                size -= TWO_BIT_SYMBOLS
            else:
                symbols = size = 0
        if size < ONE_BIT_SYMBOLS:
            symbols |= symbol << (_TOP - 2 * size)
        size += 1
        delta_bytes += symbol
        covered += 1
    if size > 0:
        store16(out, end, _encode_chunk(symbols, size, size > TWO_BIT_SYMBOLS))
        end += 2
    return covered, end


@stage
def _delta_bytes(delta: int) -> int:
    """How many octets it takes (section 3.1.5), which is the packet's symbol, too; over 2 for what does not fit two."""
    if 0 <= delta <= 0xFF:
        return SMALL
    return LARGE if -0x8000 <= delta <= 0x7FFF else LARGE + 1


@stage
def _is_run(symbols: int, size: int) -> bool:
    """Whether all that wait are alike; only such ones get more than 14."""
    if size > ONE_BIT_SYMBOLS:
        return True
    behind = (1 << (2 * (ONE_BIT_SYMBOLS - size))) - 1
    return symbols == ((symbols >> _TOP) * _LOW_BITS) & ~behind


@stage
def _fits(symbols: int, size: int, symbol: int) -> bool:
    """Whether one chunk can still stand for all that wait and one more."""
    if size < TWO_BIT_SYMBOLS:
        return True
    if size < ONE_BIT_SYMBOLS and symbols & _HIGH_BITS == 0 and symbol != LARGE:
        return True
    return size < RUN_MOST and symbol == symbols >> _TOP and _is_run(symbols, size)


@stage
def _encode_chunk(symbols: int, size: int, one_bit: bool) -> int:
    """The chunk for all that wait, or the two-bit vector for the first seven of them."""
    if _is_run(symbols, size):
        return (symbols >> _TOP) << 13 | size
    if not one_bit:
        return TWO_BIT_VECTOR | symbols >> _VECTOR
    chunk = ONE_BIT_VECTOR
    for k in range(ONE_BIT_SYMBOLS):
        chunk |= (symbols >> (2 * k) & 1) << k
    return chunk


@stage
def _write_deltas(out: Octets, at: int, arrived: NDArray[np.int64], first: int, count: int, ticks: int) -> int:
    """Write the differences of those that came among `count` numbers, the first one to `ticks`; return their end."""
    ring = len(arrived)
    for number in range(first, first + count):
        arrival = arrived[number % ring]
        if arrival == NOT_RECEIVED:
            continue
        tick = arrival // TICK_US
        if _delta_bytes(tick - ticks) == SMALL:
            out[at] = tick - ticks
            at += 1
        else:
            store16(out, at, tick - ticks)
            at += 2
        ticks = tick
    return at
