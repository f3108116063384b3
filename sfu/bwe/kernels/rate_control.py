"""The delay-based rate: additive or multiplicative increase, multiplicative decrease (draft-ietf-rmcat-gcc-02)."""

from __future__ import annotations

from typing import Any

from sfu.bwe.kernels.capacity import forget_capacity, learn_capacity, lower_bound, upper_bound
from sfu.bwe.kernels.delay import queue_to_heed
from sfu.bwe.kernels.full_path import note_decrease, refute_full
from sfu.bwe.kernels.loss import settle_overflow
from sfu.bwe.kernels.probe_result import share_of_shown
from sfu.bwe.kernels.state import DECREASE, HOLD, INCREASE, LEAST_BPS, MOST_BPS, NEVER_US, NORMAL, OVERUSED
from sfu.bwe.kernels.tcp_competition import (
    EMPTY_MS,
    STANDING_MS,
    begin_tcp_competition,
    competes_with_tcp,
    fair_rate,
    is_vain,
    must_brake,
    watch_tcp_competition,
)
from sfu.bwe.kernels.throughput import measure_peak, measure_recent
from sfu.wire.kernels.kernel import stage

_RECOVER = 0.95
"""Once a queue is empty, this share of what got through while it stood is sent again."""
_YIELD, _YIELD_MS = 0.03, 30.0
"""Largest decrease for a queue that only begins, reached at that length: it may be no more than a key frame."""
_FILLED = 0.9
"""A flow that gets through this share of its estimate gives way even so: thus flows come to share a link."""
_SHORT_MS = 10.0
"""While no packet waits longer than this, a rising trend only ends the rise."""
_LONG_MS = 50.0
"""A longer queue is emptied: the rate becomes what just got through, less the queue's length over `_DRAIN_MS`."""
_DRAIN_MS = 500.0
_COLLAPSED, _COLLAPSED_MS, _COLLAPSED_US = 0.7, 120.0, 2_000_000
"""Share of the half second's rate, and queue, beyond which no trend is needed; not so soon after a decrease."""
_FULL_MS = 300.0
"""For a queue of this length all give way."""
_MOST_BACK_OFF = 0.3
_CONTESTED = 0.75
"""Factor by which an overflow lowers the rate while somebody else keeps the queue filled."""
_OVERFLOW_US = 1_000_000
"""Losses within this time belong to one overflow."""

_PER_SECOND = 1.08
_NEAR = 0.9
"""Above this share of the learned capacity the rise is additive."""
_APPROACH = 0.3
"""Below that, this share of what is lacking is added in each second, besides."""
_RISE_BPS, _SMALL_RISE, _LARGE_RISE = 50_000.0, 0.15, 0.01
"""Additive rise in a second, equal for all flows, and its bounds as shares of the rate: the most and the least."""
_LEAST_RISE_BPS = 4_000.0
_LATE = 1.0
"""How much faster, at most, a flow rises that gets through less than probes have shown: it shares a link with others
and has less of it than they, or the link has grown."""
_RAISE, _RAISE_BPS = 1.2, 150_000.0
_CALM_US = 30_000_000
"""Within this time after a decrease a probe raises the rate by no more than `_RAISE` and `_RAISE_BPS` allow: it may
have met a pause of the others."""
_SPARE, _SPARE_BPS = 0.5, 80_000.0
"""Nor by more than this share of what a probe has shown beyond our rate, or this much if it is there: among flows that
fill a link, each sees more than is there, and the largest flow sees the most."""
_SHOWN = 0.85
"""Share of a throughput above the estimate that counts: a half second's rate varies."""
_TRIED = 1.15
"""Beyond what got through when the path was full, so many times what gets through now is taken to be there at most:
who sends little for long would come to believe in any rate, and try the next larger picture on it.
"""
_LEAST_PAUSE_US, _MOST_PAUSE_US = 10_000.0, 200_000.0
"""Bounds of the time between two decreases, which is a round trip."""


