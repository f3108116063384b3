"""What an operator sees: Grafana's dashboard is made of this table.

`python -m tests.reference` writes `examples/operating/sfu-dashboard.json`. Each metric of the node stands in a panel.
The range of a rate is `$__rate_interval`, and what limits a panel to the chosen nodes is added when the file is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Panel:
    """One graph."""

    title: str
    unit: str
    """As Grafana calls it: `short`, `bps`, `bytes`, `s`, `percentunit`, `pps`, `reqps`."""
    queries: Mapping[str, str]
    """PromQL by legend, in which `{{label}}` stands for a label's value."""
    text: str
    """What there is to see."""


@dataclass(frozen=True, slots=True)
class Row:
    """Graphs that belong together."""

    title: str
    panels: tuple[Panel, ...]


def _rates(**names: str) -> dict[str, str]:
    """Rates of counters by what they are called in the legend, where `_` is a blank."""
    return {legend.replace("_", " "): f"sum by (instance) ({_rate(name)})" for legend, name in names.items()}


def _rate(name: str) -> str:
    return f"rate({name}[$__rate_interval])"


def _ratio(of: str, to: str) -> str:
    return f"{_rate(of)} / {_rate(to)}"


def _by(label: str, name: str) -> dict[str, str]:
    return {f"{{{{{label}}}}}": f"sum by ({label}) ({_rate(name)})"}


def _spread(histogram: str, by: str = "") -> dict[str, str]:
    """The median and the worst twentieth of streams as they are now."""
    labels, kind = (f"le, {by}", f"{{{{{by}}}}} ") if by else ("le", "")
    return {
        f"{kind}{word}": f"histogram_quantile({share}, sum by ({labels}) ({histogram}_bucket))"
        for word, share in (("median", 0.5), ("worst 5 %", 0.95))
    }


_LOSSES = "notice_ring_full|relay_ring_full|receive_failed|send_congested|send_failed|tap_ring_full|internal_error"

