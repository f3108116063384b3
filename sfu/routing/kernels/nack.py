"""Generic NACKs (RFC 4585 section 6.2.1) of subscribers, answered in the plane: they never reach the control side.

Answering 3,000 of them a second, at 3.8 Mbit/s, kept Python so busy that other clients were closed for want of consent.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfu.routing.kernels.allowances import NACK_ENTRIES, take_allowance
from sfu.routing.kernels.counters import Counter
from sfu.routing.kernels.messages import Buffers
from sfu.routing.kernels.notices import push_missed
from sfu.routing.kernels.receiver_reports import find_subscription
from sfu.routing.kernels.repeat import MISSED, repeat_packet
from sfu.routing.kernels.tables import Tables
from sfu.wire.kernels.kernel import i64, kernel, stage
from sfu.wire.kernels.octets import load16, load32

_OVER_RATE = int(Counter.DROP_NACK_RATE)
_MASK_BITS = 16
"""Number of packets that one entry may name besides its first."""
_FIXED_BYTES = 12
_MISSED_US = 100_000
"""Least time between two notices that the history no longer has what was asked for: a key frame is all that helps."""


@stage
def _answer_entry(
    tables: Tables, buffers: Buffers, subscription: int, first: int, mask: int, socket: int, now_us: int
) -> int:
    """Send packets again: egress number `first`, and first + 1 + k for each bit k of `mask`; return how many are gone
    from the history.
    """
    entry = tables.subscriptions[subscription]
    interval_ms = i64(entry["repeat_interval_ms"])
    missed = 0
    for k in range(_MASK_BITS + 1):
        if k == 0 or (mask >> (k - 1)) & 1:
            entry["nacks"] += 1
            sequence = (first + k) & 0xFFFF
            if repeat_packet(tables, buffers, subscription, sequence, interval_ms, socket, now_us) == MISSED:
                missed += 1
    return missed


@kernel
def answer_nack(
    tables: Tables,
    buffers: Buffers,
    notice_index: NDArray[np.int64],
    notices: NDArray[Any],
    connection: int,
    start: int,
    end: int,
    socket: int,
    now_us: int,
) -> bool:
    """Answer the NACK in `received[start:end]`, without its padding; False: it is malformed.

    What is asked for beyond the connection's allowance is counted and not looked at.
    """
    received = buffers.received
    entries = (end - start - _FIXED_BYTES) // 4
    if entries < 1 or (end - start) % 4 != 0:
        return False
    if not take_allowance(tables, connection, NACK_ENTRIES, now_us):
        tables.counters[_OVER_RATE] += entries
        return True
    subscription = find_subscription(tables, connection, load32(received, start + 8))
    if subscription < 0:
        return True  # of a Subscription that has ended
    missed = 0
    for k in range(entries):
        if k > 0 and not take_allowance(tables, connection, NACK_ENTRIES, now_us):
            tables.counters[_OVER_RATE] += entries - k
            break
        at = start + _FIXED_BYTES + 4 * k
        first, mask = load16(received, at), load16(received, at + 2)
        missed += _answer_entry(tables, buffers, subscription, first, mask, socket, now_us)
    entry = tables.subscriptions[subscription]
    if missed > 0 and now_us - entry["missed_us"] >= _MISSED_US:
        entry["missed_us"] = now_us
        push_missed(tables, buffers, notice_index, notices, subscription)
    return True
