"""Receivers whose times cannot be compared from one feedback to the next.

Transport-wide feedback names a reference time and counts from there. Some receivers (werift) round it without
regard to what they count, so each feedback is off by up to 64 ms, another time by less: queues come and go that are
none. What gives it away is time that goes back: a packet sent later, in a later feedback, that arrived long before
those of the feedback before. Of such a receiver only losses and throughput are heeded.
"""

from __future__ import annotations

from typing import Any

from sfu.bwe.kernels.full_path import forget_full
from sfu.bwe.kernels.rate_control import excuse_decreases
from sfu.bwe.kernels.reset import forget_queue
from sfu.bwe.kernels.state import NEVER_US, START_BPS
from sfu.wire.kernels.kernel import stage

_BACK_US = 15_000
"""Least step back in time that counts: the delay of a path that reorders packets of two feedbacks by more says
little."""
_MOST_BACK_US = 1_000_000
"""A larger step back means another clock, not a rounded one."""
_TIMES = 3.0
_MOST = 10.0
_FORGET = 0.99
_TRUSTED = 0.5


@stage
def watch_clock(state: Any, first_us: int, last_us: int) -> None:
    """Take the arrivals of the first and the last packet of a feedback, in the order of sending."""
    before = state["reported_us"]
    state["reported_us"] = last_us
    if before == NEVER_US:
        return
    if _BACK_US < before - first_us < _MOST_BACK_US:
        state["backward"] = min(state["backward"] + 1.0, _MOST)
    else:
        state["backward"] *= _FORGET
    if state["backward"] >= _TIMES and state["untimed"] == 0:
        state["untimed"] = 1
        forget_queue(state)
        forget_full(state)
        excuse_decreases(state, START_BPS)
    elif state["backward"] < _TRUSTED:
        state["untimed"] = 0
