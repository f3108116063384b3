"""Whether the path was seen to be full, and what got through then: the only thing that forbids to send more.

An estimate that nobody has tried says little: who sends little gets little through. So each sign of a full path is
noted with what got through at that moment. It holds until more gets through, or until it is too old to count.
"""

from __future__ import annotations

from typing import Any

from sfu.bwe.kernels.reset import forget_losses, forget_queue
from sfu.bwe.kernels.state import LEAST_BPS, NEVER_US
from sfu.wire.kernels.kernel import stage

_REFUTED = 1.3
"""If so many times of it get through for half a second, the path is another one."""
_FORGOTTEN_US = 10_000_000
"""Where it is neither seen again nor refuted in this time, more is tried."""
_IDLE_US = 1_000_000
"""A queue has emptied once no media were sent for so long."""
_LACKS = 0.9


@stage
def note_full(state: Any, rate_bps: float, now_us: int) -> None:
    """The path was full, and this got through, of a moment: the half second around it can refute it at once."""
    state["full_bps"] = max(rate_bps, LEAST_BPS)
    state["full_us"] = now_us
    state["full_sent_us"] = NEVER_US


@stage
def note_bound(state: Any, rate_bps: float, now_us: int) -> None:
    """The receiver has seen a full path, and knows what he got: only what is sent from now on can refute it."""
    note_full(state, rate_bps, now_us)
    state["full_sent_us"] = now_us


@stage
def correct_full(state: Any, rate_bps: float) -> None:
    """Probes have shown what gets through of the path, more or less than was noted when it was full."""
    state["full_bps"] = rate_bps


@stage
def renew_full(state: Any, now_us: int) -> None:
    """The path is still as full as it was: no more has got through that lasts."""
    state["full_us"] = now_us


@stage
def forget_full(state: Any) -> None:
    """The path is not full, or is not known to be."""
    state["full_bps"] = 0.0


@stage
def note_decrease(state: Any, passed_bps: float, limited: bool, now_us: int) -> None:
    """A queue or its overflow has lowered the rate; `passed_bps` got through.

    `limited`: far less was sent than was allowed. If all of that came, if late, the path was not full but stood still.
    """
    if not limited or state["congested"] == 1 or state["acked_bps"] < _LACKS * state["sent_bps"]:
        note_full(state, passed_bps if passed_bps > 0.0 else float(state["delay_bps"]), now_us)


@stage
def refute_full(state: Any) -> None:
    """See whether more gets through than when the path was full, of what may refute it."""
    if state["acked_since_us"] >= state["full_sent_us"] and state["acked_bps"] > _REFUTED * state["full_bps"]:
        forget_full(state)


@stage
def forget_old(state: Any, now_us: int) -> bool:
    """What was seen too long ago no longer counts: of a queue and of loss nothing is known where nothing is sent.

    Returns whether the estimate may change by that.
    """
    limited = False
    if state["last_sent_us"] != NEVER_US and now_us - state["last_sent_us"] > _IDLE_US:
        forget_queue(state)
        limited = state["loss_limited"] == 1
        forget_losses(state)
    if state["full_bps"] > 0.0 and now_us - state["full_us"] > _FORGOTTEN_US:
        forget_full(state)
    return limited
