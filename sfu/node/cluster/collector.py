"""Metrics of a node's part in a cluster."""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sfu.cluster.lease import LeaseState
from sfu.node.cluster.part import ClusterPart

_FAILURES = ("connection", "timeout")
_UNKNOWN = ("connection", "timeout", "late")


class ClusterCollector(Collector):
    """Reads them at each scrape. A node alone has none of them."""

    def __init__(self, part: ClusterPart, passed_on: Callable[[], int] = lambda: 0) -> None:
        """`passed_on`: sockets of LiveKit's clients that are passed on to other nodes."""
        self._part = part
        self._passed_on = passed_on

    def collect(self) -> Iterator[Metric]:
        """Return all metric families (prometheus-client calls this at each scrape)."""
        part, homes = self._part, self._part.homes
        joined = float(part.state is LeaseState.HOLDS)
        text = "1 while this node's lease in the directory holds; 0: it is cut off, and opens no rooms."
        yield GaugeMetricFamily("sfu_cluster_joined", text, value=joined)
        nodes = len(part.member.membership.view.nodes) + 1
        yield GaugeMetricFamily(
            "sfu_cluster_nodes", "Nodes of the cluster that this one knows, itself too.", value=nodes
        )
        yield GaugeMetricFamily("sfu_cluster_rooms", "Rooms that this node is home of.", value=homes.held)
        text = "Signal sockets of LiveKit clients that this node passes on to the home of their room."
        yield GaugeMetricFamily("sfu_cluster_passed_on_sockets", text, value=self._passed_on())
        text = "Requests that were led to another node."
        yield CounterMetricFamily("sfu_cluster_led_elsewhere", text, value=homes.led)
        text = "Rooms that were open here when another node had taken them over; their people were sent there."
        yield CounterMetricFamily("sfu_cluster_lost_rooms", text, value=homes.lost)
        text = "Requests to the directory without a usable answer, by reason."
        yield _count("sfu_cluster_directory_failures", text, _FAILURES, part.directory.failures)
        text = "Requests that were refused since nobody could say whose the room is, by reason."
        yield _count("sfu_cluster_unknown_homes", text, _UNKNOWN, homes.unknown)


def _count(name: str, text: str, known: tuple[str, ...], counts: collections.Counter[str]) -> Metric:
    """From zero, since Prometheus sees no increase in a series that begins with its first count."""
    family = CounterMetricFamily(name, text, labels=["reason"])
    for reason, count in sorted((dict.fromkeys(known, 0) | counts).items()):
        family.add_metric([reason], count)
    return family
