"""The capacity that was seen when it was reached, and how far that may be off."""

from __future__ import annotations

import math
from typing import Any

from sfu.bwe.kernels.state import MOST_BPS
from sfu.wire.kernels.kernel import stage

_SMOOTHING = 0.05


@stage
def upper_bound(state: Any) -> float:
    """Return three deviations above the learned capacity, in bps."""
    if state["capacity_bps"] <= 0.0:
        return MOST_BPS
    return state["capacity_bps"] + 3.0 * deviation(state)


@stage
def lower_bound(state: Any) -> float:
    """Return three deviations below the learned capacity, in bps."""
    if state["capacity_bps"] <= 0.0:
        return 0.0
    return max(0.0, state["capacity_bps"] - 3.0 * deviation(state))


@stage
def deviation(state: Any) -> float:
    """Return how far the samples of the capacity scatter, in bps."""
    return math.sqrt(state["capacity_deviation"] * state["capacity_bps"] / 1000.0) * 1000.0


@stage
def forget_capacity(state: Any) -> None:
    """Forget the capacity: the link is another one than was learned."""
    state["capacity_bps"] = 0.0


@stage
def learn_capacity(state: Any, sample: float) -> None:
    """Take a sample of the capacity in bps: the throughput at which a queue built up."""
    if state["capacity_bps"] <= 0.0:
        state["capacity_bps"] = sample
        return
    state["capacity_bps"] += _SMOOTHING * (sample - state["capacity_bps"])
    error = (state["capacity_bps"] - sample) / 1000.0
    scale = max(state["capacity_bps"] / 1000.0, 1.0)
    spread = (1.0 - _SMOOTHING) * state["capacity_deviation"] + _SMOOTHING * error * error / scale
    state["capacity_deviation"] = min(max(spread, 0.4), 2.5)
