"""Statistics of answered requests: how many there were, and how long they took."""

from __future__ import annotations

import collections
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class HttpStatistics:
    """Counts requests by method, route and status, and their times by route."""

    def __init__(self) -> None:
        self.requests: collections.Counter[tuple[str, str, str]] = collections.Counter()
        self._times: dict[str, list[float]] = {}

    def observe(self, method: str, route: str, status: int, duration: float) -> None:
        """Count one finished request; `duration` in seconds. `method` and `route` must come from bounded sets."""
        self.requests[method, route, str(status)] += 1
        times = self._times.setdefault(route, [0.0] * (len(_BUCKETS_S) + 2))
        times[sum(duration > bucket for bucket in _BUCKETS_S)] += 1
        times[-1] += duration

    def collect(self) -> Iterator[Metric]:
        """Return both as metric families."""
        requests = CounterMetricFamily("sfu_http_requests", "HTTP requests.", labels=["method", "route", "status"])
        for labels, count in self.requests.items():
            requests.add_metric(labels, count)
        yield requests
        durations = HistogramMetricFamily("sfu_http_request_duration_seconds", "HTTP requests.", labels=["route"])
        for route, times in self._times.items():
            counted, buckets = 0.0, list[tuple[str, float]]()
            for bound, inside in zip((*map(str, _BUCKETS_S), "+Inf"), times, strict=False):
                counted += inside
                buckets.append((bound, counted))
            durations.add_metric([route], buckets, times[-1])
        yield durations
