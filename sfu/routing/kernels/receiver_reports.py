"""What receivers report of what they get from us (RFC 3550 section 6.4.1): it stays in the subscriptions' rows.

The control side reads it there, and gets a receiver report only where it decides something by it.
"""

from __future__ import annotations

from typing import Any

from sfu.routing.kernels.allowances import REPORT_BLOCKS, take_allowance
from sfu.routing.kernels.counters import Counter
from sfu.routing.kernels.tables import Tables
from sfu.wire.kernels.kernel import i64, kernel, stage
from sfu.wire.kernels.octets import Octets, load24, load32
from sfu.wire.kernels.rtcp_build import BLOCK_BYTES

LEAST_REPEAT_MS = 20
"""Least time between two repeats of a packet, however short the round trip seems."""
MOST_UNREAD = 3.0
"""The measure of unreadable feedback at which it is given up: about two messages in five."""
FIRST_FEEDBACK_US = 1_000_000
"""Microseconds after the first packet by which feedback must have come, once receiver reports come."""

_OVER_RATE = int(Counter.DROP_RTCP_RATE)
_MOST_REPEAT_MS = 10_000
_SIGN = 0x800000


@stage
def begin_reception(entry: Any) -> None:
    """Begin a fresh subscription, whose receiver has reported nothing."""
    entry["lost_256"] = 0
    entry["packets_lost"] = 0
    entry["jitter"] = 0
    entry["round_trip_us"] = -1
    entry["repeat_interval_ms"] = LEAST_REPEAT_MS


@stage
def find_subscription(tables: Tables, connection: int, ssrc: int) -> int:
    """The connection's subscription that goes out as `ssrc`; -1: none does."""
    subscription = i64(tables.connections[connection]["first_subscription"])
    while subscription >= 0:
        if tables.subscriptions[subscription]["ssrc"] == ssrc:
            return subscription
        subscription = i64(tables.subscriptions[subscription]["sibling"])
    return -1


@stage
def _take_block(entry: Any, octets: Octets, at: int, now_us: int) -> None:
    """Take the block at `at`; a nonsensical round trip is ignored."""
    entry["lost_256"] = octets[at + 4]
    lost = load24(octets, at + 5)
    entry["packets_lost"] = lost - 2 * _SIGN if lost >= _SIGN else lost
    entry["jitter"] = load32(octets, at + 12)
    last = load32(octets, at + 16)
    if entry["reported"] == 0 or last == 0 or last != entry["report_ntp"]:
        return
    delay_us = (load32(octets, at + 20) * 1_000_000) >> 16
    round_trip_us = now_us - i64(entry["report_us"]) - delay_us
    if round_trip_us >= 0:
        entry["round_trip_us"] = round_trip_us
        entry["repeat_interval_ms"] = min(max((round_trip_us + 500) // 1000, LEAST_REPEAT_MS), _MOST_REPEAT_MS)


@kernel
def take_blocks(tables: Tables, connection: int, octets: Octets, at: int, count: int, now_us: int) -> None:
    """Take `count` report blocks, all within `octets`, from `at` on. What is beyond the connection's allowance is
    counted and not looked at, since each is looked for among all its subscriptions.
    """
    for k in range(count):
        if not take_allowance(tables, connection, REPORT_BLOCKS, now_us):
            tables.counters[_OVER_RATE] += 1
            return
        block = at + k * BLOCK_BYTES
        subscription = find_subscription(tables, connection, load32(octets, block))
        if subscription >= 0:
            _take_block(tables.subscriptions[subscription], octets, block, now_us)


@stage
def decides_by_reports(tables: Tables, connection: int, now_us: int) -> bool:
    """Whether the control side decides by receiver reports: where a client tells of no more than rates, or where its
    transport-wide feedback is silent or cannot be read, so that it is given up (session/client_feedback.py).
    """
    controlled = tables.connections[connection]["controlled"]
    if controlled != 1:
        return controlled == 2
    state = tables.estimators[connection]
    since_us = i64(state["unanswered_us"])
    silent = state["feedbacks"] == 0 and since_us > 0 and now_us - since_us > FIRST_FEEDBACK_US
    return silent or state["unread"] >= MOST_UNREAD