DASHBOARD = (
    Row(
        "The node",
        (
            Panel(
                "Alerts that fire",
                "short",
                {"{{alertname}} {{instance}}": 'ALERTS{alertname=~"Sfu.*", alertstate="firing"}'},
                "Nothing is best. What each means and what to do: the runbook.",
            ),
            Panel(
                "Up, for how long",
                "s",
                {"{{instance}}": 'time() - process_start_time_seconds{job="sfu"}', "{{instance}} up": 'up{job="sfu"}'},
                "A line that falls to zero is a restart.",
            ),
            Panel("Rooms and peers", "short", {"rooms": "sum(sfu_rooms)", "peers": "sum(sfu_peers)"}, "Who is there."),
            Panel("Connections", "short", {"{{state}}": "sum by (state) (sfu_connections)"}, "By their state."),
            Panel(
                "Connections of shards",
                "short",
                {"{{instance}} shard {{shard}}": "sfu_shard_connections"},
                "How evenly rooms are spread over the shards.",
            ),
            Panel(
                "Sessions and streams",
                "short",
                {"WHIP and WHEP": "sum(sfu_http_sessions)", "event streams": "sum(sfu_event_streams)"},
                "What HTTP clients have open.",
            ),
        ),
    ),
    Row(
        "Load",
        (
            Panel(
                "Threads",
                "percentunit",
                {
                    "{{instance}} plane {{shard}}": _rate("sfu_plane_cpu_seconds_total"),
                    "{{instance}} event loop": _rate("sfu_control_cpu_seconds_total"),
                    "{{instance}} process": 'rate(process_cpu_seconds_total{job="sfu"}[$__rate_interval])',
                },
                "Share of a core. A plane or the event loop at 1 cannot do more; the process has several.",
            ),
            Panel(
                "Memory",
                "bytes",
                {
                    "{{instance}}": 'process_resident_memory_bytes{job="sfu"}',
                    "{{instance}} may have": "sfu_memory_limit_bytes",
                },
                "It grows with people, and stays when they leave; it must not grow without them.",
            ),
            Panel(
                "Descriptors",
                "short",
                {
                    "{{instance}} open": 'process_open_fds{job="sfu"}',
                    "{{instance}} limit": "sfu_descriptors_limit",
                    "{{instance}} kept for media and records": "sfu_descriptors_reserved",
                    "{{instance}} wanted": "sfu_descriptors_wanted",
                },
                "Above the limit what is wanted cannot be had.",
            ),
            Panel(
                "Lost in the node",
                "pps",
                {
                    "{{reason}}": f'sum by (reason) (rate(sfu_drops_total{{reason=~"{_LOSSES}"}}[$__rate_interval]))',
                    "socket of shard {{shard}}": f"sum by (shard) ({_rate('sfu_socket_lost_messages_total')})",
                    **_rates(control_could_not_send="sfu_control_send_failed_total"),
                },
                "All of these should be zero: they are our own faults, not the clients'.",
            ),
            Panel(
                "Everything dropped",
                "pps",
                _by("reason", "sfu_drops_total"),
                "What strangers send is dropped by rule: a line here is no fault by itself.",
            ),
            Panel(
                "Packets a message",
                "short",
                {
                    "{{instance}} sent": _ratio("sfu_sent_packets_total", "sfu_sent_messages_total"),
                    "{{instance}} received": _ratio("sfu_received_datagrams_total", "sfu_receive_calls_total"),
                },
                "The higher, the cheaper. At 1 the system refuses UDP GSO, or there is next to nothing to send.",
            ),
        ),
    ),
    Row(
        "The sockets",
        (
            Panel(
                "Bit rates",
                "bps",
                {
                    "{{instance}} in": f"8 * {_rate('sfu_received_bytes_total')}",
                    "{{instance}} out": f"8 * {_rate('sfu_sent_bytes_total')}",
                },
                "UDP payload.",
            ),
            Panel(
                "Packets",
                "pps",
                _rates(
                    datagrams_in="sfu_received_datagrams_total",
                    media_in="sfu_received_rtp_total",
                    out="sfu_sent_packets_total",
                    shard_to_shard="sfu_relayed_packets_total",
                    to_recorders="sfu_tapped_packets_total",
                    by_the_event_loop="sfu_control_sent_total",
                ),
                "What passes.",
            ),
            Panel(
                "System calls",
                "ops",
                _rates(
                    receive="sfu_receive_calls_total",
                    send="sfu_send_calls_total",
                    messages_refused_by_GSO="sfu_gso_refused_total",
                ),
                "Refused ones are sent packet by packet, and tried again after a minute.",
            ),
        ),
    ),
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
                    "{{codec}}": f"sum by (codec) ({_rate('sfu_encodings_packets_total')})",
                    "{{codec}} lost": f"sum by (codec) ({_rate('sfu_encodings_lost_packets_total')})",
                },
                "Packets, and those that did not come in the first place.",
            ),
            Panel(
                "Payload",
                "Bps",
                {"{{codec}}": f"sum by (codec) ({_rate('sfu_encodings_bytes_total')})"},
                "Without headers.",
            ),
            Panel("Loss", "percentunit", _spread("sfu_encoding_fraction_lost", "kind"), "On the way here."),
            Panel("Jitter", "s", _spread("sfu_encoding_jitter_seconds", "kind"), "On the way here."),
            Panel("Round trip", "s", _spread("sfu_encoding_round_trip_seconds", "kind"), "To publishers and back."),
            Panel(
                "Repair",
                "pps",
                _rates(
                    came_again="sfu_repaired_packets_total",
                    carried_nothing="sfu_repair_padding_total",
                    feedback="sfu_sent_feedback_total",
                )
                | {"{{codec}} asked again": f"sum by (codec) ({_rate('sfu_encodings_nacks_sent_total')})"},
                "What was lost, and what came of it.",
            ),
            Panel(
                "Key frames asked for",
                "ops",
                _rates(unknown_structure="sfu_unknown_structure_total")
                | {"{{codec}}": f"sum by (codec) ({_rate('sfu_encodings_key_frame_requests_total')})"},
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
            Panel("Loss", "percentunit", _spread("sfu_subscription_fraction_lost", "kind"), "On the way to them."),
            Panel("Jitter", "s", _spread("sfu_subscription_jitter_seconds", "kind"), "On the way to them."),
            Panel("Round trip", "s", _spread("sfu_subscription_round_trip_seconds", "kind"), "To them and back."),
            Panel("Paths", "bps", _spread("sfu_path_estimate_bps"), "What the paths to clients carry."),
            Panel(
                "Queues on paths",
                "s",
                _spread("sfu_path_queue_delay_seconds"),
                "How much later than at best packets come.",
            ),
            Panel(
                "Short paths", "short", {"clients": "sum(sfu_paths_short)"}, "Who could use more than his path carries."
            ),
            Panel(
                "Sent again",
                "pps",
                _rates(
                    sent_again="sfu_retransmitted_packets_total",
                    feedback="sfu_received_feedback_total",
                    feedback_of_what_was_never_sent="sfu_feedback_unsent_total",
                )
                | {"not sent again: {{reason}}": f"sum by (reason) ({_rate('sfu_not_retransmitted_packets_total')})"},
                "What subscribers lost, and what came of it.",
            ),
            Panel(
                "Shaped",
                "pps",
                _rates(
                    waited_for_the_pacer="sfu_paced_packets_total",
                    probes="sfu_padding_packets_total",
                    filled="sfu_filled_packets_total",
                    layer_switches="sfu_layer_switches_total",
                ),
                "What congestion control does.",
            ),
        ),
    ),
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
            Panel("Written", "Bps", _rates(media="sfu_recording_bytes_total"), "Mirrors included."),
            Panel("Missed", "pps", _rates(packets="sfu_recording_missed_packets_total"), "Should be zero."),
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
            Panel("Requests", "reqps", _by("status", "sfu_http_requests_total"), "By the status of the answer."),
            Panel(
                "Time to the answer",
                "s",
                {
                    "{{route}}": "histogram_quantile(0.95, sum by (le, route) "
                    f"({_rate('sfu_http_request_duration_seconds_bucket')}))"
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
                    "sessions: {{reason}}": f"sum by (reason) ({_rate('sfu_refused_sessions_total')})",
                    "streams: {{reason}}": f"sum by (reason) ({_rate('sfu_refused_event_streams_total')})",
                    "requests: {{reason}}": f"sum by (reason) ({_rate('sfu_http_refused_requests_total')})",
                    "connections: {{reason}}": f"sum by (reason) ({_rate('sfu_http_ended_connections_total')})",
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
                {"{{method}} {{code}}": f"sum by (method, code) ({_rate('sfu_livekit_calls_total')})"},
                "API.",
            ),
            Panel("Data not passed on", "pps", _by("reason", "sfu_livekit_data_lost_total"), "By reason."),
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
                    "attempts a second: {{result}}": f"sum by (result) ({_rate('sfu_webhook_attempts_total')})",
                    "given up": "sum(increase(sfu_webhooks_lost_total[$__rate_interval]))",
                },
                "What the platform is told.",
            ),
            Panel("Oldest webhook", "s", {"{{instance}}": "sfu_webhook_oldest_seconds"}, "That waits."),
            Panel("Outbox", "bytes", {"{{instance}}": "sfu_webhook_outbox_bytes"}, "On disk."),
        ),
    ),
)
