"""What is known of one path: a row for each connection, that the plane writes as feedback comes.

Times are microseconds, those of arrival on the receiver's clock; rates are bits per second.
"""

from __future__ import annotations

import numpy as np

from sfu.wire.kernels.columns import Columns

TREND_POINTS = 20
"""Groups of packets that the delay's trend is taken over."""
GROUPS = 128
"""Groups of packets of which the throughput is taken, at most."""
OBSERVATIONS = 15
"""Intervals that the loss controller looks back on."""
CLUSTERS = 8
"""Probes whose results may be on their way at a time."""

NEVER_US = -(1 << 62)
FAR_US = 1 << 62

LEAST_BPS = 30_000.0
"""No estimate is lower: what little there is still has to be tried."""
MOST_BPS = 1e9
START_BPS = 300_000.0
"""Before anything is known."""

NORMAL, OVERUSED, UNDERUSED = 0, 1, 2
"""What the delay's trend says of the path."""
HOLD, INCREASE, DECREASE = 0, 1, 2

ESTIMATOR_COLUMNS = Columns(
    opened_by=("reset",),
    estimate=[
        ("estimate_bps", np.float64),  # the result: the least of what each part says
        ("lasting_bps", np.float64),  # the same without what is held back for a moment, to empty a queue
        ("remote_bps", np.float64),  # REMB
        ("limit_bps", np.float64),  # what is wanted at most: nothing higher is tried
        ("round_trip_us", np.float64),
        ("feedbacks", np.int64),
        ("told_times", np.int64),  # how often any came; those that were held back and come together count once
        ("rare_us", np.float64),  # how long we waited for one lately, where the path did not hold it up
        ("unread", np.float64),  # how many could not be read lately, among those that could
        ("feedback_us", np.int64),  # when the last one came
        ("unanswered_us", np.int64),  # when the first packet since then was sent, 0: none was
        ("reference_us", np.int64),  # the last reference time, which wraps each twelve days
        ("starved_us", np.int64),  # when the estimate was last lowered for want of feedback
        ("unused_us", np.int64),  # when less than the estimate was wanted first, or it was last lowered for that
        ("unused_bps", np.float64),  # the estimate before that
        ("acked_sent_us", np.int64),  # when the newest packet that has arrived was sent
    ],
    rate_control=[
        ("delay_bps", np.float64),
        ("phase", np.int32),
        ("changed_us", np.int64),
        ("decreased_us", np.int64),
        ("recover_bps", np.float64),  # where to go on once the queue has emptied, 0: nowhere
    ],
    loss=[
        ("loss_bps", np.float64),
        ("loss", np.float64),  # share of bytes, smoothed
        ("observations", np.int64),
        ("observation_us", np.int64),  # sending time of the first packet of the open one
        ("open_bytes", np.int64),
        ("open_lost_bytes", np.int64),
        ("observed_bytes", np.float64, (OBSERVATIONS,)),
        ("observed_lost_bytes", np.float64, (OBSERVATIONS,)),
        ("observed_bps", np.float64, (OBSERVATIONS,)),
        ("congested", np.int32),  # 1: packets were lost while a queue stood
        ("inherent_loss", np.float64),
        ("loss_limited", np.int32),
        ("loss_window_us", np.int64),
        ("loss_window_bps", np.float64),
    ],
    throughput=[
        ("acked_bps", np.float64),  # what arrived in the last half second
        ("sent_bps", np.float64),  # and what was sent of that
        ("acked_since_us", np.int64),  # all of that was sent after this time
    ],
    receiver_clock=[
        ("reported_us", np.int64),  # arrival of the last packet of the feedback before
        ("backward", np.float64),  # how often lately the next feedback's first came before that
        ("untimed", np.int32),  # 1: so often that its times cannot be compared
    ],
    delay=[
        # a group of packets sent in one go, and the one before
        ("groups", np.int64),
        ("first_sent_us", np.int64),
        ("last_sent_us", np.int64),
        ("first_arrival_us", np.int64),
        ("last_arrival_us", np.int64),
        ("before_sent_us", np.int64),
        ("before_arrival_us", np.int64),
        ("reordered", np.int64),
        ("open", np.int32),  # 0: the next packet begins a group that is compared with none
        # the queue: delay of the newest group over the least in a while
        ("least_us", np.int64),
        ("least_before_us", np.int64),
        ("least_since_us", np.int64),
        ("queue_ms", np.float64),
        ("usual_ms", np.float64),  # the same, smoothed
        ("interval_least_us", np.int64),
        ("by_tcp", np.int32),  # 1: what is sent goes on by TCP
        ("standing_ms", np.float64),  # what even the fastest packet of the last interval waited
        ("stood_ms", np.float64),  # and in the interval before
        # trend of the delay
        ("trend_start_us", np.int64),
        ("deltas", np.int64),
        ("accumulated_ms", np.float64),
        ("smoothed_ms", np.float64),
        ("point_ms", np.float64, (TREND_POINTS,)),
        ("point_delay_ms", np.float64, (TREND_POINTS,)),
        ("trend", np.float64),
        ("threshold_ms", np.float64),
        ("threshold_us", np.int64),  # when it was last adapted
        ("overused_ms", np.float64),  # for how long, -1: not
        ("overused_groups", np.int64),
        ("usage", np.int32),
        # what has arrived, by group
        ("arrived_bytes", np.int64),
        ("group_bytes", np.int64, (GROUPS,)),  # sums up to and with each group
        ("group_sent_us", np.int64, (GROUPS,)),
        ("group_arrival_us", np.int64, (GROUPS,)),
    ],
    uplink_rate=[
        ("updated_us", np.int64),  # when the rate was last worked out
        ("interval_us", np.int64),  # when the interval began over which the least delay is taken
    ],
    tcp_competition=[
        ("brakes", np.int64),  # decreases since the queue was last empty, while it stood
        ("stands_us", np.int64),  # when the first of them was
        ("braked_us", np.int64),  # when the last of them was
        ("braked_bps", np.float64),  # what got through at the last but one of them
        ("high_bps", np.float64),  # the most that got through lately
        ("high_us", np.int64),  # when that was
        ("tcp_competition_us", np.int64),  # since when somebody else keeps the queue filled
        ("shortest_ms", np.float64),  # the standing queue since then
        ("longest_ms", np.float64),
        ("accepted_us", np.int64),  # when that lasted so long that its queue was taken for the path's
        ("accepted_bps", np.float64),  # what we had then
    ],
    capacity=[
        ("capacity_bps", np.float64),  # of the link, learned at decreases; 0: unknown
        ("capacity_deviation", np.float64),
    ],
    full_path=[
        ("full_bps", np.float64),  # what got through when the path was last seen to be full, 0: not lately
        ("full_us", np.int64),  # when that was
        ("full_sent_us", np.int64),  # only what was sent after this can refute it
    ],
    probing=[
        ("probe_number", np.int64),  # how many have begun
        ("probe", np.int64),  # the name of the last one
        ("probe_bps", np.float64),  # of the one that is being sent, 0: none
        ("probe_us", np.int64),  # how long it takes
        ("probe_bytes", np.int64),  # still to send of it
        ("probe_started_us", np.int64),
        ("probe_next_us", np.int64),  # the earliest time for the next
        ("probe_failures", np.int64),
        ("confirmed", np.int64),  # the probe that has confirmed the one before last, 0: none
        ("confirm_round", np.int64),  # how many have, one after the other
        ("confirm_bps", np.float64),  # the rate of the next of them
        ("confirm_us", np.int64),  # when the last of them did
    ],
    probe_result=[
        ("shown_bps", np.float64),  # by probes, the most lately; 0: nothing yet
        ("probe_slowed", np.int32),  # 1: the last result is of packets that came slower than they were sent
        ("cluster_probe", np.int64, (CLUSTERS,)),
        ("cluster_bps", np.float64, (CLUSTERS,)),
        ("cluster_least_bytes", np.int64, (CLUSTERS,)),  # that must arrive for a result
        ("cluster_sent_packets", np.int64, (CLUSTERS,)),
        ("cluster_packets", np.int64, (CLUSTERS,)),  # that arrived, as the following
        ("cluster_bytes", np.int64, (CLUSTERS,)),
        ("cluster_first_sent_us", np.int64, (CLUSTERS,)),
        ("cluster_last_sent_us", np.int64, (CLUSTERS,)),
        ("cluster_last_bytes", np.int64, (CLUSTERS,)),
        ("cluster_first_arrival_us", np.int64, (CLUSTERS,)),
        ("cluster_first_bytes", np.int64, (CLUSTERS,)),
        ("cluster_last_arrival_us", np.int64, (CLUSTERS,)),
        # those of them that one feedback told of together: only their times can always be compared
        ("cluster_feedback", np.int64, (CLUSTERS,)),  # the last of these feedbacks
        ("cluster_told_us", np.int64, (CLUSTERS,)),  # the latest arrival that it told of
        ("cluster_spread_us", np.int64, (CLUSTERS,)),  # from the first to the last in each, summed up
        ("cluster_spread_bytes", np.int64, (CLUSTERS,)),  # that came in this time
    ],
)
ESTIMATOR = ESTIMATOR_COLUMNS.dtype
