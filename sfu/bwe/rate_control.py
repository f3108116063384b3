"""The delay-based rate: additive or multiplicative increase, multiplicative decrease (draft-ietf-rmcat-gcc-02)."""

from __future__ import annotations

import math
from typing import Any

from sfu.bwe.state import DECREASE, HOLD, INCREASE, LEAST_BPS, MOST_BPS, NEVER_US, NORMAL, OVERUSED
from sfu.bwe.throughput import measure_peak
from sfu.wire.kernel import stage

_BACK_OFF = 0.85
_RECOVER = 0.95
_EMPTY_MS = 15.0
_PER_SECOND = 1.08
_RESPONSE_US = 100_000.0
_FRAMES_PER_S = 30.0
_PACKET_BITS = 9_600.0
_LEAST_RISE_BPS = 4_000.0
_SMOOTHING = 0.05
_LEAST_PAUSE_US, _MOST_PAUSE_US = 10_000.0, 200_000.0
"""Two decreases are a round trip apart, within these bounds."""


@stage
def update_rate(state: Any, now_us: int) -> None:
    """Move `delay_bps` by what the trend says now."""
    usage = state["usage"]
    if usage == OVERUSED or state["congested"] == 1:
        state["congested"] = 0
        if _may_decrease(state, now_us):
            _decrease(state, now_us)
        return
    if usage == NORMAL:
        if state["phase"] != INCREASE:
            state["phase"] = INCREASE
            state["changed_us"] = now_us
        _recover(state)
        _increase(state, now_us)
    else:  # the queue empties: let it
        state["phase"] = HOLD
    state["changed_us"] = now_us


@stage
def _may_decrease(state: Any, now_us: int) -> bool:
    if state["phase"] != DECREASE and state["decreased_us"] == NEVER_US:
        return True
    pause = min(max(state["round_trip_us"], _LEAST_PAUSE_US), _MOST_PAUSE_US)
    return now_us - state["decreased_us"] >= pause or 0.0 < state["acked_bps"] < 0.5 * state["delay_bps"]


@stage
def _decrease(state: Any, now_us: int) -> None:
    """Go below what gets through, so that the queue empties."""
    acked = max(state["acked_bps"], measure_peak(state))
    if acked > 0.0:
        lower = _BACK_OFF * acked
        if lower > state["delay_bps"] and state["capacity_bps"] > 0.0:
            lower = _BACK_OFF * state["capacity_bps"]
        if acked < _upper_bound(state) and acked < _lower_bound(state):
            state["capacity_bps"] = 0.0
        _learn_capacity(state, acked)
        state["recover_bps"] = min(_RECOVER * acked, state["delay_bps"])
    else:
        state["recover_bps"] = 0.0
        lower = _BACK_OFF * state["delay_bps"]
    state["delay_bps"] = max(min(lower, state["delay_bps"]), LEAST_BPS)
    state["phase"] = DECREASE
    state["changed_us"] = now_us
    state["decreased_us"] = now_us


@stage
def _recover(state: Any) -> None:
    """The decrease was to empty the queue. That is done: go on just below what got through then."""
    if state["recover_bps"] > 0.0 and state["queue_ms"] < _EMPTY_MS:
        state["delay_bps"] = max(state["delay_bps"], state["recover_bps"])
        state["recover_bps"] = 0.0


@stage
def _increase(state: Any, now_us: int) -> None:
    elapsed = min(max(now_us - state["changed_us"], 0), 1_000_000) / 1e6
    rate = state["delay_bps"]
    acked = state["acked_bps"]
    if acked > _upper_bound(state):
        state["capacity_bps"] = 0.0
    if state["capacity_bps"] > 0.0:
        frame_bits = rate / _FRAMES_PER_S
        packet_bits = frame_bits / math.ceil(frame_bits / _PACKET_BITS)
        response_s = (state["round_trip_us"] + _RESPONSE_US) / 1e6
        raised = rate + max(packet_bits / response_s, _LEAST_RISE_BPS) * elapsed
    else:
        raised = rate + max(rate * (_PER_SECOND**elapsed - 1.0), 1_000.0 * elapsed)
    if acked > 0.0:  # what was never tried is not known to be there
        raised = min(raised, 1.5 * acked + 10_000.0)
    raised = min(raised, state["limit_bps"], MOST_BPS)
    state["delay_bps"] = max(rate, raised)


@stage
def _upper_bound(state: Any) -> float:
    if state["capacity_bps"] <= 0.0:
        return MOST_BPS
    return state["capacity_bps"] + 3.0 * _deviation(state)


@stage
def _lower_bound(state: Any) -> float:
    if state["capacity_bps"] <= 0.0:
        return 0.0
    return max(0.0, state["capacity_bps"] - 3.0 * _deviation(state))


@stage
def _deviation(state: Any) -> float:
    return math.sqrt(state["capacity_deviation"] * state["capacity_bps"] / 1000.0) * 1000.0


@stage
def _learn_capacity(state: Any, sample: float) -> None:
    """The throughput at which a queue built up is about the capacity."""
    if state["capacity_bps"] <= 0.0:
        state["capacity_bps"] = sample
        return
    state["capacity_bps"] += _SMOOTHING * (sample - state["capacity_bps"])
    error = (state["capacity_bps"] - sample) / 1000.0
    scale = max(state["capacity_bps"] / 1000.0, 1.0)
    spread = (1.0 - _SMOOTHING) * state["capacity_deviation"] + _SMOOTHING * error * error / scale
    state["capacity_deviation"] = min(max(spread, 0.4), 2.5)


@stage
def raise_to(state: Any, rate_bps: float, now_us: int) -> None:
    """A probe has shown that the path carries so much."""
    if rate_bps > state["delay_bps"]:
        state["delay_bps"] = min(rate_bps, state["limit_bps"], MOST_BPS)
        state["changed_us"] = now_us
        if rate_bps > state["capacity_bps"]:
            state["capacity_bps"] = 0.0
