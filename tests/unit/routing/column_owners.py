"""Whose each column of the tables is: the one module that may write it, and who else does so far.

Beside the owner of a column only those write it that open the rows of its table, or begin them anew (`OPENING`), and
who is named in `ALSO`: each entry there is a second hand in somebody's state, which the owner could offer a kernel for.
Columns stand in one string, since that is read best; `*` is a whole row, or an element of a plain array.
"""

from __future__ import annotations

FREE = frozenset({"counters"})
"""Tables that anybody writes."""

OPENING = {
    "connections": "routing.connection_commands routing.commands",
    "tracks": "routing.media_commands routing.commands",
    "encodings": "routing.media_commands routing.commands",
    "subscriptions": "routing.media_commands routing.commands",
    "estimators": "bwe.state",
    "structures": "routing.media_commands",
    "logs": "routing.media_commands",
    "sealed": "routing.media_commands",
    "sealed_written": "routing.media_commands",
    "addresses": "routing.connection_commands",
    "queue_index": "routing.connection_commands",
    "allowances": "routing.connection_commands",
}

OWNERS = {
    "connections": {
        "routing.arrival_report": (
            "report_media report_first report_highest report_count report_due_us report_bytes report_us reporting"
        ),
        "routing.connection_commands": (
            "active address_bytes address receive_session send_session extension_kind extension_id "
            "controlled reports report_ssrc mixed"
        ),
        "routing.estimates": "told_bps told_us probe_free_us",
        "routing.ingress": "packets_in bytes_in last_arrival_us",
        "routing.media_commands": "first_encoding first_subscription subscriptions",
        "routing.pacing": "free_us busy queued_bytes",
        "routing.repeat": "repair_tokens repair_refill_us",
        "routing.rewrite": "transport_sequence",
        "routing.send": "gso_bytes gso_retry_us packets_out bytes_out",
        "routing.sources": "sources retired source_free_us",
        "routing.uplink": "uplink_bps uplink_us",
    },
    "tracks": {
        "routing.fanout": "batch_first batch_last",
        "routing.history": "kept",
        "routing.media_commands": "active tapped relayed use relay relay_use",
        "routing.subscribing": "first_subscription subscriptions",
    },
    "encodings": {
        "routing.classify": "ssrc former_ssrc replaced_us key_frames_before aligned",
        "routing.describe": (
            "key_frames spatial_layers spatial_top temporal_layers stranded key_timestamp layer_octets "
            "levels loudness voiced"
        ),
        "routing.ingress": "repaired",
        "routing.media_commands": (
            "active track connection next payload_type redundant_type audio codec index repairs asks "
            "clock_rate mid_bytes rid_bytes mid rid shift"
        ),
        "routing.reception": (
            "generation packets octets base_sequence extended_sequence jitter_16 transit last_timestamp "
            "last_arrival_us resume_sequence"
        ),
    },
    "subscriptions": {
        "routing.media_commands": (
            "active paused connection sibling ssrc payload_type redundant_type wide pads repair_type "
            "repair_ssrc repeat_interval_ms log sealed sealed_bytes mid_bytes mid target_index "
            "target_spatial target_temporal seed_timestamp"
        ),
        "routing.nack": "nacks missed_us",
        "routing.numbering": (
            "picture_ended dropped_picture shift_count shift_first picture_offset tl0_offset frame_offset "
            "last_picture last_tl0 last_frame common_offset aligned started source sequence_offset "
            "timestamp_offset last_sequence last_timestamp last_arrival_us seed_sequence"
        ),
        "routing.padding": "padded",
        "routing.repeat": "repair_tokens repair_refill_us repeated not_repeated",
        "routing.rewrite": (
            "repair_sequence packets octets template_bytes abs_send_time_at transport_sequence_at template"
        ),
        "routing.select": (
            "current_index current_spatial current_temporal intact picture_timestamp changed_at highest "
            "given_sets switches pictures freezes picture_gap_us picture_arrival_us"
        ),
        "routing.stretches": "stretch_count",
        "routing.subscribing": "track next previous",
    },
    "by_address": {
        "routing.index": "*",
    },
    "by_ssrc": {
        "routing.index": "*",
    },
    "touched": {
        "routing.fanout": "*",
    },
    "arrivals": {
        "routing.reception": "*",
    },
    "structures": {
        "routing.classify": "valid",
        "routing.describe": "*",
    },
    "shifts": {
        "routing.numbering": "sequence sequence_offset picture_offset",
    },
    "logs": {
        "routing.history": "history timestamp sequence picture frame tl0 flags",
        "routing.repeat": "repeated_ms repeats",
    },
    "estimators": {
        "bwe.contest": (
            "brakes stands_us braked_us braked_bps high_bps high_us contested_us shortest_ms longest_ms "
            "accepted_us accepted_bps"
        ),
        "bwe.delay": (
            "groups first_sent_us last_sent_us first_arrival_us last_arrival_us before_sent_us "
            "before_arrival_us reordered open least_us least_before_us least_since_us queue_ms usual_ms "
            "interval_least_us standing_ms stood_ms trend_start_us deltas accumulated_ms smoothed_ms "
            "point_ms point_delay_ms trend threshold_ms threshold_us overused_ms overused_groups usage "
            "arrived_bytes group_bytes group_sent_us group_arrival_us"
        ),
        "bwe.estimate": (
            "estimate_bps lasting_bps remote_bps limit_bps round_trip_us feedbacks unread feedback_us "
            "unanswered_us reference_us starved_us unused_us unused_bps acked_sent_us"
        ),
        "bwe.full_path": "full_bps full_us",
        "bwe.loss": (
            "loss_bps loss observations observation_us open_bytes open_lost_bytes observed_bytes "
            "observed_lost_bytes observed_bps congested inherent_loss loss_limited loss_window_us "
            "loss_window_bps"
        ),
        "bwe.probing": (
            "probe_number probe probe_bps probe_us probe_bytes probe_started_us probe_next_us "
            "probe_failures probe_slowed confirmed confirm_round confirm_bps confirm_us cluster_probe "
            "cluster_bps cluster_least_bytes cluster_sent_packets cluster_packets cluster_bytes "
            "cluster_first_sent_us cluster_last_sent_us cluster_last_bytes cluster_first_arrival_us "
            "cluster_first_bytes cluster_last_arrival_us"
        ),
        "bwe.rate_control": (
            "delay_bps shown_bps phase changed_us decreased_us recover_bps capacity_bps capacity_deviation"
        ),
        "bwe.receiver_clock": "reported_us backward untimed",
        "bwe.throughput": "acked_bps sent_bps",
    },
    "sent": {
        "bwe.estimate": "fate",
        "bwe.sent_log": "sent_us sequence size probe",
    },
    "arrived": {
        "routing.arrival_report": "*",
    },
    "addresses": {
        "routing.connection_commands": "held use address",
        "routing.feedback": "heard_us",
    },
    "source_ssrcs": {
        "routing.sources": "*",
    },
    "source_heard": {
        "routing.sources": "*",
    },
    "retired": {
        "routing.sources": "*",
    },
    "queue_index": {
        "routing.pacing": "*",
    },
    "queues": {
        "routing.pacing": "*",
    },
    "busy": {
        "routing.pacing": "*",
    },
    "reporting": {
        "routing.arrival_report": "*",
    },
    "history_packets": {
        "routing.history": "next *",
        "routing.parameters": "payload_bytes marker source pad history key frame_end",
        "routing.rings": "start payload extension_at",
    },
    "history_data": {
        "routing.history": "*",
    },
    "history_written": {
        "routing.history": "*",
    },
    "stretches": {
        "routing.stretches": (
            "source highest shift_first shift_end left_us timestamp_offset tl0_offset frame_offset spatial temporal"
        ),
    },
    "sealed": {
        "routing.repeat": "repeated_ms repeats",
        "routing.sealed": "at wide bytes sequence",
    },
    "sealed_data": {
        "routing.sealed": "*",
    },
    "sealed_written": {
        "routing.sealed": "*",
    },
    "parameters": {
        "routing.parameters": (
            "bytes data changes sequence_timestamp picture_timestamp gap_timestamp in_band told_bytes told"
        ),
    },
    "allowances": {
        "routing.allowances": "*",
    },
    "ufrags": {
        "routing.connection_commands": "*",
    },
    "by_ufrag": {
        "routing.index": "*",
    },
}

