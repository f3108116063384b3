"""Probing: a few packets sent faster than the estimate show whether the path carries more.

The plane sends them as padding. What that shows is in `probe_result.py`.
"""

from __future__ import annotations

from typing import Any

from sfu.bwe.kernels.full_path import correct_full, forget_full, note_full, renew_full
from sfu.bwe.kernels.probe_result import PROBE_PACKETS, begin_cluster, count_sent
from sfu.bwe.kernels.state import CLUSTERS, MOST_BPS, NEVER_US, NORMAL
from sfu.wire.kernels.kernel import i64, stage

PROBE_US = 15_000
_MOST_PROBE_US = 60_000
_MOST_CONFIRM_US = 200_000
_JITTERS = 1.5
"""A probe lasts longer where the delay varies: so many times what it usually is over the least."""
_QUEUE_MS = 10.0
"""No probe is put on a queue that is longer, and than usual: it would only make that grow."""
_FIRST, _SECOND, _FURTHER = 3.0, 6.0, 2.0
"""At the start the estimate is tried times these, and what succeeded times the last."""
_SUCCESS = 0.7
"""A result of at least this share of what was tried invites a further probe."""
_BUCKET_BYTES = 8_000.0
"""A path that polices rates (token bucket) lets so much through at any speed: only what has got through beyond that,
and beyond what a full path carried, shows that it carries more."""
_MOST_CONFIRM_BYTES = 20_000.0
"""No more is sent to find out: on a fast path that shows less, and a bucket may pass there for some hundred kbit/s."""
_ENOUGH = 0.9
_LASTS = 0.95
"""What is shown by a second longer probe, too, within so much, is what the path carries."""
_MOST_ROUNDS = 3
_BUCKET_US = 3_000_000
"""Where that was the contents of a bucket, it is not tried again for so long."""
_BEYOND = 1.1
_CONFIRM_US = 1_000_000
"""Probes that are further apart than this do not confirm each other: the bucket has filled again."""
_REGULAR = 2.0
_INTERVAL_US = 2_000_000
_MOST_INTERVAL_US = 3_000_000
_FURTHER_US = 50_000
_FOLLOW_US = 500_000
"""Where a success could raise the rate by a part only, the next probe waits until what is sent has followed."""
_CALM_US = 1_000_000
"""After a decrease, the queue is left alone for so long."""
_ROOM = 1.05
_TIMEOUT_US = 500_000
_NAMES = 255
"""Probes have names from 1 to this, again and again."""


@stage
def begin_due_probe(state: Any, now_us: int) -> bool:
    """Begin a probe if it is time for one, and there is something to gain."""
    if state["probe_bps"] > 0.0:
        if now_us - state["probe_started_us"] > _TIMEOUT_US:
            stop_probe(state)
        return False
    if now_us < state["probe_next_us"] or state["estimate_bps"] >= state["limit_bps"]:
        return False
    if state["usage"] != NORMAL or state["loss_limited"] == 1:
        return False
    if state["decreased_us"] != NEVER_US and now_us - state["decreased_us"] < _CALM_US:
        return False
    if state["standing_ms"] > _QUEUE_MS or state["queue_ms"] > max(_JITTERS * state["usual_ms"], _QUEUE_MS):
        return False
    if state["confirm_round"] > 0 and now_us - state["confirm_us"] > _CONFIRM_US:
        _end_confirming(state, now_us)
        return False
    factor = _REGULAR
    if state["probe_number"] < 2:
        factor = _FIRST if state["probe_number"] == 0 else _SECOND
    rate = min(factor * state["estimate_bps"], state["limit_bps"] * _ROOM, state["remote_bps"], MOST_BPS)
    if state["confirm_round"] > 0:
        rate = min(state["confirm_bps"], state["remote_bps"])
    if rate < state["estimate_bps"] * _ROOM:
        return False
    _begin(state, rate, now_us)
    if state["probe_number"] == 1:
        state["probe_next_us"] = now_us + _FURTHER_US
    else:
        wait = _INTERVAL_US * (1.0 + 0.2 * min(state["probe_failures"], 3))
        state["probe_next_us"] = now_us + i64(min(wait, _MOST_INTERVAL_US))
    state["probe_failures"] += 1  # taken back by a success
    return True


