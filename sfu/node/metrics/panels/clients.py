"""Records, HTTP and what LiveKit's platforms are told."""

from __future__ import annotations

from sfu.node.metrics.panels.panel import Panel, Row, by, rate, rates

CLIENTS = (
    Row(
        "Records",
        (
            Panel("Recordings", "short", {"{{state}}": "sum by (state) (sfu_recordings)"}, "That are being made."),
            Panel("Alarms", "short", {"{{instance}} {{what}}": "sfu_recording_alarms"}, "All of these should be zero."),
            Panel(
                "Ended",
                "short",
                {"{{cause}}": "sum by (cause) (increase(sfu_recordings_ended_total[$__rate_interval]))"},
                "`failed` should be zero.",
            ),
            Panel("Written", "Bps", rates(media="sfu_recording_bytes_total"), "Mirrors included."),
            Panel(
                "Left open by a crash",
                "short",
                {"recovered": "increase(sfu_records_recovered_total[1h])", "{{why}}": "sfu_records_not_recovered"},
                "Found when a node started; what is not recovered should be zero.",
            ),
            Panel("Missed", "pps", rates(packets="sfu_recording_missed_packets_total"), "Should be zero."),
            Panel(
                "Free space",
                "bytes",
                {
                    "{{instance}} {{place}}": "sfu_recording_free_bytes",
                    "{{instance}} least": "sfu_recording_least_free_bytes",
                },
                "Below the least an alarm rings.",
            ),
        ),
    ),
    Row(
        "HTTP",
        (
            Panel("Requests", "reqps", by("status", "sfu_http_requests_total"), "By the status of the answer."),
            Panel(
                "Time to the answer",
                "s",
                {
                    "{{route}}": "histogram_quantile(0.95, sum by (le, route) "
                    f"({rate('sfu_http_request_duration_seconds_bucket')}))"
                },
                "The slowest twentieth.",
            ),
            Panel(
                "HTTP connections",
                "short",
                {"{{instance}}": "sfu_http_connections", "{{instance}} limit": "sfu_http_connections_limit"},
                "Event streams included.",
            ),
            Panel(
                "Waiting",
                "short",
                {
                    "{{instance}} requests": "sfu_http_waiting_requests",
                    "{{instance}} remembered": "sfu_http_request_buckets",
                },
                "Requests that wait for their turn; tokens and addresses whose rate is remembered.",
            ),
            Panel("Held", "bytes", {"{{instance}}": "sfu_http_held_bytes"}, "What waits in connections."),
            Panel(
                "Kept out",
                "reqps",
                {
                    "sessions: {{reason}}": f"sum by (reason) ({rate('sfu_refused_sessions_total')})",
                    "streams: {{reason}}": f"sum by (reason) ({rate('sfu_refused_event_streams_total')})",
                    "requests: {{reason}}": f"sum by (reason) ({rate('sfu_http_refused_requests_total')})",
                    "connections: {{reason}}": f"sum by (reason) ({rate('sfu_http_ended_connections_total')})",
                },
                "Who met which limit.",
            ),
        ),
    ),
    Row(
        "LiveKit",
        (
            Panel(
                "Calls",
                "reqps",
                {"{{method}} {{code}}": f"sum by (method, code) ({rate('sfu_livekit_calls_total')})"},
                "API.",
            ),
            Panel("Data not passed on", "pps", by("reason", "sfu_livekit_data_lost_total"), "By reason."),
            Panel(
                "Agents",
                "short",
                {"workers": "sum(sfu_livekit_workers)", "jobs": "sum(sfu_livekit_jobs)"},
                "That are here.",
            ),
            Panel(
                "Webhooks",
                "short",
                {
                    "waiting": "sum(sfu_webhooks_waiting)",
                    "alarm: {{what}}": "sum by (what) (sfu_webhook_alarm)",
                    "attempts a second: {{result}}": f"sum by (result) ({rate('sfu_webhook_attempts_total')})",
                    "given up": "sum(increase(sfu_webhooks_lost_total[$__rate_interval]))",
                },
                "What the platform is told.",
            ),
            Panel("Oldest webhook", "s", {"{{instance}}": "sfu_webhook_oldest_seconds"}, "That waits."),
            Panel("Outbox", "bytes", {"{{instance}}": "sfu_webhook_outbox_bytes"}, "On disk."),
        ),
    ),
)
