"""The loss controller: how much of the loss is the path's own, and how much is ours because we send too much.

A path is modelled by the loss that it has at any rate, and by a rate beyond which all that is sent is lost. Of a few
candidates the one is taken that explains the last intervals best (maximum likelihood), with a bias towards higher
rates: so a path that loses 5 % of everything carries video, which a fixed threshold (draft-ietf-rmcat-gcc-02 section 6)
would stop. libwebrtc went that way too.
"""

from __future__ import annotations

import math
from typing import Any

from sfu.bwe.kernels.delay import end_interval
from sfu.bwe.kernels.full_path import note_full
from sfu.bwe.kernels.state import LEAST_BPS, MOST_BPS, NEVER_US, OBSERVATIONS
from sfu.wire.kernels.kernel import stage

_INTERVAL_US = 250_000
_LEAST_OBSERVATIONS = 3
_MEMORY = 0.9
"""Weight of an interval relative to the one after it."""
_STEP = 0.75
_LEAST_INHERENT = 1e-3
_MOST_INHERENT = 0.05
_BALANCE_BPS = 100_000.0
"""This over the rate is a further share of loss that is believed to be the path's own: more at low rates."""
_BIAS_PER_KBPS, _LOG_BIAS = 0.0002, 0.02
_HIGH_LOSS, _HIGH_LOSS_WIDTH = 0.2, 0.002
"""Loss at which a higher rate is no longer preferred, and the width of that transition."""
_RISE = 1.3
_RISE_WINDOW_US = 300_000
_RAMP = 1.5
_CONGESTED_LOSS = 0.02
_STANDING_MS = 10.0
"""Loss while a queue of this length stands is taken for the queue's overflow."""
_FACTORS = (1.02, 1.0, 0.95)


@stage
def add_sent(state: Any, sent_us: int, size: int, lost: bool) -> bool:
    """Take a packet whose fate is known; return whether an interval is full (`end_observation` is due)."""
    if state["observation_us"] == NEVER_US:
        state["observation_us"] = sent_us
    state["open_bytes"] += size
    if lost:
        state["open_lost_bytes"] += size
    return sent_us - state["observation_us"] >= _INTERVAL_US


@stage
def recall_loss(state: Any, size: int) -> None:
    """Take back the loss of a packet that has come late."""
    state["open_lost_bytes"] = max(0, state["open_lost_bytes"] - size)
    state["open_bytes"] = max(0, state["open_bytes"] - size)


@stage
def end_observation(state: Any, sent_us: int, limited: bool) -> None:
    """Close the interval that ends with the packet sent at `sent_us`, and choose the rate anew.

    `limited`: the application sends less than it may, so what arrives says little of the path.
    """
    elapsed = sent_us - state["observation_us"]
    if elapsed <= 0 or state["open_bytes"] <= 0:
        return
    at = state["observations"] % OBSERVATIONS
    total = state["open_bytes"]
    lost = min(state["open_lost_bytes"], total)
    state["observed_bytes"][at] = total / 1000.0
    state["observed_lost_bytes"][at] = lost / 1000.0
    state["observed_bps"][at] = total * 8e6 / elapsed
    state["observations"] += 1
    state["observation_us"] = sent_us
    state["open_bytes"] = 0
    state["open_lost_bytes"] = 0
    state["loss"] = _average_loss(state)
    end_interval(state)
    state["congested"] = 1 if lost > _CONGESTED_LOSS * total and state["standing_ms"] > _STANDING_MS else 0
    if state["observations"] >= _LEAST_OBSERVATIONS:
        _choose(state, sent_us, limited)


@stage
def _average_loss(state: Any) -> float:
    """Return the loss of the remembered intervals, without the worst and the best once there are enough."""
    count = min(state["observations"], OBSERVATIONS)
    total = 0.0
    lost = 0.0
    worst = -1.0
    best = 2.0
    worst_bytes = 0.0
    worst_lost = 0.0
    best_bytes = 0.0
    best_lost = 0.0
    for age in range(count):
        at = (state["observations"] - 1 - age) % OBSERVATIONS
        weight = _MEMORY**age
        sent = weight * state["observed_bytes"][at]
        gone = weight * state["observed_lost_bytes"][at]
        total += sent
        lost += gone
        share = gone / sent
        if share > worst:
            worst = share
            worst_bytes = sent
            worst_lost = gone
        if share < best:
            best = share
            best_bytes = sent
            best_lost = gone
    if count > 3 and total > worst_bytes + best_bytes:
        share = (lost - worst_lost - best_lost) / (total - worst_bytes - best_bytes)
        return min(max(share, 0.0), 1.0)  # sums are not exact
    return lost / total if total > 0.0 else 0.0


