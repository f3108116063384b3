"""How much arrives: bytes of the groups in a window, by the slower of the sender's and the receiver's clock."""

from __future__ import annotations

from typing import Any

from sfu.bwe.kernels.state import GROUPS
from sfu.wire.kernels.kernel import stage

_WINDOW_US = 500_000
_UNTIMED_WINDOW_US = 1_000_000
"""Where both ends of it may be off by some 60 ms."""
_PEAK_US = 80_000
_RECENT_US = 150_000
_LEAST_US = 100_000
"""A shorter time of arrivals says nothing."""


@stage
def measure_peak(state: Any) -> float:
    """Return the largest throughput, in bps, over any `_PEAK_US` of the last half second; 0 if unknown.

    While a queue stands, this is what the path carries, even if there was nothing to send before and after.
    """
    newest = state["groups"] - 1
    peak = 0.0
    last = newest
    while last > 2 and newest - last < GROUPS // 2:
        end = last % GROUPS
        if state["group_arrival_us"][newest % GROUPS] - state["group_arrival_us"][end] > _WINDOW_US:
            break
        first = last
        while first > 1 and newest - first < GROUPS - 2:
            first -= 1
            start = first % GROUPS
            arrived = state["group_arrival_us"][end] - state["group_arrival_us"][start]
            sent = state["group_sent_us"][end] - state["group_sent_us"][start]
            if arrived >= _PEAK_US:
                bits = (state["group_bytes"][end] - state["group_bytes"][start]) * 8e6
                peak = max(peak, bits / max(arrived, sent))
                break
        last -= 1
    return peak


@stage
def measure_recent(state: Any, sending_bps: float) -> float:
    """Return how much of `sending_bps` gets through: the larger of the latest throughput and the half second's share.

    The latest throughput alone would say that little gets through of a flow that had little to send.
    """
    newest = state["groups"] - 1
    end = newest % GROUPS
    passed = 0.0
    part = 0.0
    first = newest
    while first > 1 and newest - first < GROUPS - 2:
        first -= 1
        start = first % GROUPS
        arrived = state["group_arrival_us"][end] - state["group_arrival_us"][start]
        if passed == 0.0 and arrived >= _RECENT_US:
            passed = (state["group_bytes"][end] - state["group_bytes"][start]) * 8e6 / arrived
        if arrived >= _WINDOW_US:
            part = min((state["group_sent_us"][end] - state["group_sent_us"][start]) / arrived, 1.0)
            break
    return max(passed, part * sending_bps) if passed > 0.0 else state["acked_bps"]


@stage
def measure_throughput(state: Any) -> None:
    """Set `acked_bps`, `sent_bps` and `acked_since_us` from the groups of the last half second."""
    newest = state["groups"] - 1  # the newest closed one
    if newest < 2:
        return
    at = newest % GROUPS
    arrival = state["group_arrival_us"][at]
    window = _UNTIMED_WINDOW_US if state["untimed"] == 1 else _WINDOW_US
    oldest = newest
    while oldest > 1 and newest - oldest < GROUPS - 2:
        if arrival - state["group_arrival_us"][(oldest - 1) % GROUPS] > window:
            break
        oldest -= 1
    start = oldest % GROUPS
    arrived = arrival - state["group_arrival_us"][start]
    sent = state["group_sent_us"][at] - state["group_sent_us"][start]
    if arrived < _LEAST_US or sent <= 0:
        return
    bits = (state["group_bytes"][at] - state["group_bytes"][start]) * 8e6
    state["acked_since_us"] = state["group_sent_us"][start]
    state["sent_bps"] = bits / sent
    state["acked_bps"] = bits / max(arrived, sent)
