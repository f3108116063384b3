"""Metrics of the HTTP listener: who was kept out, and why."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sfu.node.descriptors import DescriptorPlan
from sfu.node.http.connections import HttpConnections


class HttpConnectionCollector(Collector):
    """Reads one listener's connections at each scrape."""

    def __init__(self, connections: HttpConnections, descriptors: DescriptorPlan | None = None) -> None:
        self._connections = connections
        self._descriptors = descriptors

    def collect(self) -> Iterator[Metric]:
        """Return all metric families (prometheus-client calls this at each scrape)."""
        yield GaugeMetricFamily("sfu_http_connections", "Open HTTP connections.", value=len(self._connections))
        text = "Most HTTP connections at once."
        yield GaugeMetricFamily("sfu_http_connections_limit", text, value=self._connections.limits.connections)
        if self._descriptors is not None:
            for name, text, value in (
                ("limit", "Most file descriptors of the process.", self._descriptors.limit),
                ("reserved", "Of them kept for media and records.", self._descriptors.reserved),
                ("wanted", "A limit with which everything that is set could be had.", self._descriptors.wanted),
            ):
                yield GaugeMetricFamily(f"sfu_descriptors_{name}", text, value=value)
        held = self._connections.incoming.total + self._connections.outgoing.total
        yield GaugeMetricFamily("sfu_http_held_bytes", "What waits in HTTP connections.", value=held)
        ended = CounterMetricFamily(
            "sfu_http_ended_connections", "HTTP connections refused or cut off, by reason.", labels=["reason"]
        )
        for reason, count in sorted(self._connections.ended.items()):
            ended.add_metric([reason], count)
        yield ended
        rates, queue = self._connections.rates, self._connections.request_queue
        yield GaugeMetricFamily("sfu_http_waiting_requests", "Requests that wait for their turn.", value=len(queue))
        text = "Tokens and addresses whose rate of requests is remembered."
        yield GaugeMetricFamily("sfu_http_request_buckets", text, value=len(rates))
        refused = CounterMetricFamily(
            "sfu_http_refused_requests", "Requests, and new connections, beyond their rate.", labels=["reason"]
        )
        for reason, count in sorted(rates.refused.items()):
            refused.add_metric([reason], count)
        yield refused
