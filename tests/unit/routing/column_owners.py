"""Whose each column of the tables is: the one module that may write it, and who else does so far.

Beside the owner of a column only those write it that open the rows of its table, or begin them anew (`OPENING`), and
who is named in `ALSO`: each entry there is a second hand in somebody's state, which the owner could offer a kernel for.
Columns stand in one string, since that is read best; `*` is a whole row, or an element of a plain array.
"""

from __future__ import annotations

FREE = frozenset({"counters"})
"""Tables that anybody writes."""

OPENING = {
    "connections": "routing.kernels.connection_commands",
    "tracks": "routing.kernels.media_commands",
    "encodings": "routing.kernels.media_commands",
    "subscriptions": "routing.kernels.subscription_commands",
    "estimators": "bwe.kernels.reset",
    "logs": "routing.kernels.history",
    "sealed": "routing.kernels.sealed",
    "addresses": "routing.kernels.connection_commands",
}

OWNERS = {
    "connections": {
        "routing.kernels.arrival_report": (
            "report_media report_first report_highest report_count report_due_us report_bytes report_us reporting"
        ),
        "routing.kernels.connection_commands": (
            "active address_bytes address receive_srtp send_srtp extension_kind extension_id "
            "controlled reports report_ssrc mixed"
        ),
        "routing.kernels.estimates": "reported_bps reported_us",
        "routing.kernels.ingress": "packets_in bytes_in last_arrival_us",
        "routing.kernels.media_commands": "first_encoding",
        "routing.kernels.pacing": "probe_free_us free_us busy queued_bytes",
        "routing.kernels.repeat": "repair_tokens repair_refill_us",
        "routing.kernels.template": "transport_sequence",
        "routing.kernels.send": "gso_bytes gso_retry_us packets_out bytes_out",
        "routing.kernels.sources": "sources retired source_free_us",
        "routing.kernels.subscription_commands": "first_subscription subscriptions",
        "routing.kernels.uplink": "uplink_bps uplink_us",
    },
    "tracks": {
        "routing.kernels.fanout": "batch_first batch_last",
        "routing.kernels.history": "kept",
        "routing.kernels.media_commands": "active tapped relayed generation relay relay_generation",
        "routing.kernels.subscribing": "first_subscription subscriptions",
    },
    "encodings": {
        "routing.kernels.classify": "clock_offset ssrc former_ssrc replaced_us key_frames_before aligned",
        "routing.kernels.describe": (
            "key_frames spatial_layers spatial_top temporal_layers needs_key_frame key_timestamp layer_octets "
            "levels loudness voiced"
        ),
        "routing.kernels.media_commands": (
            "active track connection next payload_type redundant_type audio codec index repairs asks "
            "clock_rate mid_bytes rid_bytes mid rid"
        ),
        "routing.kernels.reception": (
            "repaired generation packets octets base_sequence extended_sequence jitter_16 transit last_timestamp "
            "last_arrival_us resume_sequence"
        ),
    },
    "subscriptions": {
        "routing.kernels.subscription_commands": (
            "active paused connection sibling ssrc payload_type redundant_type transport_cc pads repair_type "
            "repair_ssrc repeat_interval_ms log sealed sealed_bytes mid_bytes mid target_index "
            "target_spatial target_temporal seed_timestamp"
        ),
        "routing.kernels.nack": "nacks missed_us",
        "routing.kernels.numbering": (
            "highest picture_ended dropped_picture renumbering_count renumbering_first picture_offset tl0_offset frame_offset "
            "last_picture last_tl0 last_frame common_offset aligned started source sequence_offset "
            "timestamp_offset last_sequence last_timestamp last_arrival_us seed_sequence"
        ),
        "routing.kernels.padding": "padded",
        "routing.kernels.repeat": "repair_tokens repair_refill_us not_repeated",
        "routing.kernels.rewrite": "repeated repair_sequence packets octets",
        "routing.kernels.template": "template_bytes abs_send_time_at transport_sequence_at template",
        "routing.kernels.select": (
            "current_index current_spatial current_temporal intact picture_timestamp changed_at "
            "given_sets switches pictures freezes picture_gap_us picture_arrival_us"
        ),
        "routing.kernels.left_sources": "left_source_count",
        "routing.kernels.subscribing": "track next previous",
    },
    "by_address": {
        "routing.kernels.index": "*",
    },
    "by_ssrc": {
        "routing.kernels.index": "*",
    },
    "touched": {
        "routing.kernels.fanout": "*",
    },
    "arrivals": {
        "routing.kernels.reception": "*",
    },
    "structures": {
        "routing.kernels.describe": "valid *",
    },
    "renumberings": {
        "routing.kernels.numbering": "sequence sequence_offset picture_offset",
    },
    "logs": {
        "routing.kernels.history": "history timestamp sequence picture frame tl0 flags",
        "routing.kernels.repeat": "repeated_ms repeats",
    },
    "estimators": {
        "bwe.kernels.tcp_competition": (
            "brakes stands_us braked_us braked_bps high_bps high_us tcp_competition_us shortest_ms longest_ms "
            "accepted_us accepted_bps"
        ),
        "bwe.kernels.delay": (
            "groups first_sent_us last_sent_us first_arrival_us last_arrival_us before_sent_us "
            "before_arrival_us reordered open least_us least_before_us least_since_us queue_ms usual_ms "
            "interval_least_us standing_ms stood_ms trend_start_us deltas accumulated_ms smoothed_ms "
            "point_ms point_delay_ms trend threshold_ms threshold_us overused_ms overused_groups usage "
            "arrived_bytes group_bytes group_sent_us group_arrival_us"
        ),
        "bwe.kernels.estimate": (
            "estimate_bps lasting_bps remote_bps limit_bps round_trip_us feedbacks unread feedback_us "
            "unanswered_us reference_us starved_us unused_us unused_bps acked_sent_us"
        ),
        "bwe.kernels.full_path": "full_bps full_us",
        "bwe.kernels.loss": (
            "loss_bps loss observations observation_us open_bytes open_lost_bytes observed_bytes "
            "observed_lost_bytes observed_bps congested inherent_loss loss_limited loss_window_us "
            "loss_window_bps"
        ),
        "bwe.kernels.probing": (
            "probe_number probe probe_bps probe_us probe_bytes probe_started_us probe_next_us "
            "probe_failures probe_slowed confirmed confirm_round confirm_bps confirm_us cluster_probe "
            "cluster_bps cluster_least_bytes cluster_sent_packets cluster_packets cluster_bytes "
            "cluster_first_sent_us cluster_last_sent_us cluster_last_bytes cluster_first_arrival_us "
            "cluster_first_bytes cluster_last_arrival_us"
        ),
        "bwe.kernels.capacity": "capacity_bps capacity_deviation",
        "bwe.kernels.rate_control": "delay_bps shown_bps phase changed_us decreased_us recover_bps",
        "bwe.kernels.receiver_clock": "reported_us backward untimed",
        "bwe.kernels.throughput": "acked_bps sent_bps",
        "bwe.kernels.uplink_rate": "updated_us interval_us",
    },
    "sent": {
        "bwe.kernels.sent_log": "sent_us sequence size probe fate",
    },
    "arrived": {
        "routing.kernels.arrival_report": "*",
    },
    "addresses": {
        "routing.kernels.connection_commands": "held generation address",
        "routing.kernels.feedback": "heard_us",
    },
    "source_ssrcs": {
        "routing.kernels.sources": "*",
    },
    "source_heard": {
        "routing.kernels.sources": "*",
    },
    "retired": {
        "routing.kernels.sources": "*",
    },
    "queue_index": {
        "routing.kernels.pacing": "*",
    },
    "queues": {
        "routing.kernels.pacing": "*",
    },
    "busy": {
        "routing.kernels.pacing": "*",
    },
    "reporting": {
        "routing.kernels.arrival_report": "*",
    },
    "history_packets": {
        "routing.kernels.history": ("next * payload_bytes marker source pad history key frame_end"),
    },
    "history_data": {
        "routing.kernels.history": "*",
    },
    "history_written": {
        "routing.kernels.history": "*",
    },
    "left_sources": {
        "routing.kernels.left_sources": (
            "source highest renumbering_first renumbering_end left_us timestamp_offset tl0_offset frame_offset spatial "
            "temporal"
        ),
    },
    "sealed": {
        "routing.kernels.repeat": "repeated_ms repeats",
        "routing.kernels.sealed": "at transport_sequence bytes sequence",
    },
    "sealed_data": {
        "routing.kernels.sealed": "*",
    },
    "sealed_written": {
        "routing.kernels.sealed": "*",
    },
    "parameters": {
        "routing.kernels.parameters": (
            "bytes data changes sequence_timestamp picture_timestamp gap_timestamp in_band declared_bytes declared"
        ),
    },
    "allowances": {
        "routing.kernels.allowances": "*",
    },
    "ufrags": {
        "routing.kernels.connection_commands": "*",
    },
    "by_ufrag": {
        "routing.kernels.index": "*",
    },
}

ALSO = {
    "estimators": {
        "delay_bps": "bwe.kernels.tcp_competition",
        "least_us": "bwe.kernels.tcp_competition",
        "least_before_us": "bwe.kernels.tcp_competition",
        "decreased_us": "bwe.kernels.tcp_competition",
        "recover_bps": "bwe.kernels.tcp_competition",
        "full_bps": "bwe.kernels.probing",
        "full_us": "bwe.kernels.probing",
        "probe_next_us": "bwe.kernels.estimate",
    },
}
