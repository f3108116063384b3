"""The delay's trend: whether packets arrive ever later than they were sent (draft-ietf-rmcat-gcc-02 section 5).

As libwebrtc does by now: groups of packets, a straight line through the smoothed delay of the last groups in place of
the draft's Kalman filter, and a threshold that adapts.
"""

from __future__ import annotations

from typing import Any

from sfu.bwe.kernels.reset import reset_groups
from sfu.bwe.kernels.state import FAR_US, GROUPS, NEVER_US, NORMAL, OVERUSED, TREND_POINTS, UNDERUSED
from sfu.wire.kernels.kernel import stage

_GROUP_US = 5_000
"""Packets sent within this time form one group: the pacer's bursts say nothing of the path."""
_BURST_US = 100_000
_STEP_US = 3_000_000
"""A larger change between two groups means a clock that was set, or a path that stood still."""
_MOST_REORDERED = 3
_LEAST_WINDOW_US = 10_000_000
_USUAL = 0.02
"""Weight of a group in the average of the queue's delay."""

_HELD_UP_MS = 300.0
"""So long TCP may hold packets up for one that is sent again: a long round trip, or its timer."""

_SMOOTHING = 0.9
_GAIN = 4.0
_MOST_DELTAS = 60
_OVERUSE_MS = 10.0
_MARGIN_MS = 15.0
_RISE, _FALL = 0.0087, 0.039
_LEAST_THRESHOLD_MS, _MOST_THRESHOLD_MS = 6.0, 600.0


@stage
def add_arrival(state: Any, sent_us: int, arrival_us: int, size: int) -> None:
    """Take a packet that has arrived; call in the order of sending."""
    state["arrived_bytes"] += size
    state["interval_least_us"] = min(state["interval_least_us"], arrival_us - sent_us)
    if state["open"] == 1:
        if sent_us < state["first_sent_us"]:
            return  # sent before this group: it says nothing new
        if _is_of_group(state, sent_us, arrival_us):
            state["last_sent_us"] = max(state["last_sent_us"], sent_us)
            state["last_arrival_us"] = max(state["last_arrival_us"], arrival_us)
            return
        _close_group(state, arrival_us)
    state["groups"] += 1
    state["open"] = 1
    state["first_sent_us"] = sent_us
    state["last_sent_us"] = sent_us
    state["first_arrival_us"] = arrival_us
    state["last_arrival_us"] = arrival_us


@stage
def add_probe(state: Any, size: int) -> None:
    """Take a packet of a probe that has arrived: a probe queues by intention, and so do the packets right behind it."""
    if state["open"] == 1:
        _close_group(state, state["last_arrival_us"])
    state["arrived_bytes"] += size
    state["open"] = 0
    state["before_sent_us"] = NEVER_US


@stage
def _is_of_group(state: Any, sent_us: int, arrival_us: int) -> bool:
    since = arrival_us - state["last_arrival_us"]
    faster = since - (sent_us - state["last_sent_us"])
    if faster < 0 and since <= _GROUP_US and arrival_us - state["first_arrival_us"] < _BURST_US:
        return True  # they waited somewhere, and came in one go
    return sent_us - state["first_sent_us"] <= _GROUP_US


@stage
def _close_group(state: Any, now_us: int) -> None:
    """Compare the group with the one before."""
    before_sent = state["before_sent_us"]
    if before_sent != NEVER_US:
        sent = state["last_sent_us"] - before_sent
        arrived = state["last_arrival_us"] - state["before_arrival_us"]
        if arrived - sent >= _STEP_US or now_us - state["last_arrival_us"] < -_STEP_US:
            reset_groups(state)
            return
        if arrived < 0:
            state["reordered"] += 1
            if state["reordered"] >= _MOST_REORDERED:
                reset_groups(state)
            return
        state["reordered"] = 0
        _add_delta(state, (arrived - sent) / 1000.0, sent / 1000.0, state["last_arrival_us"])
    _measure_queue(state)
    at = state["groups"] % GROUPS
    state["group_bytes"][at] = state["arrived_bytes"]
    state["group_sent_us"][at] = state["last_sent_us"]
    state["group_arrival_us"][at] = state["last_arrival_us"]
    state["before_sent_us"] = state["last_sent_us"]
    state["before_arrival_us"] = state["last_arrival_us"]


@stage
def _measure_queue(state: Any) -> None:
    """Set `queue_ms`: the delay less the least one of the last ten to twenty seconds; the clocks' offset cancels
    out.
    """
    if state["untimed"] == 1:
        state["queue_ms"] = 0.0
        return
    delay = state["last_arrival_us"] - state["last_sent_us"]
    if state["tcp_competition_us"] != NEVER_US:  # what it does to the least delay is for `tcp_competition.py` to say
        state["least_since_us"] = state["last_sent_us"]
    elif state["last_sent_us"] - state["least_since_us"] > _LEAST_WINDOW_US or state["least_since_us"] == NEVER_US:
        state["least_before_us"] = state["least_us"]
        state["least_us"] = delay
        state["least_since_us"] = state["last_sent_us"]
    state["least_us"] = min(state["least_us"], delay)
    state["queue_ms"] = (delay - min(state["least_us"], state["least_before_us"])) / 1000.0
    state["usual_ms"] += _USUAL * (state["queue_ms"] - state["usual_ms"])


