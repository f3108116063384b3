"""The estimate: what the parts say together, after each feedback and in its absence."""

from __future__ import annotations

from typing import Any

from sfu.bwe.kernels.delay import add_arrival, add_probe, queue_to_heed
from sfu.bwe.kernels.full_path import note_bound, note_full
from sfu.bwe.kernels.loss import add_sent, bound_loss, end_observation, recall_loss
from sfu.bwe.kernels.probe_result import add_probe_arrival, note_shown
from sfu.bwe.kernels.probing import handle_probe_result, must_confirm, try_at_once
from sfu.bwe.kernels.rate_control import lasting_rate, lower_to, raise_to, update_rate
from sfu.bwe.kernels.sent_log import ARRIVED, LOST, UNKNOWN, settle
from sfu.bwe.kernels.state import LEAST_BPS, MOST_BPS, NEVER_US, OVERUSED
from sfu.bwe.kernels.throughput import measure_throughput
from sfu.wire.kernels.kernel import i64, stage

LIMITED = 0.65
"""Whoever sends less than this share of the estimate is limited by the application, not by the path."""
_PAST_US = 3_000_000
"""What was lost so long ago was lost while nothing came back, and to that we have given way."""
_STARVED_US = 1_000_000
_FIRST_US = 4_000_000
"""So long the first feedbacks may take: some clients begin with them after a second or two, and who keeps to RFC 4585
section 3.5 tells something early once, and the rest with his next regular report."""
_FIRST_TIMES = 5
_AT_ONCE_US = 20_000
"""Feedbacks that come within this time were held back, and count as one."""
_RARE, _RARE_MEMORY = 2.0, 0.9
"""Silence says nothing before it lasts so many times as long as it did lately, of which each word leaves so much."""
_STARVED_STEP_US = 500_000
_STARVED_BACK_OFF = 0.8
_UNUSED_STEP_US = 1_000_000
_UNUSED_FADE, _UNUSED_LEAST = 0.9, 0.5
"""What is not wanted is not tried: in each step so much of the estimate is left, a half at the end."""
_LIMITED_SHARE = 1.1
"""Where no more than this many times the estimate was wanted, nothing was tried."""
_FALLS = 0.97
"""A bound from the receiver that is below this part of the one before has fallen."""
_NO_QUEUE_MS = 50.0
_READ, _MOST_UNREAD = 0.8, 10.0
_ROUND_TRIP_SMOOTHING = 0.2
_MOST_ROUND_TRIP_US = 10_000_000.0


@stage
def is_limited(state: Any) -> bool:
    """Whether less is sent than the estimate allows, so that its absence says nothing of the path."""
    return state["sent_bps"] < LIMITED * state["estimate_bps"]


@stage
def await_answer(state: Any, now_us: int) -> None:
    """A packet leaves that its receiver has to tell of."""
    if state["unanswered_us"] == 0:
        state["unanswered_us"] = now_us


@stage
def handle_packet(state: Any, packet: Any, arrival_us: int, received: bool, now_us: int) -> None:
    """Take what a feedback says of one packet of the sent log; call in the order of sending."""
    sent_us = packet["sent_us"]
    size = i64(packet["size"])
    fate = packet["fate"]
    if not received:
        if fate == UNKNOWN:
            settle(packet, LOST)
            if now_us - sent_us > _PAST_US:
                return
            if add_sent(state, sent_us, size, True):
                end_observation(state, sent_us, is_limited(state))
        return
    if fate == ARRIVED:
        return
    settle(packet, ARRIVED)
    if fate == LOST:
        recall_loss(state, size)
    full = add_sent(state, sent_us, size, False)
    if packet["probe"] == 0:
        add_arrival(state, sent_us, arrival_us, size)
    else:
        add_probe(state, size)
        rate = add_probe_arrival(state, i64(packet["probe"]), sent_us, arrival_us, size)
        if rate > 0.0 and state["usage"] != OVERUSED:
            note_shown(state, rate)
            if not must_confirm(state, i64(packet["probe"]), rate, now_us):
                bounded = raise_to(state, rate, is_limited(state), now_us)
                handle_probe_result(state, i64(packet["probe"]), rate, bounded, now_us)
    if full:
        measure_throughput(state)
        end_observation(state, sent_us, is_limited(state))
    if sent_us > state["acked_sent_us"]:
        state["acked_sent_us"] = sent_us


@stage
def unwrap_reference(state: Any, reference_us: int, wrap_us: int) -> int:
    """A time of the other side's clock, which wraps at `wrap_us`, on one that does not."""
    before = state["reference_us"]
    if before != NEVER_US:
        ahead = (reference_us - before) % wrap_us
        if ahead >= wrap_us // 2:
            ahead -= wrap_us
        reference_us = before + ahead
    state["reference_us"] = reference_us
    return reference_us


