"""Prometheus metrics, read from the server when they are asked for.

Labels are bounded: drop reasons, states and kinds come from code, HTTP routes from the route table. Rooms and peers,
which clients name, are never labels.
"""

from __future__ import annotations

import collections
import hmac
import re
from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from sfu import Server
from sfu.events import ConnectionState
from sfu.node.http.statistics import HttpStatistics
from sfu.node.metrics.media import MediaCollector
from sfu.signaling import Problem, Signaling

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_DROP = "drop_"
# What the plane calls a repeat is a retransmission to everyone else.
_RENAMED = {"repeated_packets": "retransmitted_packets"}
_NOT_REPEATED = {"repeat_refused": "refused", "repeat_missed": "missed"}
# Prometheus sees no increase in a series that begins with its first count.
_FROM_ZERO = {"drop_internal_error": 0}
_HELP = {
    "control_sent": "Datagrams that the control side sent: answers to checks, DTLS, RTCP.",
    "control_send_failed": "Of these, what the system refused to send.",
    "feedback_unsent": "Packets that feedback tells of and that were never sent, or long ago.",
    "filled_packets": "Empty packets in the place of late ones that a subscriber's layer leaves out.",
    "gso_refused": "Messages of several packets (UDP GSO) that the system refused; they were sent one by one.",
    "paced_packets": "Packets that waited for the pacer.",
    "padding_packets": "Packets sent to probe a path.",
    "receive_calls": "System calls to receive.",
    "received_bytes": "Octets of UDP payload that came in.",
    "received_datagrams": "Datagrams that came in.",
    "received_feedback": "Transport-wide feedback of subscribers.",
    "received_rtp": "Packets of media that came in.",
    "relayed_packets": "Packets that went from shard to shard.",
    "repair_padding": "Packets of publishers' repair streams that carry nothing.",
    "send_calls": "System calls to send.",
    "sent_bytes": "Octets of UDP payload that the plane sent.",
    "sent_feedback": "Transport-wide feedback to publishers.",
    "sent_reports": "Sender reports and BYEs to subscribers, receiver reports to publishers.",
    "answered_checks": "Connectivity checks of connected clients that the plane answered itself.",
    "sent_messages": "Messages to the system; with UDP GSO one holds several packets.",
    "sent_packets": "Packets that the plane sent.",
    "tapped_packets": "Packets that were copied for recorders.",
    "unknown_structure": "Dependency descriptors that refer to a structure that never came.",
    "repaired_packets": "Packets that publishers sent again after a loss.",
    "retransmitted_packets": "Packets that were sent to subscribers again.",
    "layer_switches": "Times that a subscription went to another layer.",
    "nacks_received": "Packets that subscribers asked for again.",
    "nacks_sent": "Packets that publishers were asked for again.",
    "key_frame_requests": "Key frames that publishers were asked for.",
}


class ServerCollector(Collector):
    """Reads a server's counters and counts what is in its rooms."""

    def __init__(self, server: Server, signaling: Signaling, http: HttpStatistics) -> None:
        self._server = server
        self._signaling = signaling
        self._http = http
        self._media = MediaCollector(server)

    def collect(self) -> Iterator[Metric]:
        """Return all metric families (prometheus-client calls this at each scrape)."""
        yield from self._collect_rooms()
        yield from self._collect_counters()
        yield from self._media.collect()
        yield GaugeMetricFamily("sfu_http_sessions", "WHIP and WHEP sessions.", value=len(self._signaling.sessions))
        yield GaugeMetricFamily("sfu_event_streams", "Open event streams.", value=self._signaling.open_streams)
        refused = CounterMetricFamily(
            "sfu_refused_sessions", "WHIP and WHEP sessions refused for a quota, by reason.", labels=["reason"]
        )
        for reason, count in sorted(self._signaling.quotas.refused.items()):
            refused.add_metric([reason], count)
        yield refused
        refused = CounterMetricFamily(
            "sfu_refused_event_streams", "Event streams refused for a limit, by reason.", labels=["reason"]
        )
        for reason, count in sorted(self._signaling.refused_streams.items()):
            refused.add_metric([reason], count)
        yield refused
        yield from self._http.collect()

    def _collect_rooms(self) -> Iterator[Metric]:
        peers = 0
        tracks: collections.Counter[str] = collections.Counter({"audio": 0, "video": 0})
        states: collections.Counter[str] = collections.Counter(
            {state.value: 0 for state in ConnectionState if state is not ConnectionState.CLOSED}
        )
        for room in self._server.rooms.values():
            for peer in room.peers.values():
                peers += 1
                tracks.update(track.kind for track in peer.tracks)
                for connection in peer.connections:
                    states[connection.state.value] += 1
        yield GaugeMetricFamily("sfu_rooms", "Rooms in use.", value=len(self._server.rooms))
        text = "1 while the node drains: it opens no new rooms, and is to stop."
        yield GaugeMetricFamily("sfu_draining", text, value=float(self._server.drain_left is not None))
        yield GaugeMetricFamily("sfu_peers", "Peers in all rooms.", value=peers)
        yield _gauge("sfu_tracks", "Published tracks.", "kind", tracks.items())
        yield _gauge("sfu_connections", "Connections.", "state", states.items())

    def _collect_counters(self) -> Iterator[Metric]:
        drops = CounterMetricFamily("sfu_drops", "What was dropped, by reason.", labels=["reason"])
        refused = CounterMetricFamily(
            "sfu_not_retransmitted_packets", "Packets that were asked for and not sent again.", labels=["reason"]
        )
        for counter, value in sorted((_FROM_ZERO | self._server.counters()).items()):
            name = _RENAMED.get(counter, counter)
            if _NAME.fullmatch(name) is None:
                continue
            if name.startswith(_DROP):
                drops.add_metric([name.removeprefix(_DROP)], value)
            elif name in _NOT_REPEATED:
                refused.add_metric([_NOT_REPEATED[name]], value)
            else:
                text = _HELP.get(name, f"The server's counter {name}.")
                yield CounterMetricFamily(f"sfu_{name}", text, value=value)
        yield drops
        yield refused


def _gauge(name: str, text: str, label: str, values: Iterable[tuple[str, int]]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, value in values:
        family.add_metric([key], value)
    return family


class MetricsEndpoint:
    """`GET /metrics`, for the operator only, since rates and sizes are not for everybody."""

    def __init__(self, token: str, *, public: bool) -> None:
        """`token` is the bearer token that scrapers must send; empty: there is none. `public`: show metrics without
        one.
        """
        self._registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self._expected = f"Bearer {token}".encode() if token else b""
        self._public = public

    def register(self, collector: Collector) -> None:
        """Add a collector of metrics."""
        self._registry.register(collector)

    async def get(self, request: Request) -> Response:
        """Answer with the metrics as text, on the port that everybody reaches."""
        if not self._expected and not self._public:
            detail = "Set metrics_token to read them here, or metrics_port for a listener of their own."
            raise Problem(403, "Metrics are not shown here", detail)
        return await self.get_apart(request)

    async def get_apart(self, request: Request) -> Response:
        """Answer with the metrics on their own listener, where a token that is set is required, too."""
        given = request.headers.get("authorization", "").encode("utf-8", "replace")
        if self._expected and not hmac.compare_digest(given, self._expected):
            detail = "Scrapers send the setting metrics_token as 'Authorization: Bearer <token>'."
            raise Problem(401, "Unauthorized", detail, headers={"WWW-Authenticate": 'Bearer realm="metrics"'})
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)
