"""The node: who is there, its load, its sockets."""

from __future__ import annotations

from sfu.node.metrics.panels.panel import Panel, Row, by, rate, rates, ratio

_LOSSES = "notice_ring_full|relay_ring_full|receive_failed|send_congested|send_failed|tap_ring_full|internal_error"

NODE = (
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
            Panel(
                "Rooms and peers",
                "short",
                {"rooms": "sum(sfu_rooms)", "peers": "sum(sfu_peers)", "nodes that drain": "sum(sfu_draining)"},
                "Who is there.",
            ),
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
                    "{{instance}} plane {{shard}}": rate("sfu_plane_cpu_seconds_total"),
                    "{{instance}} event loop": rate("sfu_control_cpu_seconds_total"),
                    "{{instance}} TLS and TCP": rate("sfu_tcp_cpu_seconds_total"),
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
                    "socket of shard {{shard}}": f"sum by (shard) ({rate('sfu_socket_lost_messages_total')})",
                    **rates(control_could_not_send="sfu_control_send_failed_total"),
                },
                "All of these should be zero: they are our own faults, not the clients'.",
            ),
            Panel(
                "Everything dropped",
                "pps",
                by("reason", "sfu_drops_total"),
                "What strangers send is dropped by rule: a line here is no fault by itself.",
            ),
            Panel(
                "Packets a message",
                "short",
                {
                    "{{instance}} sent": ratio("sfu_sent_packets_total", "sfu_sent_messages_total"),
                    "{{instance}} received": ratio("sfu_received_datagrams_total", "sfu_receive_calls_total"),
                },
                "The higher, the cheaper. At 1 the system refuses UDP GSO, or there is next to nothing to send.",
            ),
        ),
    ),
    Row(
        "Who gets in",
        (
            Panel(
                "Load and its bounds",
                "percentunit",
                {
                    "{{instance}} {{reason}}": "sfu_load",
                    "{{instance}} {{reason}} bound": "sfu_load_bound",
                },
                "Over some seconds. At its bound nobody new comes in; who is in stays.",
            ),
            Panel(
                "Refused by load or quota",
                "ops",
                by("reason", "sfu_refused_demands_total"),
                "Who would have come new, rooms that would have opened, recordings that would have begun.",
            ),
            Panel(
                "Quotas in use",
                "percentunit",
                {"{{tenant}} {{quota}}": "sfu_quota_used / sfu_quota_limit"},
                "Where one is set.",
            ),
            Panel(
                "Rooms, people and recordings by tenant",
                "short",
                {"{{tenant}} {{quota}}": 'sfu_quota_used{quota=~"rooms|peers|recordings"}'},
                "A tenant is a key that signs tokens.",
            ),
            Panel(
                "Bit rate by tenant",
                "bps",
                {"{{tenant}}": '1000 * sfu_quota_used{quota="kbit_per_second"}'},
                "What its people bring in and take, together.",
            ),
            Panel(
                "Minutes by tenant",
                "m",
                {"{{tenant}}": 'sfu_quota_used{quota="minutes_per_month"}'},
                "Of all its people together, in this month.",
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
                    "{{instance}} in": f"8 * {rate('sfu_received_bytes_total')}",
                    "{{instance}} out": f"8 * {rate('sfu_sent_bytes_total')}",
                },
                "UDP payload.",
            ),
            Panel(
                "Packets",
                "pps",
                rates(
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
                "Checks that a client is still there",
                "ops",
                rates(by_the_plane="sfu_answered_checks_total"),
                "Each client asks every few seconds; others are answered by the interpreter.",
            ),
            Panel(
                "System calls",
                "ops",
                rates(
                    receive="sfu_receive_calls_total",
                    send="sfu_send_calls_total",
                    messages_refused_by_GSO="sfu_gso_refused_total",
                ),
                "Refused ones are sent packet by packet, and tried again after a minute.",
            ),
        ),
    ),
    Row(
        "TLS, and media by TCP",
        (
            Panel("Connections by TCP", "short", {"{{carries}}": "sum by (carries) (sfu_tcp_connections)"}, "By use."),
            Panel("Packets by TCP", "pps", by("direction", "sfu_tcp_packets_total"), "Of media."),
            Panel(
                "Left out",
                "pps",
                by("reason", "sfu_tcp_dropped_packets_total"),
                "Video that came too late for a slow connection, before audio.",
            ),
            Panel(
                "Ended by TCP",
                "ops",
                by("reason", "sfu_tcp_ended_connections_total"),
                "Who leaves counts here, too.",
            ),
            Panel(
                "Certificate",
                "s",
                {"{{instance}}": "sfu_certificate_expires_seconds - time()"},
                "How long it is good; certbot renews it 30 days before.",
            ),
            Panel(
                "Certificate: faults",
                "short",
                {"{{instance}} {{fault}}": "sfu_certificate_fault"},
                "What is wrong with it is 1.",
            ),
        ),
    ),
)