@stage
def update_rate(state: Any, limited: bool, now_us: int) -> None:
    """Update `delay_bps` by the current trend. `limited`: far less is sent than is allowed."""
    refute_full(state)
    usage = state["usage"]
    if watch_tcp_competition(state, now_us):
        state["decreased_us"] = NEVER_US
    if competes_with_tcp(state):
        usage = NORMAL  # the queue is not ours
    elif _collapses(state, now_us):
        usage = OVERUSED
    if usage == OVERUSED and state["congested"] == 0 and queue_to_heed(state) < _SHORT_MS:
        state["phase"] = HOLD  # a burst, no queue that has to be given way to
        state["changed_us"] = now_us
        return
    if usage == OVERUSED or state["congested"] == 1 or must_brake(state, now_us):
        if _may_decrease(state, now_us):
            _decrease(state, limited, now_us)
        settle_overflow(state)
        return
    if begin_tcp_competition(state, now_us):
        state["delay_bps"] = max(state["delay_bps"], min(fair_rate(state, now_us), state["limit_bps"]))
        state["recover_bps"] = 0.0
    if usage == NORMAL:
        if state["phase"] != INCREASE:
            state["phase"] = INCREASE
            state["changed_us"] = now_us
        _recover(state)
        _increase(state, now_us)
    else:  # the queue empties: let it
        state["phase"] = HOLD
        if state["standing_ms"] < EMPTY_MS:  # the trend looks back further than the queue does
            _recover(state)
    state["changed_us"] = now_us


@stage
def _collapses(state: Any, now_us: int) -> bool:
    """Whether the path has lost a good part of its capacity at a stroke: the trend sees that half a second later.

    Once given way to, it is for the trend and the brakes to say how it goes on, and whether the queue is ours at all.
    """
    if state["decreased_us"] != NEVER_US and now_us - state["decreased_us"] < _COLLAPSED_US:
        return False
    return state["queue_ms"] > _COLLAPSED_MS and state["acked_bps"] < _COLLAPSED * state["sent_bps"]


@stage
def _may_decrease(state: Any, now_us: int) -> bool:
    if state["phase"] != DECREASE and state["decreased_us"] == NEVER_US:
        return True
    if competes_with_tcp(state):
        return now_us - state["decreased_us"] >= _OVERFLOW_US
    pause = min(max(state["round_trip_us"], _LEAST_PAUSE_US), _MOST_PAUSE_US)
    return now_us - state["decreased_us"] >= pause or 0.0 < state["acked_bps"] < 0.5 * state["delay_bps"]


@stage
def _decrease(state: Any, limited: bool, now_us: int) -> None:
    """Lower the rate: a little for a queue that begins, to what gets through for a long one."""
    state["phase"] = DECREASE
    state["changed_us"] = now_us
    tcp_competes = competes_with_tcp(state) or is_vain(state)
    before = state["delay_bps"]
    long = state["queue_ms"] > _LONG_MS or state["standing_ms"] > STANDING_MS
    if long and not tcp_competes:
        passed = measure_recent(state, before)
        back_off = min(max(state["queue_ms"] / _DRAIN_MS, 1.0 - _RECOVER), _MOST_BACK_OFF)
        lower = (1.0 - back_off) * passed
        state["recover_bps"] = min(_RECOVER * passed, max(before, state["recover_bps"]))
    else:
        passed = max(state["acked_bps"], measure_peak(state))
        length_ms = max(state["queue_ms"], state["standing_ms"])
        less = 1.0 - _YIELD * min(length_ms / _YIELD_MS, 1.0)
        state["recover_bps"] = 0.0
        if tcp_competes and state["congested"] == 1:
            lower = _CONTESTED * before
        elif before >= MOST_BPS:  # nothing bounded it so far
            lower = _RECOVER * passed
        elif state["acked_bps"] > _FILLED * before:
            lower = less * before
        else:
            lower = max(_RECOVER * passed, less * before)
    if long or state["congested"] == 1:
        note_decrease(state, passed, limited, now_us)
    if passed <= 0.0:
        lower = _RECOVER * before
    else:
        if passed < lower_bound(state):
            forget_capacity(state)
        learn_capacity(state, passed)
    if lower < before:
        state["delay_bps"] = max(lower, LEAST_BPS)
        state["decreased_us"] = now_us