@stage
def end_feedback(state: Any, arrived: int, now_us: int) -> None:
    """All packets of a feedback have been taken, of which `arrived` were new: draw the conclusions."""
    since_us = state["unanswered_us"]
    apart = now_us - state["feedback_us"] >= _AT_ONCE_US
    state["feedback_us"] = now_us
    state["unanswered_us"] = 0
    if arrived == 0:
        return
    state["feedbacks"] += 1
    if apart or state["told_times"] == 0:
        _note_time(state, since_us, now_us)
    state["unread"] *= _READ
    round_trip = min(max(float(now_us - state["acked_sent_us"]), 0.0), _MOST_ROUND_TRIP_US)
    if state["round_trip_us"] == 0.0:
        state["round_trip_us"] = round_trip
    state["round_trip_us"] += _ROUND_TRIP_SMOOTHING * (round_trip - state["round_trip_us"])
    measure_throughput(state)
    update_rate(state, is_limited(state), now_us)
    conclude(state)


@stage
def _note_time(state: Any, since_us: int, now_us: int) -> None:
    """Learn how seldom the receiver tells, unless it is the queue that held his words up."""
    state["told_times"] += 1
    waited = float(now_us - since_us) if since_us > 0 and queue_to_heed(state) < _NO_QUEUE_MS else 0.0
    state["rare_us"] = max(waited, _RARE_MEMORY * state["rare_us"])


@stage
def note_unread(state: Any, now_us: int) -> None:
    """A feedback came that cannot be read: it tells that something arrives, and not what."""
    state["feedback_us"] = now_us
    state["unanswered_us"] = 0
    state["unread"] = min(state["unread"] + 1.0, _MOST_UNREAD)


@stage
def conclude(state: Any) -> None:
    """The estimate is the least of what limits it."""
    others = min(state["loss_bps"], state["remote_bps"], MOST_BPS)
    state["estimate_bps"] = max(min(state["delay_bps"], others), LEAST_BPS)
    state["lasting_bps"] = max(min(lasting_rate(state), others), LEAST_BPS)


@stage
def handle_silence(state: Any, now_us: int) -> None:
    """Packets are on their way and no feedback comes: what comes back slowly is sent slowly."""
    rare = min(_RARE * state["rare_us"], float(_FIRST_US))
    patience = i64(max(float(_STARVED_US), 3.0 * state["round_trip_us"], rare))
    if state["told_times"] < _FIRST_TIMES:
        patience = max(patience, _FIRST_US)
    since = state["unanswered_us"]
    if since == 0 or now_us - since < patience or now_us - state["starved_us"] < _STARVED_STEP_US:
        return
    state["starved_us"] = now_us
    lower_to(state, max(min(state["delay_bps"], state["estimate_bps"]) * _STARVED_BACK_OFF, LEAST_BPS))
    note_full(state, state["delay_bps"], now_us)
    conclude(state)


@stage
def fade_unused(state: Any, now_us: int) -> None:
    """Less is wanted than the estimate allows: others may have taken the rest meanwhile (compare RFC 7661).

    A half is left to begin with again, and probes follow at once; all of it would be too much for a full link.
    """
    if not state["limit_bps"] < state["delay_bps"] < MOST_BPS:
        state["unused_us"] = now_us
        state["unused_bps"] = state["delay_bps"]
    elif now_us - state["unused_us"] >= _UNUSED_STEP_US:
        state["unused_us"] = now_us
        least = max(_UNUSED_LEAST * state["unused_bps"], state["limit_bps"])
        lower_to(state, min(max(_UNUSED_FADE * state["delay_bps"], least), state["delay_bps"]))
        conclude(state)


@stage
def set_limit(state: Any, limit_bps: float, now_us: int) -> None:
    """So much is wanted at most. Where more is wanted than before, it is tried at once."""
    if state["limit_bps"] <= _LIMITED_SHARE * state["estimate_bps"] and limit_bps > state["limit_bps"]:
        try_at_once(state, now_us)
    state["limit_bps"] = limit_bps


@stage
def set_remote(state: Any, rate_bps: float, now_us: int) -> None:
    """The receiver's own estimate (REMB) is a bound. It falls only where the receiver has seen a full path."""
    if rate_bps < _FALLS * state["remote_bps"] and state["remote_bps"] < MOST_BPS:
        note_bound(state, rate_bps, now_us)
    state["remote_bps"] = max(rate_bps, LEAST_BPS)
    conclude(state)


@stage
def set_loss_bound(state: Any, rate_bps: float, now_us: int) -> None:
    """What receiver reports say of the path is a bound."""
    if rate_bps < _FALLS * state["loss_bps"]:
        note_full(state, rate_bps, now_us)
    bound_loss(state, rate_bps)
    conclude(state)
