"""Prometheus series on the load of the node: the processor time of its threads, its sockets and its memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sfu import Server
from sfu.node.memory import find_memory_limit


class LoadCollector(Collector):
    """Reads the shards' statistics at each scrape, in the thread of the event loop, whose own time it tells, too."""

    def __init__(self, server: Server, thread_time: Callable[[], float] = time.thread_time) -> None:
        self._server = server
        self._thread_time = thread_time
        self._memory_limit = find_memory_limit()

    def collect(self) -> Iterator[Metric]:
        """Return all metric families (prometheus-client calls this at each scrape)."""
        text = "Processor time of the shards' planes; one second a second is a core that has no more to give."
        planes = CounterMetricFamily("sfu_plane_cpu_seconds", text, labels=["shard"])
        connections = GaugeMetricFamily("sfu_shard_connections", "Connections of the shards.", labels=["shard"])
        text = "What came in and found the buffer of a media socket full; each is a datagram, or several of one flow."
        lost = CounterMetricFamily("sfu_socket_lost_messages", text, labels=["shard"])
        for stats in self._server.shard_stats():
            shard = [str(stats.index)]
            connections.add_metric(shard, stats.connections)
            if stats.cpu_s is not None:
                planes.add_metric(shard, stats.cpu_s)
            if stats.lost_messages is not None:
                lost.add_metric(shard, stats.lost_messages)
        yield from (planes, connections, lost)
        text = "Processor time of the event loop: signalling, ICE, DTLS, RTCP, HTTP."
        yield CounterMetricFamily("sfu_control_cpu_seconds", text, value=self._thread_time())
        text = "Most memory that the process may take: what the machine or its control group has."
        yield GaugeMetricFamily("sfu_memory_limit_bytes", text, value=self._memory_limit)