@stage
def _recover(state: Any) -> None:
    """Once a decrease has emptied the queue, go on just below what got through then."""
    if state["recover_bps"] > 0.0 and state["queue_ms"] < EMPTY_MS:
        state["delay_bps"] = max(state["delay_bps"], state["recover_bps"])
        state["recover_bps"] = 0.0


@stage
def lower_to(state: Any, rate_bps: float) -> None:
    """Lower the rate for another reason than the delay."""
    state["delay_bps"] = rate_bps


@stage
def excuse_decreases(state: Any, least_bps: float) -> None:
    """Take decreases back, up to `least_bps`, since there was no queue."""
    state["decreased_us"] = NEVER_US
    state["recover_bps"] = 0.0
    state["delay_bps"] = max(state["delay_bps"], least_bps)


@stage
def lasting_rate(state: Any) -> float:
    """Return `delay_bps` for decisions that are costly to revise: the part held back to empty a short queue is left to
    pacing.
    """
    held_back = max(state["recover_bps"] - state["delay_bps"], 0.0)
    return float(state["delay_bps"]) + held_back * max(1.0 - state["queue_ms"] / _FULL_MS, 0.0)


@stage
def _increase(state: Any, now_us: int) -> None:
    elapsed = min(max(now_us - state["changed_us"], 0), 1_000_000) / 1e6
    rate = state["delay_bps"]
    acked = state["acked_bps"]
    if acked > upper_bound(state):
        forget_capacity(state)
    if state["delay_bps"] > _NEAR * state["capacity_bps"] > 0.0 or competes_with_tcp(state):
        rise = max(min(_RISE_BPS, _SMALL_RISE * rate), _LARGE_RISE * rate, _LEAST_RISE_BPS)
        raised = rate + rise * (1.0 + _LATE * (1.0 - share_of_shown(state))) * elapsed
    else:
        raised = rate + max(rate * (_PER_SECOND**elapsed - 1.0), 1_000.0 * elapsed)
        raised += _APPROACH * max(_NEAR * state["capacity_bps"] - rate, 0.0) * elapsed
    if acked > 0.0:  # what was never tried is not known to be there
        raised = min(raised, 1.5 * acked + 10_000.0)
    if state["full_bps"] <= 0.0:  # nothing has forbidden what got through
        raised = max(raised, _SHOWN * acked)
    else:
        raised = min(raised, max(state["full_bps"], _TRIED * acked))
    raised = min(raised, state["limit_bps"], MOST_BPS)
    state["delay_bps"] = max(rate, raised)


@stage
def raise_to(state: Any, rate_bps: float, limited: bool, now_us: int) -> bool:
    """Raise the rate to what a probe has shown; return whether only a part of that was allowed.

    `limited`: far less is sent than is allowed, so that what gets through says nothing of our part.
    """
    bounded = False
    if state["decreased_us"] != NEVER_US and now_us - state["decreased_us"] < _CALM_US:
        acked = max(state["acked_bps"], state["delay_bps"]) if limited else state["acked_bps"]
        spare = max(rate_bps - acked, 0.0)
        most = min(_RAISE * acked + _RAISE_BPS, acked + max(_SPARE * spare, min(spare, _SPARE_BPS)))
        bounded = rate_bps > most
        rate_bps = min(rate_bps, most)
    if rate_bps > state["delay_bps"]:
        state["delay_bps"] = min(rate_bps, state["limit_bps"], MOST_BPS)
        state["changed_us"] = now_us
        if rate_bps > state["capacity_bps"]:
            forget_capacity(state)
    return bounded
