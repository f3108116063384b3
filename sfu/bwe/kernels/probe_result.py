"""What a probe shows: how much of it arrives, and how spread out."""

from __future__ import annotations

from typing import Any

from sfu.bwe.kernels.state import CLUSTERS, FAR_US, START_BPS
from sfu.wire.kernels.kernel import i64, stage

PROBE_PACKETS = 5
"""A probe has so many at least."""
_SHARE = 0.8
"""Of a probe's packets and bytes must have arrived for a result."""
_MOST_SPREAD = 2.0
_FRAME_US = 2_000
"""So long any packet may wait behind a frame of our own."""
_LEAST_US, _MOST_US = 1_000, 1_000_000
_EXCEEDED = 0.9
_BACK_OFF = 0.95
_UNKNOWN = 2.0
"""Where no times show how fast it came, so many times what gets through is believed."""

_FADE = 0.7
"""Weight of what earlier probes have shown beside the result of a new one."""


@stage
def begin_cluster(state: Any) -> None:
    """The probe with the name `probe` is about to be sent: nothing of it has arrived."""
    at = state["probe"] % CLUSTERS
    state["cluster_probe"][at] = state["probe"]
    state["cluster_bps"][at] = state["probe_bps"]
    state["cluster_least_bytes"][at] = i64(_SHARE * state["probe_bytes"])
    state["cluster_sent_packets"][at] = 0
    state["cluster_packets"][at] = 0
    state["cluster_bytes"][at] = 0
    state["cluster_spread_us"][at] = 0
    state["cluster_spread_bytes"][at] = 0


@stage
def count_sent(state: Any) -> int:
    """A packet of the probe `probe` is sent; return how many are by now."""
    at = state["probe"] % CLUSTERS
    state["cluster_sent_packets"][at] += 1
    return i64(state["cluster_sent_packets"][at])


@stage
def add_probe_arrival(state: Any, probe: int, sent_us: int, arrival_us: int, size: int) -> float:
    """Take a packet of a probe that has arrived; return the rate that the probe has shown by now, 0: none."""
    at = probe % CLUSTERS
    if state["cluster_probe"][at] != probe:
        return 0.0
    if state["cluster_packets"][at] == 0:
        state["cluster_first_sent_us"][at] = sent_us
        state["cluster_last_sent_us"][at] = sent_us
        state["cluster_last_bytes"][at] = size
        state["cluster_first_arrival_us"][at] = arrival_us
        state["cluster_first_bytes"][at] = size
        state["cluster_last_arrival_us"][at] = arrival_us
        _begin_part(state, at, arrival_us)
    elif state["cluster_feedback"][at] != state["feedbacks"]:
        _begin_part(state, at, arrival_us)
    else:
        state["cluster_spread_us"][at] += max(arrival_us - state["cluster_told_us"][at], 0)
        state["cluster_spread_bytes"][at] += size
        state["cluster_told_us"][at] = max(state["cluster_told_us"][at], arrival_us)
    state["cluster_packets"][at] += 1
    state["cluster_bytes"][at] += size
    if sent_us < state["cluster_first_sent_us"][at]:
        state["cluster_first_sent_us"][at] = sent_us
    if sent_us > state["cluster_last_sent_us"][at]:
        state["cluster_last_sent_us"][at] = sent_us
        state["cluster_last_bytes"][at] = size
    if arrival_us < state["cluster_first_arrival_us"][at]:
        state["cluster_first_arrival_us"][at] = arrival_us
        state["cluster_first_bytes"][at] = size
    state["cluster_last_arrival_us"][at] = max(state["cluster_last_arrival_us"][at], arrival_us)
    return _result(state, at)


@stage
def _begin_part(state: Any, at: int, arrival_us: int) -> None:
    """The first packet of a probe that a feedback tells of."""
    state["cluster_feedback"][at] = state["feedbacks"]
    state["cluster_told_us"][at] = arrival_us


@stage
def _result(state: Any, at: int) -> float:
    if state["cluster_packets"][at] < PROBE_PACKETS * _SHARE:
        return 0.0
    if state["cluster_bytes"][at] < state["cluster_least_bytes"][at]:
        return 0.0
    sending = state["cluster_last_sent_us"][at] - state["cluster_first_sent_us"][at]
    if not _LEAST_US <= sending <= _MOST_US:
        return 0.0
    sent_bps = (state["cluster_bytes"][at] - state["cluster_last_bytes"][at]) * 8e6 / sending
    if state["untimed"] == 1:
        arriving = state["cluster_spread_us"][at]
        bits = state["cluster_spread_bytes"][at] * 8e6
        if arriving < _LEAST_US or bits > _MOST_SPREAD * sent_bps * arriving:
            state["probe_slowed"] = 0
            return min(sent_bps, _UNKNOWN * max(state["acked_bps"], START_BPS))
    else:
        first = state["cluster_first_arrival_us"][at]
        base = min(state["least_us"], state["least_before_us"])
        if base < FAR_US:  # a first packet that was late would make the others seem fast
            first = min(first, state["cluster_first_sent_us"][at] + base + _FRAME_US)
        arriving = state["cluster_last_arrival_us"][at] - first
        bits = (state["cluster_bytes"][at] - state["cluster_first_bytes"][at]) * 8e6
    if not _LEAST_US <= arriving <= _MOST_US:
        return 0.0
    arrived_bps = bits / arriving
    if arrived_bps > _MOST_SPREAD * sent_bps:
        return 0.0  # they were held back and came in one go: no measure of the path
    state["probe_slowed"] = 1 if arrived_bps < _EXCEEDED * sent_bps else 0
    if arrived_bps < _EXCEEDED * sent_bps:
        return _BACK_OFF * arrived_bps
    return min(sent_bps, arrived_bps)


@stage
def note_shown(state: Any, rate_bps: float) -> None:
    """Note that a probe has got through at this rate, whether or not that lasts."""
    state["shown_bps"] = max(rate_bps, _FADE * state["shown_bps"])


@stage
def share_of_shown(state: Any) -> float:
    """Return our throughput as a share of what probes have shown (0..1)."""
    if state["shown_bps"] <= 0.0:
        return 1.0
    return min(state["acked_bps"] / state["shown_bps"], 1.0)