@stage
def try_at_once(state: Any, now_us: int) -> None:
    """More is wanted than before: the next probe need not wait."""
    state["probe_next_us"] = min(state["probe_next_us"], now_us)


@stage
def stop_probe(state: Any) -> None:
    """Send no more of the probe: there is nothing, or nobody, to send it to."""
    state["probe_bps"] = 0.0


@stage
def _end_confirming(state: Any, now_us: int) -> None:
    """What a burst had shown did not last: it was a bucket's contents, which are there again soon, and of no use."""
    if state["confirm_round"] > 0:
        state["confirm_round"] = 0
        state["probe_next_us"] = max(state["probe_next_us"], now_us + _BUCKET_US)


@stage
def _begin(state: Any, rate: float, now_us: int) -> None:
    state["probe_number"] += 1
    state["probe"] = (state["probe_number"] - 1) % _NAMES + 1
    state["probe_bps"] = rate
    length = min(max(_JITTERS * state["usual_ms"] * 1000.0, PROBE_US), _MOST_PROBE_US)
    if state["confirm_round"] > 0:  # as long as it takes to be sure, within bounds
        beyond = max(rate - state["full_bps"], 1.0)
        length = max(min(_BUCKET_BYTES * 8e6 / beyond, _MOST_CONFIRM_BYTES * 8e6 / rate), length)
    state["probe_us"] = i64(length)
    state["probe_bytes"] = i64(rate * state["probe_us"] / 8e6)
    state["probe_started_us"] = now_us
    begin_cluster(state)


@stage
def note_probe_sent(state: Any, size: int) -> int:
    """Account a packet to the probe that is being sent; return the probe's name, 0: there is none."""
    if state["probe_bps"] <= 0.0:
        return 0
    packets = count_sent(state)
    state["probe_bytes"] -= size
    if state["probe_bytes"] <= 0 and packets >= PROBE_PACKETS:
        state["probe_bps"] = 0.0
    return i64(state["probe"])


@stage
def must_confirm(state: Any, probe: int, rate: float, now_us: int) -> bool:
    """A probe has shown `rate`; return whether further ones have to show the same before it counts.

    That is so where the path was full of late. What it let through of one burst may have been a bucket's contents, so
    one follows that is longer, at the rate that was shown, until more has got through at once than a bucket holds.
    """
    full = state["full_bps"]
    if full <= 0.0 or rate <= _BEYOND * full:
        _end_confirming(state, now_us)
        if full > 0.0 and state["probe_slowed"] == 1:  # by itself it says little: jitter is as long as a probe
            note_full(state, max(rate, state["acked_bps"]), now_us)
        return False
    if state["confirmed"] == probe:
        return True
    state["confirmed"] = probe
    least = min(_BUCKET_BYTES, _MOST_CONFIRM_BYTES * (rate - full) / rate)
    if state["probe_slowed"] == 0 and (rate - full) * state["probe_us"] / 8e6 > _ENOUGH * least:
        state["confirm_round"] = 0
        forget_full(state)
        return False
    if state["confirm_round"] >= 2 and rate >= _LASTS * state["confirm_bps"]:
        state["confirm_round"] = 0  # the path is slower than was tried, but it has shown twice how fast it is
        correct_full(state, rate)
        return False
    if state["confirm_round"] >= _MOST_ROUNDS:
        _end_confirming(state, now_us)
        renew_full(state, now_us)
        return True
    state["confirm_round"] += 1
    state["confirm_bps"] = max(rate, full + _BUCKET_BYTES * 8e6 / _MOST_CONFIRM_US)
    state["confirm_us"] = now_us
    state["probe_next_us"] = min(state["probe_next_us"], now_us + _FURTHER_US)
    return True


@stage
def handle_probe_result(state: Any, probe: int, rate: float, bounded: bool, now_us: int) -> None:
    """A probe has shown `rate`: go further if it succeeded. `bounded`: less than that was taken over."""
    tried = state["cluster_bps"][probe % CLUSTERS]
    if rate >= _SUCCESS * tried:
        state["probe_failures"] = 0
        if tried < state["limit_bps"]:
            wait = _FOLLOW_US if bounded else _FURTHER_US
            state["probe_next_us"] = min(state["probe_next_us"], now_us + wait)
