"""How an estimator begins, and what it forgets."""

from __future__ import annotations

from typing import Any

from sfu.bwe.kernels.state import CLUSTERS, FAR_US, INCREASE, MOST_BPS, NEVER_US, NORMAL, START_BPS
from sfu.wire.kernels.kernel import stage

_UPLINK_ROUND_TRIP_US = 200_000.0
"""A guess: only how soon a further decrease may follow."""


@stage
def reset_estimator(state: Any, now_us: int) -> None:
    """Nothing is known yet."""
    state["estimate_bps"] = START_BPS
    state["lasting_bps"] = START_BPS
    state["delay_bps"] = START_BPS
    state["remote_bps"] = MOST_BPS
    state["limit_bps"] = MOST_BPS
    state["acked_bps"] = 0.0
    state["sent_bps"] = 0.0
    state["acked_since_us"] = NEVER_US
    state["round_trip_us"] = 0.0
    state["feedbacks"] = 0
    state["told_times"] = 0
    state["rare_us"] = 0.0
    state["unread"] = 0.0
    state["feedback_us"] = now_us
    state["unanswered_us"] = 0
    state["reference_us"] = NEVER_US
    state["starved_us"] = now_us
    state["unused_us"] = now_us
    state["unused_bps"] = START_BPS
    state["acked_sent_us"] = NEVER_US
    state["last_sent_us"] = NEVER_US
    state["reported_us"] = NEVER_US
    state["backward"] = 0.0
    state["untimed"] = 0
    state["arrived_bytes"] = 0
    state["shown_bps"] = 0.0
    state["phase"] = INCREASE
    state["changed_us"] = now_us
    state["decreased_us"] = NEVER_US
    state["updated_us"] = now_us
    state["interval_us"] = NEVER_US
    state["brakes"] = 0
    state["stands_us"] = now_us
    state["braked_us"] = NEVER_US
    state["braked_bps"] = 0.0
    state["high_bps"] = 0.0
    state["high_us"] = now_us
    state["tcp_competition_us"] = NEVER_US
    state["accepted_us"] = NEVER_US
    state["accepted_bps"] = 0.0
    state["recover_bps"] = 0.0
    state["capacity_bps"] = 0.0
    state["capacity_deviation"] = 0.4
    state["full_bps"] = 0.0
    state["full_us"] = NEVER_US
    state["full_sent_us"] = NEVER_US
    state["inherent_loss"] = 0.01
    state["loss_window_us"] = NEVER_US
    state["loss_window_bps"] = MOST_BPS
    state["probe_number"] = 0
    state["probe"] = 0
    state["probe_bps"] = 0.0
    state["probe_bytes"] = 0
    state["probe_started_us"] = 0
    state["probe_next_us"] = now_us
    state["probe_failures"] = 0
    state["probe_slowed"] = 0
    state["confirmed"] = 0
    state["confirm_round"] = 0
    state["confirm_bps"] = 0.0
    state["confirm_us"] = NEVER_US
    for k in range(CLUSTERS):
        state["cluster_probe"][k] = 0
    forget_losses(state)
    reset_groups(state)


@stage
def forget_queue(state: Any) -> None:
    """No queue is known to be there."""
    state["usage"] = NORMAL
    state["queue_ms"] = 0.0
    state["standing_ms"] = 0.0
    state["stood_ms"] = 0.0


@stage
def forget_losses(state: Any) -> None:
    """What was lost so far says nothing of the path as it is now."""
    state["observations"] = 0
    state["observation_us"] = NEVER_US
    state["open_bytes"] = 0
    state["open_lost_bytes"] = 0
    state["loss"] = 0.0
    state["congested"] = 0
    state["loss_limited"] = 0
    state["loss_bps"] = MOST_BPS


@stage
def free_estimate(state: Any) -> None:
    """Nothing bounds the estimate until the receiver says so."""
    state["estimate_bps"] = MOST_BPS
    state["lasting_bps"] = MOST_BPS
    state["delay_bps"] = MOST_BPS


@stage
def reset_uplink(state: Any, now_us: int) -> None:
    """Nothing is known of the way in, and nothing comes back on it."""
    reset_estimator(state, now_us)
    free_estimate(state)
    state["round_trip_us"] = _UPLINK_ROUND_TRIP_US


@stage
def reset_groups(state: Any) -> None:
    """Forget the packets so far: the receiver's clock, or the path, is another one."""
    state["groups"] = 0
    state["reordered"] = 0
    state["open"] = 0
    state["least_us"] = FAR_US
    state["least_before_us"] = FAR_US
    state["least_since_us"] = NEVER_US
    state["queue_ms"] = 0.0
    state["usual_ms"] = 0.0
    state["interval_least_us"] = FAR_US
    state["standing_ms"] = 0.0
    state["stood_ms"] = 0.0
    state["before_sent_us"] = NEVER_US
    state["deltas"] = 0
    state["accumulated_ms"] = 0.0
    state["smoothed_ms"] = 0.0
    state["trend"] = 0.0
    state["threshold_ms"] = 12.5
    state["threshold_us"] = NEVER_US
    state["overused_ms"] = -1.0
    state["overused_groups"] = 0
    state["usage"] = NORMAL