@stage
def _choose(state: Any, now_us: int, limited: bool) -> None:
    current = min(state["loss_bps"], state["delay_bps"])
    ceiling = MOST_BPS
    if state["loss_limited"] == 1:
        ceiling = max(current, state["loss_window_bps"])
    best_rate = current
    best_inherent = state["inherent_loss"]
    best_value = -math.inf
    for k in range(len(_FACTORS) + 2):
        if k < len(_FACTORS):
            rate = _FACTORS[k] * current
        elif k == len(_FACTORS):
            if limited or state["acked_bps"] <= 0.0:
                continue
            rate = state["acked_bps"]
        else:
            if state["delay_bps"] <= current:
                continue
            rate = state["delay_bps"]
        rate = max(min(rate, ceiling), LEAST_BPS)
        inherent = _fit_inherent(state, rate)
        value = _value(state, rate, inherent)
        if value > best_value:
            best_value = value
            best_rate = rate
            best_inherent = inherent
    if best_rate > current and state["loss"] > best_inherent:
        best_rate = current  # the loss is more than the path's own: this is no time to rise
    if state["loss_limited"] == 1 and best_rate > current and state["acked_bps"] > 0.0:
        best_rate = max(current, min(best_rate, _RAMP * state["acked_bps"]))
    _settle(state, best_rate, best_inherent, now_us)


@stage
def settle_overflow(state: Any) -> None:
    """Note that the rate was lowered for the overflow of a queue."""
    state["congested"] = 0


@stage
def bound_loss(state: Any, rate_bps: float) -> None:
    """Set the rate that losses allow, as worked out elsewhere."""
    state["loss_bps"] = max(rate_bps, LEAST_BPS)


@stage
def _settle(state: Any, rate: float, inherent: float, now_us: int) -> None:
    bounded = rate
    if state["loss"] > _MOST_INHERENT and (state["standing_ms"] > 5.0 or state["loss"] > 0.2):
        bounded = min(bounded, _BALANCE_BPS / (state["loss"] - _MOST_INHERENT))
    bounded = max(bounded, min(state["acked_bps"], state["delay_bps"]), LEAST_BPS)
    state["inherent_loss"] = inherent if bounded >= rate else _LEAST_INHERENT
    if bounded >= state["delay_bps"]:
        state["loss_limited"] = 0
        state["loss_bps"] = MOST_BPS
        return
    if state["loss_limited"] == 0 or now_us - state["loss_window_us"] > _RISE_WINDOW_US:
        state["loss_window_us"] = now_us
        state["loss_window_bps"] = bounded * _RISE
    state["loss_limited"] = 1
    state["loss_bps"] = bounded
    note_full(state, bounded, now_us)


@stage
def _most_inherent(rate: float) -> float:
    return min(1.0, _MOST_INHERENT + _BALANCE_BPS / rate)


@stage
def _loss_chance(rate: float, inherent: float, sent_bps: float) -> float:
    chance = inherent
    if sent_bps > rate:
        chance += (1.0 - inherent) * (sent_bps - rate) / sent_bps
    return min(max(chance, 1e-6), 1.0 - 1e-6)


@stage
def _fit_inherent(state: Any, rate: float) -> float:
    """Return the path's own loss at a rate, by one step of Newton's method from the loss believed so far."""
    most = _most_inherent(rate)
    inherent = min(max(state["inherent_loss"], _LEAST_INHERENT), most)
    first = 0.0
    second = 0.0
    for age in range(min(state["observations"], OBSERVATIONS)):
        at = (state["observations"] - 1 - age) % OBSERVATIONS
        chance = _loss_chance(rate, inherent, state["observed_bps"][at])
        lost = state["observed_lost_bytes"][at]
        kept = state["observed_bytes"][at] - lost
        weight = _MEMORY**age
        first += weight * (lost / chance - kept / (1.0 - chance))
        second -= weight * (lost / chance**2 + kept / (1.0 - chance) ** 2)
    if second < 0.0:
        inherent -= _STEP * first / second
    return min(max(inherent, _LEAST_INHERENT), most)


@stage
def _value(state: Any, rate: float, inherent: float) -> float:
    """Return how well a rate and an inherent loss explain the intervals, with the preference for higher rates."""
    distance = _HIGH_LOSS - state["loss"]
    preference = distance / (_HIGH_LOSS_WIDTH + abs(distance))
    liking = preference * (_BIAS_PER_KBPS * rate / 1000.0 + _LOG_BIAS * math.log(1.0 + rate / 1000.0))
    value = 0.0
    for age in range(min(state["observations"], OBSERVATIONS)):
        at = (state["observations"] - 1 - age) % OBSERVATIONS
        chance = _loss_chance(rate, inherent, state["observed_bps"][at])
        lost = state["observed_lost_bytes"][at]
        sent = state["observed_bytes"][at]
        explained = lost * math.log(chance) + (sent - lost) * math.log(1.0 - chance)
        value += _MEMORY**age * (explained + liking * sent)
    return value
