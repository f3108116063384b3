"""Media, in both directions."""

from __future__ import annotations

from sfu.node.metrics.panels.panel import Panel, Row, rate, rates, spread

MEDIA = (
    Row(
        "From publishers",
        (
            Panel("Tracks", "short", {"{{kind}}": "sum by (kind) (sfu_tracks)"}, "What is published."),
            Panel(
                "Encodings", "short", {"{{codec}}": "sum by (codec) (sfu_encodings_active)"}, "Whose media come now."
            ),
            Panel("Bit rate", "bps", {"{{codec}}": "sum by (codec) (sfu_encodings_bit_rate_bps)"}, "As it is now."),
            Panel(
                "Media",
                "pps",
                {
                    "{{codec}}": f"sum by (codec) ({rate('sfu_encodings_packets_total')})",
                    "{{codec}} lost": f"sum by (codec) ({rate('sfu_encodings_lost_packets_total')})",
                },
                "Packets, and those that did not come in the first place.",
            ),
            Panel(
                "Payload",
                "Bps",
                {"{{codec}}": f"sum by (codec) ({rate('sfu_encodings_bytes_total')})"},
                "Without headers.",
            ),
            Panel("Loss", "percentunit", spread("sfu_encoding_fraction_lost", "kind"), "On the way here."),
            Panel("Jitter", "s", spread("sfu_encoding_jitter_seconds", "kind"), "On the way here."),
            Panel("Round trip", "s", spread("sfu_encoding_round_trip_seconds", "kind"), "To publishers and back."),
            Panel(
                "Repair",
                "pps",
                rates(
                    came_again="sfu_repaired_packets_total",
                    carried_nothing="sfu_repair_padding_total",
                    feedback="sfu_sent_feedback_total",
                )
                | {"{{codec}} asked again": f"sum by (codec) ({rate('sfu_encodings_nacks_sent_total')})"},
                "What was lost, and what came of it.",
            ),
            Panel(
                "Key frames asked for",
                "ops",
                rates(unknown_structure="sfu_unknown_structure_total")
                | {"{{codec}}": f"sum by (codec) ({rate('sfu_encodings_key_frame_requests_total')})"},
                "Many are a sign of losses, or of people who come and go.",
            ),
        ),
    ),
    Row(
        "To subscribers",
        (
            Panel(
                "Subscriptions",
                "short",
                {"{{kind}} {{layer}}": "sum by (kind, layer) (sfu_subscriptions)"},
                "By layer.",
            ),
            Panel("Loss", "percentunit", spread("sfu_subscription_fraction_lost", "kind"), "On the way to them."),
            Panel("Jitter", "s", spread("sfu_subscription_jitter_seconds", "kind"), "On the way to them."),
            Panel("Round trip", "s", spread("sfu_subscription_round_trip_seconds", "kind"), "To them and back."),
            Panel("Paths", "bps", spread("sfu_path_estimate_bps"), "What the paths to clients carry."),
            Panel(
                "Queues on paths",
                "s",
                spread("sfu_path_queue_delay_seconds"),
                "How much later than at best packets come.",
            ),
            Panel(
                "Short paths", "short", {"clients": "sum(sfu_paths_short)"}, "Who could use more than his path carries."
            ),
            Panel(
                "Sent again",
                "pps",
                rates(
                    sent_again="sfu_retransmitted_packets_total",
                    feedback="sfu_received_feedback_total",
                    reports="sfu_sent_reports_total",
                    feedback_of_what_was_never_sent="sfu_feedback_unsent_total",
                )
                | {"not sent again: {{reason}}": f"sum by (reason) ({rate('sfu_not_retransmitted_packets_total')})"},
                "What subscribers lost, and what came of it.",
            ),
            Panel(
                "Shaped",
                "pps",
                rates(
                    waited_for_the_pacer="sfu_paced_packets_total",
                    probes="sfu_padding_packets_total",
                    filled="sfu_filled_packets_total",
                    layer_switches="sfu_layer_switches_total",
                ),
                "What congestion control does.",
            ),
        ),
    ),
)
