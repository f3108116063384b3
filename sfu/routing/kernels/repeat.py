"""Retransmission to subscribers: a packet that was sent goes out again by RTX (RFC 4588), as it was numbered then.

To who takes no RTX the very packet goes out again, see sealed.py.
"""

from __future__ import annotations

from typing import Any

from sfu.routing.kernels.counters import Counter
from sfu.routing.kernels.history import TAKEN, WAITING
from sfu.routing.kernels.messages import Buffers
from sfu.routing.kernels.pacing import REPEATS, must_wait, queue_packet
from sfu.routing.kernels.release import send_logged
from sfu.routing.kernels.rewrite import count_repeat
from sfu.routing.kernels.sealed import is_sealed, is_whole, send_sealed
from sfu.routing.kernels.subscription_columns import LOGGED_PACKETS
from sfu.routing.kernels.tables import Tables
from sfu.wire.kernels.kernel import i64, stage

REPEATED, UNKNOWN, REFUSED, MISSED = 0, 1, 2, 3
"""Outcomes; UNKNOWN: never sent, still waiting, or so long ago that the log has forgotten it."""

_BYTES_PER_S = 250_000
_BURST_BYTES = 125_000
"""A subscription's budget for repeats: asking costs a client nothing, answering costs its link."""

_SHARE = 0.15
"""Share of a connection's estimate for all its repeats: on a path that overflows, more of them cause the next
overflow."""
_LEAST_BURST_BYTES = 10_000
_MOST_COUNTED = 7

_REPEATED = int(Counter.REPEATED_PACKETS)
_REFUSED = int(Counter.REPEAT_REFUSED)
_MISSED = int(Counter.REPEAT_MISSED)


@stage
def _take_tokens(entry: Any, rate: int, burst: int, size: int, now_us: int) -> bool:
    gained = (now_us - entry["repair_refill_us"]) * rate // 1000000
    if gained > 0:
        entry["repair_tokens"] = min(entry["repair_tokens"] + gained, burst)
        entry["repair_refill_us"] = now_us
    if entry["repair_tokens"] < size:
        return False
    entry["repair_tokens"] -= size
    return True


@stage
def _may_repeat(tables: Tables, subscription: int, size: int, now_us: int) -> bool:
    """Whether the subscription's budget for repeats, and the share of its connection's estimate, allow one more."""
    entry = tables.subscriptions[subscription]
    receiver = tables.connections[entry["connection"]]
    if receiver["controlled"] == 1:
        share = i64(_SHARE * tables.estimators[entry["connection"]]["estimate_bps"] / 8.0)
        if not _take_tokens(receiver, share, max(share // 2, _LEAST_BURST_BYTES), size, now_us):
            return False
    return _take_tokens(entry, _BYTES_PER_S, _BURST_BYTES, size, now_us)


@stage
def _is_soon(tables: Tables, subscription: int, sent: Any, interval_ms: int, now_ms: int) -> bool:
    """Whether a packet was sent again so short a time ago that this repeat may still be on its way.

    Each further one has to wait twice as long: some receivers (Pion) never learn that what they asked for came by RTX,
    and ask for all of it ten times a second, which took the budget from what was lost just now.
    """
    if sent["repeats"] == 0:
        return False
    connection = i64(tables.subscriptions[subscription]["connection"])
    if tables.connections[connection]["controlled"] == 1:
        interval_ms = max(interval_ms, i64(tables.estimators[connection]["round_trip_us"] / 1000.0))
    return (now_ms - i64(sent["repeated_ms"])) & 0xFFFFFFFF < interval_ms << (i64(sent["repeats"]) - 1)


@stage
def _note_repeat(sent: Any, now_ms: int) -> None:
    sent["repeated_ms"] = now_ms
    if sent["repeats"] < _MOST_COUNTED:  # more would double the wait without end
        sent["repeats"] += 1


@stage
def _resend_packet(
    tables: Tables, buffers: Buffers, subscription: int, sequence: int, interval_ms: int, socket: int, now_us: int
) -> int:
    """`repeat_packet` for a subscription without RTX."""
    if not is_sealed(tables, subscription, sequence):
        return UNKNOWN
    entry = tables.subscriptions[subscription]
    if not is_whole(tables, subscription, sequence):
        tables.counters[_MISSED] += 1
        entry["not_repeated"] += 1
        return MISSED
    kept = tables.sealed[entry["sealed"] - 1, sequence % LOGGED_PACKETS]
    now_ms = now_us // 1000 & 0xFFFFFFFF
    soon = _is_soon(tables, subscription, kept, interval_ms, now_ms)
    if soon or not _may_repeat(tables, subscription, i64(kept["bytes"]), now_us):
        tables.counters[_REFUSED] += 1
        entry["not_repeated"] += 1
        return REFUSED
    _note_repeat(kept, now_ms)
    connection = i64(entry["connection"])
    if must_wait(tables, connection, REPEATS, now_us):
        queue_packet(tables, connection, REPEATS, subscription, sequence, i64(kept["bytes"]), now_us)
    elif not send_sealed(tables, buffers, subscription, sequence, socket, now_us):
        return UNKNOWN
    tables.counters[_REPEATED] += 1
    count_repeat(entry)
    return REPEATED


@stage
def repeat_packet(
    tables: Tables, buffers: Buffers, subscription: int, sequence: int, interval_ms: int, socket: int, now_us: int
) -> int:
    """Send the packet with egress number `sequence` again, unless that was done in the last `interval_ms`."""
    entry = tables.subscriptions[subscription]
    receiver = tables.connections[entry["connection"]]
    session = receiver["send_srtp"]
    if session == 0 or receiver["address_bytes"] == 0:
        return UNKNOWN
    if entry["sealed"] > 0:
        return _resend_packet(tables, buffers, subscription, sequence, interval_ms, socket, now_us)
    if entry["log"] < 0 or entry["repair_type"] == 0:
        return UNKNOWN
    sent = tables.logs[entry["log"], sequence % LOGGED_PACKETS]
    if i64(sent["flags"]) & (TAKEN | WAITING) != TAKEN or i64(sent["sequence"]) != sequence:
        return UNKNOWN
    position = sent["history"]
    slots = len(tables.history_packets)
    if position < tables.history_written[0] - slots:
        tables.counters[_MISSED] += 1
        entry["not_repeated"] += 1
        return MISSED
    slot = position % slots
    now_ms = now_us // 1000 & 0xFFFFFFFF
    size = i64(tables.history_packets[slot]["payload_bytes"])
    soon = _is_soon(tables, subscription, sent, interval_ms, now_ms)
    if soon or not _may_repeat(tables, subscription, size, now_us):
        tables.counters[_REFUSED] += 1
        entry["not_repeated"] += 1
        return REFUSED
    _note_repeat(sent, now_ms)
    connection = i64(entry["connection"])
    if must_wait(tables, connection, REPEATS, now_us):
        queue_packet(tables, connection, REPEATS, subscription, sequence, size, now_us)
    elif not send_logged(tables, buffers, subscription, sequence, True, socket, now_us):
        return UNKNOWN
    tables.counters[_REPEATED] += 1
    count_repeat(entry)
    return REPEATED