ALSO = {
    "connections": {
        "probe_free_us": "routing.release",
        "busy": "routing.release",
    },
    "encodings": {
        "generation": "routing.classify",
        "extended_sequence": "routing.ingress",
    },
    "subscriptions": {
        "repair_sequence": "routing.padding",
        "current_index": "routing.subscribing",
        "highest": "routing.numbering",
        "given_sets": "routing.numbering",
        "aligned": "routing.subscribing",
        "pictures": "routing.subscribing",
        "repeated": "routing.padding",
        "source": "routing.stretches",
        "packets": "routing.padding",
    },
    "logs": {
        "flags": "routing.release",
        "repeated_ms": "routing.history",
        "repeats": "routing.history",
    },
    "estimators": {
        "delay_bps": "bwe.contest bwe.estimate bwe.receiver_clock",
        "loss_bps": "bwe.estimate",
        "round_trip_us": "routing.connection_commands",
        "feedback_us": "routing.uplink",
        "unanswered_us": "routing.pacing",
        "least_us": "bwe.contest",
        "least_before_us": "bwe.contest",
        "decreased_us": "bwe.contest bwe.receiver_clock",
        "recover_bps": "bwe.contest bwe.receiver_clock",
        "capacity_bps": "bwe.contest",
        "full_bps": "bwe.contest bwe.probing bwe.receiver_clock",
        "full_us": "bwe.probing",
        "observation_us": "routing.uplink",
        "congested": "bwe.rate_control",
        "probe_bps": "routing.release",
        "probe_next_us": "bwe.estimate",
    },
    "sent": {
        "fate": "bwe.sent_log",
    },
    "addresses": {
        "heard_us": "routing.ingress",
    },
    "busy": {
        "*": "routing.release",
    },
    "history_packets": {
        "next": "routing.parameters",
        "*": "routing.parameters",
    },
    "history_data": {
        "*": "routing.parameters",
    },
    "history_written": {
        "*": "routing.parameters",
    },
    "sealed": {
        "repeated_ms": "routing.sealed",
        "repeats": "routing.sealed",
    },
}
