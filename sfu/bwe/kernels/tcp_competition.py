"""TCP competition: a queue that somebody else keeps filled, such as a TCP flow, which heeds nothing but loss.

A queue that several decreases do not shorten is not ours. To give way to it further would only leave it all of the
link, so for a while the rate does not follow the delay: it begins again at a fair share, and gives way to loss.
"""

from __future__ import annotations

from typing import Any

from sfu.bwe.kernels.capacity import forget_capacity
from sfu.bwe.kernels.delay import accept_least, restart_least
from sfu.bwe.kernels.full_path import forget_full
from sfu.bwe.kernels.state import NEVER_US
from sfu.wire.kernels.kernel import stage

EMPTY_MS = 15.0
STANDING_MS = 30.0
"""The rate is lowered for a standing queue of this length that neither grows nor shrinks: the trend does not see it."""
_SHRINKS = 0.9
_BRAKE_US = 400_000
_MOST_BRAKES = 3
"""If this many decreases do not help, somebody else keeps the queue filled."""
_STANDS_US, _LESS = 3_000_000, 0.85
"""This holds only if the queue stands for the former, and our throughput is then below the latter as a share of the
earlier one. With a queue of our own, all that the link carries gets through."""
_GIVE_UP_US = 10_000_000
"""Time after which decreases are tried again, if those conditions do not hold."""
_LASTS_US = 30_000_000
"""Time after which the competitor's queue is taken for the path's own."""
_STILL_US, _STILL_MS = 5_000_000, 10.0
"""A queue whose length varies by less than the latter in the former has no competitor: the path has become longer."""
_FAIR = 0.5
"""Our fair share of the most that got through before."""
_BEFORE_US = 15_000_000
_FAIR_AGAIN = 0.9
"""Our fair share of the rate that we had in a competition just before."""


@stage
def competes_with_tcp(state: Any) -> bool:
    """Whether somebody else keeps the queue filled."""
    return state["tcp_competition_us"] != NEVER_US


@stage
def is_vain(state: Any) -> bool:
    """Whether decreases have failed to shorten the queue."""
    return state["brakes"] >= _MOST_BRAKES


@stage
def watch_tcp_competition(state: Any, now_us: int) -> bool:
    """Update whether the competition goes on; call at each feedback. Returns whether there was none: the queue stood
    still, so that there was no reason to decrease.
    """
    if state["acked_bps"] >= state["high_bps"] or now_us - state["high_us"] > _BEFORE_US:
        state["high_bps"] = state["acked_bps"]
        state["high_us"] = now_us
    if state["queue_ms"] < EMPTY_MS and state["standing_ms"] < EMPTY_MS:
        state["brakes"] = 0
        state["tcp_competition_us"] = NEVER_US
    elif competes_with_tcp(state):
        state["shortest_ms"] = min(state["shortest_ms"], state["standing_ms"])
        state["longest_ms"] = max(state["longest_ms"], state["standing_ms"])
        lasted = now_us - state["tcp_competition_us"]
        still = state["longest_ms"] - state["shortest_ms"] < _STILL_MS
        if lasted > _LASTS_US or (still and lasted > _STILL_US):
            _accept_queue(state, now_us)
            if still:
                forget_full(state)
                return True
    return False


@stage
def must_brake(state: Any, now_us: int) -> bool:
    """Whether a queue stands that does not shrink, and that we have a chance to empty."""
    if not _stands(state) or is_vain(state) or now_us - max(state["decreased_us"], state["braked_us"]) < _BRAKE_US:
        return False
    if state["brakes"] == 0:
        state["stands_us"] = now_us
    if state["brakes"] < 2:  # the first is too early to say: what got through may be from before the queue
        state["braked_bps"] = state["acked_bps"]
    state["brakes"] += 1
    state["braked_us"] = now_us
    return True


@stage
def _stands(state: Any) -> bool:
    return not competes_with_tcp(state) and state["standing_ms"] >= max(STANDING_MS, _SHRINKS * state["stood_ms"])


@stage
def begin_tcp_competition(state: Any, now_us: int) -> bool:
    """Begin a competition if the queue still stands though decreases were in vain; return whether it begins now."""
    if not _stands(state) or not is_vain(state):
        return False
    if now_us - state["braked_us"] > _GIVE_UP_US:
        state["brakes"] = 0
    if now_us - state["stands_us"] <= _STANDS_US or state["acked_bps"] >= _LESS * state["braked_bps"]:
        return False
    state["tcp_competition_us"] = now_us
    state["shortest_ms"] = state["standing_ms"]
    state["longest_ms"] = state["standing_ms"]
    forget_capacity(state)
    restart_least(state)
    return True


@stage
def fair_rate(state: Any, now_us: int) -> float:
    """Return the share, in bps, that a competition that begins now leaves us."""
    if state["accepted_us"] != NEVER_US and now_us - state["accepted_us"] < _LASTS_US:
        return float(_FAIR_AGAIN * state["accepted_bps"])
    return float(_FAIR * state["high_bps"])


@stage
def _accept_queue(state: Any, now_us: int) -> None:
    """Take the least delay during the competition for the path's own."""
    state["tcp_competition_us"] = NEVER_US
    state["accepted_us"] = now_us
    state["accepted_bps"] = state["delay_bps"]
    state["brakes"] = 0
    accept_least(state)
