"""Transport-wide congestion feedback as it comes in (draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1).

A receiver says of a range of transport-wide sequence numbers which came and when: chunks of two-bit symbols say how
each packet fared, then each packet that came has the time since the one before, in ticks of 250 us.
"""

from __future__ import annotations

import enum

import numpy as np
from numpy.typing import NDArray

from sfu.wire.kernels.kernel import i64, kernel, stage
from sfu.wire.kernels.octets import Octets, load16, load32

FEEDBACK_TYPE = 205
"""Transport layer feedback (RFC 4585 section 6.1)."""
FEEDBACK_FORMAT = 15
FEEDBACK_HEADER_BYTES = 20

NOT_RECEIVED = -(1 << 62)
"""Stands in place of an arrival time (us): the packet has not come."""

TICK_US = 250
"""Unit of the deltas."""
REFERENCE_TICKS = 256
"""Ticks in a unit of the reference time, which is 64 ms."""

SMALL, LARGE, RESERVED = 1, 2, 3
"""Symbols of packets by the length of their delta in octets; 0 means not received, 3 is reserved."""

RUN_MOST = 0x1FFF
"""Most packets that a run length chunk can stand for (section 3.1.3)."""
ONE_BIT_SYMBOLS, TWO_BIT_SYMBOLS = 14, 7
"""Number of packets in a status vector chunk (section 3.1.4)."""
ONE_BIT_VECTOR, TWO_BIT_VECTOR = 0x8000, 0xC000
"""Leading bits of a status vector chunk; a run length chunk is less than either."""

HEAD = 4
"""Length of the array for what stands before the chunks; its positions follow."""
BASE_SEQUENCE, STATUS_COUNT, REFERENCE_US, FEEDBACK_COUNT = 0, 1, 2, 3

_REFERENCE_SIGN = 1 << 23


class FeedbackStatus(enum.IntEnum):
    """Why `parse_transport_feedback` refused a packet; all are the sender's fault."""

    TRUNCATED = -1
    """The header, the chunks or the deltas are cut off."""
    OTHER = -2
    """Not RTCP version 2, packet type 205, format 15."""
    NO_STATUS = -3
    """It reports on no packet."""
    TOO_MANY = -4
    """It reports on more packets than there is room for."""
    BAD_SYMBOL = -5
    """A packet has the reserved symbol 3."""


_TRUNCATED = int(FeedbackStatus.TRUNCATED)
_OTHER = int(FeedbackStatus.OTHER)
_NO_STATUS = int(FeedbackStatus.NO_STATUS)
_TOO_MANY = int(FeedbackStatus.TOO_MANY)
_BAD_SYMBOL = int(FeedbackStatus.BAD_SYMBOL)


@kernel
def parse_transport_feedback(
    buffer: Octets, start: int, end: int, head: NDArray[np.int64], arrivals: NDArray[np.int64]
) -> int:
    """Parse the RTCP packet in `buffer[start:end]`, which includes its header but not its RTCP padding.

    Returns how many packets it reports on, n > 0, or a `FeedbackStatus`, less than 0. `arrivals[k]` for k < n, n at
    most `len(arrivals)`, is when the packet with sequence number (base + k) mod 2^16 came: microseconds on the
    receiver's clock, or NOT_RECEIVED. `head[0..3]` are the base sequence number (0..65535), n, the reference time
    (us, signed; it wraps after 2^24 times 64 ms) and the feedback packet count (0..255). Where a packet is refused,
    both arrays may hold anything. Octets after the last delta are ignored: some senders pad so, without the P bit.
    """
    if end - start < FEEDBACK_HEADER_BYTES:
        return _TRUNCATED
    if i64(buffer[start]) & 0xDF != 0x80 | FEEDBACK_FORMAT or buffer[start + 1] != FEEDBACK_TYPE:
        return _OTHER
    count = load16(buffer, start + 14)
    if count == 0:
        return _NO_STATUS
    if count > len(arrivals):
        return _TOO_MANY
    at = start + FEEDBACK_HEADER_BYTES
    deltas = _skip_chunks(buffer, at, end, count)
    if deltas < 0:
        return _TRUNCATED
    reference = load32(buffer, start + 16) >> 8
    if reference & _REFERENCE_SIGN:
        reference -= 2 * _REFERENCE_SIGN
    head[BASE_SEQUENCE] = load16(buffer, start + 12)
    head[STATUS_COUNT] = count
    head[REFERENCE_US] = reference * REFERENCE_TICKS * TICK_US
    head[FEEDBACK_COUNT] = buffer[start + 19]
    return _read_arrivals(buffer, at, deltas, end, count, reference * REFERENCE_TICKS, arrivals)


@stage
def _skip_chunks(buffer: Octets, at: int, end: int, count: int) -> int:
    """Where the deltas begin: behind the chunks for `count` packets, which begin at `at`; -1 where one is cut off."""
    while count > 0:
        if at + 2 > end:
            return -1
        chunk = load16(buffer, at)
        at += 2
        if chunk < ONE_BIT_VECTOR:
            count -= chunk & RUN_MOST
        elif chunk < TWO_BIT_VECTOR:
            count -= ONE_BIT_SYMBOLS
        else:
            count -= TWO_BIT_SYMBOLS
    return at


@stage
def _read_arrivals(
    buffer: Octets, at: int, delta_at: int, end: int, count: int, ticks: int, arrivals: NDArray[np.int64]
) -> int:
    """Fill `arrivals[:count]` from whole chunks at `at` and deltas at `delta_at`; `count`, or a `FeedbackStatus`."""
    done = 0
    while done < count:
        chunk = load16(buffer, at)
        at += 2
        # the symbols are `mask` wide; the first one stands `shift` bits up, each next one `step` bits lower
        if chunk < ONE_BIT_VECTOR:
            size, shift, step, mask = chunk & RUN_MOST, 13, 0, 3
        elif chunk < TWO_BIT_VECTOR:
            size, shift, step, mask = ONE_BIT_SYMBOLS, 13, 1, 1
        else:
            size, shift, step, mask = TWO_BIT_SYMBOLS, 12, 2, 3
        stop = min(done + size, count)  # the rest of the last chunk stands for no packet
        while done < stop:
            symbol = (chunk >> shift) & mask
            shift -= step
            if symbol == 0:
                arrivals[done] = NOT_RECEIVED
            else:
                if symbol == RESERVED:
                    return _BAD_SYMBOL
                if delta_at + symbol > end:
                    return _TRUNCATED
                ticks += i64(buffer[delta_at]) if symbol == SMALL else _load_signed16(buffer, delta_at)
                delta_at += symbol
                arrivals[done] = ticks * TICK_US
            done += 1
    return count


@stage
def _load_signed16(buffer: Octets, at: int) -> int:
    return (load16(buffer, at) ^ 0x8000) - 0x8000
