"""Series on which alerts must fire, and those of a healthy node that is near each limit, on which none may.

Values are written as Prometheus's unit tests write them: `a+bxn` begins at a and adds b in each of n further minutes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

DAY = 1440
"""Minutes."""


@dataclass(frozen=True)
class Trouble:
    """What is wrong, and the labels by which the alert says where."""

    series: dict[str, str]
    labels: dict[str, str] = field(default_factory=dict)
    at: str = "20m"
    quiet_at: str = "0m"
    """When it does not fire yet."""
    everywhere: bool = False
    """Not of one node: the alert has no instance."""


def still(value: float, minutes: int = 30) -> str:
    return f"{value}+0x{minutes}"


def steady(a_minute: float, minutes: int = 30) -> str:
    return f"0+{a_minute}x{minutes}"


def jumps(minutes: int = 30) -> str:
    """A counter that counts once, after five minutes."""
    return f"0+0x5 1+0x{minutes}"


_SHARE_5 = {'{le="0.05", kind="video"}': 60, '{le="+Inf", kind="video"}': 100}


def lossy(name: str) -> dict[str, str]:
    return {f"{name}{labels}": still(count) for labels, count in _SHARE_5.items()}


TROUBLES = {
    "SfuClusterCutOff": Trouble({"sfu_cluster_joined": "1x5 0x30"}, quiet_at="5m"),
    "SfuClusterRoomsLost": Trouble({"sfu_cluster_lost_rooms_total": jumps()}, at="10m"),
    "SfuDown": Trouble({"up": "1x5 0x30"}, quiet_at="5m"),
    "SfuAbsent": Trouble({'other{job="node"}': still(1)}, {}, everywhere=True),
    "SfuRestarts": Trouble({"process_start_time_seconds": "0x5 400x5 700x30"}, quiet_at="10m"),
    "SfuPlaneBusy": Trouble({'sfu_plane_cpu_seconds_total{shard="1"}': steady(57)}, {"shard": "1"}, quiet_at="5m"),
    "SfuControlBusy": Trouble({"sfu_control_cpu_seconds_total": steady(51)}, quiet_at="5m"),
    "SfuTcpBusy": Trouble({"sfu_tcp_cpu_seconds_total": steady(55)}, quiet_at="5m"),
    "SfuInternalError": Trouble({'sfu_drops_total{reason="internal_error"}': jumps()}, {"reason": "internal_error"}),
    "SfuDescriptorsLow": Trouble({"sfu_descriptors_limit": still(1024), "sfu_descriptors_wanted": still(8800)}),
    "SfuDescriptorsNearlyOut": Trouble({"process_open_fds": still(950), "process_max_fds": still(1024)}),
    "SfuDrainsLong": Trouble({"sfu_draining": still(1, 200)}, at="125m", quiet_at="115m"),
    "SfuMemoryNearlyFull": Trouble(
        {"process_resident_memory_bytes": still(3.8e9), "sfu_memory_limit_bytes": still(4e9)}, quiet_at="3m"
    ),
    "SfuMemoryGrows": Trouble(
        {
            "process_resident_memory_bytes": f"1e9+2e6x{DAY}",
            "sfu_memory_limit_bytes": still(4e9, DAY),
            "process_start_time_seconds": still(0, DAY),
        },
        at="8h",
        quiet_at="6h",
    ),
    "SfuOverloaded": Trouble(
        {'sfu_drops_total{reason="send_congested"}': steady(100)}, {"reason": "send_congested"}, quiet_at="1m"
    ),
    "SfuSocketLoses": Trouble(
        {'sfu_socket_lost_messages_total{shard="0"}': steady(100)}, {"shard": "0"}, quiet_at="1m"
    ),
    "SfuCannotSend": Trouble(
        {'sfu_drops_total{reason="send_failed"}': steady(50), "sfu_control_send_failed_total": steady(20)},
        quiet_at="4m",
    ),
    "SfuSubscribersLose": Trouble(lossy("sfu_subscription_fraction_lost_bucket"), quiet_at="4m"),
    "SfuPublishersLose": Trouble(lossy("sfu_encoding_fraction_lost_bucket"), quiet_at="4m"),
    "SfuRecordInDanger": Trouble(
        {'sfu_recording_alarms{what="write_failed"}': "0x5 1x30"}, {"what": "write_failed"}, quiet_at="5m"
    ),
    "SfuRecordLags": Trouble({'sfu_recording_alarms{what="not_signed"}': still(1)}, {"what": "not_signed"}),
    "SfuRecordFailed": Trouble(
        {'sfu_recordings_ended_total{cause="failed"}': jumps()}, {"cause": "failed"}, quiet_at="5m"
    ),
    "SfuRecordNotRecovered": Trouble({'sfu_records_not_recovered{why="refused"}': still(1)}, {"why": "refused"}),
    "SfuRecordMissesPackets": Trouble({"sfu_recording_missed_packets_total": jumps()}, at="10m", quiet_at="5m"),
    "SfuRecordDiskFills": Trouble(
        {
            'sfu_recording_free_bytes{place="mirror 1"}': f"40e9-80e6x{DAY}",
            "sfu_recording_least_free_bytes": still(1 << 30, DAY),
        },
        {"place": "mirror 1"},
        at="2h",
    ),
    "SfuRecordDiskFull": Trouble(
        {'sfu_recording_free_bytes{place="main"}': still(9e8), "sfu_recording_least_free_bytes": still(1 << 30)},
        {"place": "main"},
    ),
    "SfuRecordDiskGone": Trouble(
        {'sfu_recording_free_bytes{place="main"}': "9e9x30 stale", "up": still(1, 60)},
        {"place": "main"},
        at="40m",
        quiet_at="30m",
    ),
    "SfuRefusesNew": Trouble(
        {'sfu_refused_demands_total{reason="plane_load"}': "0+0x5 0+2x30"}, {"reason": "plane_load"}, quiet_at="5m"
    ),
    "SfuQuotaUsedUp": Trouble(
        {
            'sfu_quota_used{tenant="one", quota="peers"}': still(50),
            'sfu_quota_limit{tenant="one", quota="peers"}': still(50),
        },
        {"tenant": "one", "quota": "peers"},
        quiet_at="4m",
    ),
    "SfuRefusesSessions": Trouble(
        {'sfu_refused_sessions_total{reason="room"}': steady(30)}, {"reason": "room"}, quiet_at="4m"
    ),
    "SfuRefusesStreams": Trouble(
        {'sfu_refused_event_streams_total{reason="token"}': steady(30)}, {"reason": "token"}, quiet_at="4m"
    ),
    "SfuRefusesRequests": Trouble(
        {
            'sfu_http_refused_requests_total{reason="address"}': steady(200),
            'sfu_http_ended_connections_total{reason="full"}': steady(200),
        },
        quiet_at="4m",
    ),
    "SfuHttpNearlyFull": Trouble({"sfu_http_connections": still(8000), "sfu_http_connections_limit": still(8192)}),
    "SfuCertificateEndsSoon": Trouble(
        {"sfu_certificate_expires_seconds": still(10 * 86400, DAY)}, at="2h", quiet_at="50m"
    ),
    "SfuCertificateEnds": Trouble({"sfu_certificate_expires_seconds": still(86400)}, quiet_at="5m"),
    "SfuCertificateFault": Trouble({'sfu_certificate_fault{fault="files"}': still(1)}, {"fault": "files"}),
    "SfuWebhooksStuck": Trouble({'sfu_webhook_alarm{what="behind"}': still(1)}, {"what": "behind"}),
    "SfuWebhooksLost": Trouble({"sfu_webhooks_lost_total": jumps()}, quiet_at="5m"),
}
"""By the alert that they are the trouble of."""

HEALTHY = {
    "up": still(1, DAY),
    "process_start_time_seconds": f"-9000x60 3600x{DAY}",  # restarted once
    "sfu_draining": f"0x60 1x100 0x{DAY}",
    'sfu_plane_cpu_seconds_total{shard="0"}': steady(48, DAY),
    "sfu_control_cpu_seconds_total": steady(45, DAY),
    "sfu_tcp_cpu_seconds_total": steady(48, DAY),
    'sfu_drops_total{reason="internal_error"}': still(3, DAY),  # long ago
    'sfu_drops_total{reason="send_congested"}': steady(45, DAY),
    'sfu_drops_total{reason="send_failed"}': steady(30, DAY),
    'sfu_drops_total{reason="stun_unknown_user"}': steady(90_000, DAY),  # what strangers send
    "sfu_control_send_failed_total": steady(15, DAY),
    'sfu_socket_lost_messages_total{shard="0"}': steady(45, DAY),
    "sfu_descriptors_limit": still(65536, DAY),
    "sfu_descriptors_wanted": still(10_000, DAY),
    "process_open_fds": still(50_000, DAY),
    "process_max_fds": still(65536, DAY),
    "process_resident_memory_bytes": f"3e9+5e5x400 32e8+0x{DAY - 400}",  # a morning that fills
    "sfu_memory_limit_bytes": still(4e9, DAY),
    'sfu_subscription_fraction_lost_bucket{le="0.05", kind="video"}': still(85, DAY),
    'sfu_subscription_fraction_lost_bucket{le="+Inf", kind="video"}': still(100, DAY),
    'sfu_encoding_fraction_lost_bucket{le="0.05", kind="video"}': still(2, DAY),  # few, however bad
    'sfu_encoding_fraction_lost_bucket{le="+Inf", kind="video"}': still(8, DAY),
    'sfu_recording_alarms{what="write_failed"}': still(0, DAY),
    'sfu_recording_alarms{what="behind"}': still(0, DAY),
    'sfu_recordings_ended_total{cause="failed"}': still(1, DAY),
    'sfu_recordings_ended_total{cause="stopped"}': steady(1, DAY),
    "sfu_recording_missed_packets_total": still(12, DAY),
    'sfu_records_not_recovered{why="failed"}': still(0, DAY),
    'sfu_recording_free_bytes{place="main"}': f"90e9-30e6x{DAY}",
    "sfu_recording_least_free_bytes": still(1 << 30, DAY),
    'sfu_refused_demands_total{reason="control_load"}': f"0x90 1x5 2x{DAY}",  # a crowd that came all at once
    'sfu_refused_demands_total{reason="quota_peers"}': steady(9, DAY),
    'sfu_quota_used{tenant="one", quota="peers"}': still(47, DAY),
    'sfu_quota_limit{tenant="one", quota="peers"}': still(50, DAY),
    'sfu_quota_used{tenant="one", quota="recordings"}': still(0, DAY),
    'sfu_quota_limit{tenant="one", quota="recordings"}': still(0, DAY),  # it may make none
    'sfu_refused_sessions_total{reason="room"}': steady(9, DAY),
    'sfu_refused_event_streams_total{reason="token"}': steady(9, DAY),
    'sfu_http_refused_requests_total{reason="address"}': steady(100, DAY),
    'sfu_http_ended_connections_total{reason="full"}': steady(100, DAY),
    'sfu_http_ended_connections_total{reason="head_timeout"}': steady(900, DAY),
    "sfu_http_connections": still(5000, DAY),
    "sfu_http_connections_limit": still(8192, DAY),
    "sfu_certificate_expires_seconds": still(20 * 86400, DAY),
    'sfu_certificate_fault{fault="files"}': still(0, DAY),
    'sfu_webhook_alarm{what="behind"}': still(0, DAY),
    "sfu_webhooks_lost_total": still(2, DAY),
    "sfu_cluster_joined": still(1, DAY),
    "sfu_cluster_lost_rooms_total": still(2, DAY),
}
"""A busy node through a day: near the limits, with old troubles that are over."""

LOOKS = ("1m", "30m", "70m", "2h", "6h", "8h", "12h", "20h")
"""When nothing may fire on it."""