@stage
def restart_least(state: Any) -> None:
    """Look for the least delay anew, and keep the one so far beside it."""
    state["least_before_us"] = min(state["least_before_us"], state["least_us"])
    state["least_us"] = FAR_US


@stage
def accept_least(state: Any) -> None:
    """Take the least delay since `restart_least` for the path's own."""
    state["least_before_us"] = state["least_us"]


@stage
def end_interval(state: Any) -> None:
    """Set whether a queue has stood since the last call: jitter spares some packets, a queue spares none."""
    base = min(state["least_us"], state["least_before_us"])
    least = state["interval_least_us"]
    state["stood_ms"] = state["standing_ms"]
    known = least < FAR_US and base < FAR_US and state["untimed"] == 0
    state["standing_ms"] = max(0.0, (least - base) / 1000.0) if known else 0.0
    state["interval_least_us"] = FAR_US


@stage
def queue_to_heed(state: Any) -> float:
    """The queue's length, as far as it may be one. A packet that TCP sends again holds up all that follow it, and they
    come in one go: there a queue is what spares no packet of an interval, or is longer than that takes.
    """
    if state["by_tcp"] == 1 and state["queue_ms"] < _HELD_UP_MS:
        return float(state["standing_ms"])
    return float(max(state["queue_ms"], state["standing_ms"]))


@stage
def set_by_tcp(state: Any, by_tcp: int) -> None:
    """Note whether what is sent goes on by TCP."""
    state["by_tcp"] = by_tcp


@stage
def _add_delta(state: Any, delta_ms: float, sent_ms: float, arrival_us: int) -> None:
    """Take a group that took `delta_ms` longer than the one sent `sent_ms` before it."""
    if state["deltas"] == 0:
        state["trend_start_us"] = arrival_us
    at = state["deltas"] % TREND_POINTS
    state["deltas"] += 1
    state["accumulated_ms"] += delta_ms
    state["smoothed_ms"] = _SMOOTHING * state["smoothed_ms"] + (1.0 - _SMOOTHING) * state["accumulated_ms"]
    state["point_ms"][at] = (arrival_us - state["trend_start_us"]) / 1000.0
    state["point_delay_ms"][at] = state["smoothed_ms"]
    trend = state["trend"]
    if state["deltas"] >= TREND_POINTS:
        trend = _slope(state)
    _detect(state, trend, sent_ms, arrival_us)


@stage
def _slope(state: Any) -> float:
    """Return the slope of the straight line through the points (least squares), in milliseconds per millisecond."""
    mean_x = 0.0
    mean_y = 0.0
    for k in range(TREND_POINTS):
        mean_x += state["point_ms"][k]
        mean_y += state["point_delay_ms"][k]
    mean_x /= TREND_POINTS
    mean_y /= TREND_POINTS
    above = 0.0
    below = 0.0
    for k in range(TREND_POINTS):
        x = state["point_ms"][k] - mean_x
        above += x * (state["point_delay_ms"][k] - mean_y)
        below += x * x
    return above / below if below > 0.0 else 0.0


@stage
def _detect(state: Any, trend: float, sent_ms: float, now_us: int) -> None:
    """Compare the trend with the threshold: overused only if it has been above for a while, and still rises."""
    weighted = min(state["deltas"], _MOST_DELTAS) * trend * _GAIN
    if weighted > state["threshold_ms"]:
        if state["overused_ms"] < 0.0:
            state["overused_ms"] = sent_ms / 2.0
        else:
            state["overused_ms"] += sent_ms
        state["overused_groups"] += 1
        if state["overused_ms"] > _OVERUSE_MS and state["overused_groups"] > 1 and trend >= state["trend"]:
            state["overused_ms"] = 0.0
            state["overused_groups"] = 0
            state["usage"] = OVERUSED
    else:
        state["overused_ms"] = -1.0
        state["overused_groups"] = 0
        state["usage"] = UNDERUSED if weighted < -state["threshold_ms"] else NORMAL
    if state["untimed"] == 1:
        state["usage"] = NORMAL
    state["trend"] = trend
    _adapt_threshold(state, abs(weighted), now_us)


@stage
def _adapt_threshold(state: Any, weighted: float, now_us: int) -> None:
    """Let the threshold follow the trend slowly, so that flows that only watch for loss do not starve this one."""
    before = state["threshold_us"]
    state["threshold_us"] = now_us
    if before == NEVER_US or weighted > state["threshold_ms"] + _MARGIN_MS:
        return  # a sudden step, such as a change of route
    factor = _FALL if weighted < state["threshold_ms"] else _RISE
    elapsed_ms = min((now_us - before) / 1000.0, 100.0)
    adapted = state["threshold_ms"] + factor * (weighted - state["threshold_ms"]) * elapsed_ms
    state["threshold_ms"] = min(max(adapted, _LEAST_THRESHOLD_MS), _MOST_THRESHOLD_MS)
