"""Prometheus series on media: what comes in by codec, what goes out by Layer, and how well both arrive.

They are read from the statistics of Tracks and Subscriptions at each scrape. Losses, jitter and round trips are shown
as they are now, over all streams (gauge histograms: `histogram_quantile(0.95, ..._bucket)` without `rate`).
"""

from __future__ import annotations

import collections
import random
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeHistogramMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sfu import EncodingStats, Server, Subscription, SubscriptionStats, Track

MOST_MEASURED = 500
"""Most Subscriptions of one kind that one scrape measures. If there are more, a sample stands for all."""

_FRACTION_BUCKETS = (0.0, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
_JITTER_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
_ROUND_TRIP_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
_RATE_BUCKETS_BPS = (1e5, 2e5, 5e5, 1e6, 2e6, 5e6, 1e7, 2e7, 5e7)
_TOTALS = {
    "packets": "Media packets from publishers.",
    "bytes": "Payload of media packets from publishers.",
    "lost_packets": "Media packets of publishers that did not come in the first place.",
    "nacks_sent": "Packets that publishers were asked for again, repetitions included.",
    "key_frame_requests": "Key frames that publishers were asked for.",
}
"""The totals that are kept for Encodings."""
_KINDS = ("audio", "video")
_SPATIAL_LAYERS = 4


class Distribution:
    """A histogram of a quality of streams, by kind."""

    def __init__(self, name: str, text: str, bounds: Sequence[float]) -> None:
        """`bounds` are the upper bounds of the buckets, ascending."""
        self._family = GaugeHistogramMetricFamily(name, text, labels=["kind"])
        self._bounds = bounds
        self._counts = {kind: [0.0] * (len(bounds) + 1) for kind in _KINDS}
        self._sums = dict.fromkeys(_KINDS, 0.0)

    def add(self, kind: str, value: float | None, weight: float = 1.0) -> None:
        """Count a stream that stands for `weight` streams; a value of None, not known yet, is left out."""
        if value is not None:
            self._counts[kind][bisect_left(self._bounds, value)] += weight
            self._sums[kind] += value * weight

    def build(self) -> Metric:
        """Return the histogram as a metric family."""
        for kind, counts in self._counts.items():
            counted, buckets = 0.0, list[tuple[str, float]]()
            for bound, inside in zip((*map(str, self._bounds), "+Inf"), counts, strict=True):
                counted += inside
                buckets.append((bound, counted))
            self._family.add_metric([kind], buckets, self._sums[kind])
        return self._family


def _spread(name: str, text: str, bounds: Sequence[float], values: Iterable[float]) -> Metric:
    """Return values as a gauge histogram without labels."""
    family = GaugeHistogramMetricFamily(name, text)
    counts, total = [0] * (len(bounds) + 1), 0.0
    for value in values:
        counts[bisect_left(bounds, value)] += 1
        total += value
    buckets, counted = list[tuple[str, float]](), 0
    for bound, inside in zip((*map(str, bounds), "+Inf"), counts, strict=True):
        counted += inside
        buckets.append((bound, counted))
    family.add_metric([], buckets, total)
    return family


Entry = tuple[tuple[str, int], str, tuple[int, ...]]
"""Key, group and counts of a stream; the first count only grows, unless the stream begins anew."""


class Ledger:
    """Totals over streams that come and go; a total never falls.

    Of a stream that is gone, or began anew, the last values that were seen stay in the total; what it counted after
    that is missing.
    """

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self._past: dict[str, list[int]] = {}
        self._living: dict[tuple[str, int], tuple[str, tuple[int, ...]]] = {}

    def update(self, living: Iterable[Entry]) -> dict[str, list[int]]:
        """Take the present entries, and return the totals by group."""
        before, self._living = self._living, {}
        for key, group, now in living:
            values = now
            if key in before and now[0] >= before[key][1][0]:
                _, old = before.pop(key)
                values = tuple(map(max, now, old))
            self._living[key] = (group, values)
        for group, values in before.values():
            self._add(self._past, group, values)
        totals = {group: list(values) for group, values in self._past.items()}
        for group, values in self._living.values():
            self._add(totals, group, values)
        return totals

    def _add(self, totals: dict[str, list[int]], group: str, values: Sequence[int]) -> None:
        row = totals.setdefault(group, [0] * self._columns)
        for column, value in enumerate(values):
            row[column] += value


class MediaCollector(Collector):
    """Reads the statistics of all Tracks, and of at most `MOST_MEASURED` Subscriptions of each kind."""

    def __init__(self, server: Server, rng: random.Random | None = None) -> None:
        """`rng` draws the samples."""
        self._server = server
        self._rng = rng or random.Random()
        self._ledger = Ledger(len(_TOTALS))

    def collect(self) -> Iterator[Metric]:
        """Return all metric families (prometheus-client calls this at each scrape)."""
        tracks: list[Track] = []
        subscriptions: list[Subscription] = []
        for room in self._server.rooms.values():
            for peer in room.peers.values():
                tracks.extend(peer.tracks)
                subscriptions.extend(peer.subscriptions)
        yield from self._collect_tracks(tracks)
        yield from self._collect_subscriptions(subscriptions)
        yield from self._collect_paths()

    def _collect_paths(self) -> Iterator[Metric]:
        """Return the metric families on the estimates, the rates and the delays of the paths to the clients."""
        paths = [
            connection.bandwidth
            for room in self._server.rooms.values()
            for peer in room.peers.values()
            for connection in peer.connections
        ]
        known = [path for path in paths if path.estimate_bps is not None]
        yield _spread(
            "sfu_path_estimate_bps",
            "What the paths to clients carry, by their feedback.",
            _RATE_BUCKETS_BPS,
            [float(path.estimate_bps or 0) for path in known],
        )
        yield _spread(
            "sfu_path_queue_delay_seconds",
            "How much later than at best packets reach clients now.",
            _JITTER_BUCKETS_S,
            [path.queue_delay_s for path in known],
        )
        short = GaugeMetricFamily("sfu_paths_short", "Clients whose path carries less than they could use.")
        short.add_metric([], sum(path.allocated_bps < 0.95 * path.wanted_bps for path in known))
        yield short

    def _collect_tracks(self, tracks: Iterable[Track]) -> Iterator[Metric]:
        active: collections.Counter[str] = collections.Counter(dict.fromkeys(self._server.config.codecs, 0))
        bit_rates = active.copy()
        living: list[Entry] = []
        lost, jitter, round_trip = _build_distributions("sfu_encoding", "from publishers")
        for track in tracks:
            stats = track.stats()
            for index, encoding in enumerate(stats.encodings):
                living.append(((stats.id, index), stats.codec, _read_totals(encoding)))
                if not encoding.active:
                    continue
                active[stats.codec] += 1
                bit_rates[stats.codec] += encoding.bit_rate_bps
                lost.add(stats.kind, encoding.fraction_lost)
                jitter.add(stats.kind, encoding.jitter_s)
                round_trip.add(stats.kind, encoding.round_trip_time_s)
        yield _gauge("sfu_encodings_active", "Encodings whose media is coming.", active)
        yield _gauge("sfu_encodings_bit_rate_bps", "Bits a second that publishers send.", bit_rates)
        yield from self._count_totals(living)
        yield from (distribution.build() for distribution in (lost, jitter, round_trip))

    def _collect_subscriptions(self, subscriptions: Sequence[Subscription]) -> Iterator[Metric]:
        layers = dict.fromkeys([("audio", "none"), ("audio", "whole"), ("video", "none")], 0.0)
        layers.update({("video", f"s{spatial}"): 0.0 for spatial in range(_SPATIAL_LAYERS)})
        lost, jitter, round_trip = _build_distributions("sfu_subscription", "to subscribers")
        for kind in _KINDS:
            held = [subscription for subscription in subscriptions if subscription.track.kind == kind]
            # Drawn by lot: every n-th could be the same publisher's each time.
            drawn = held if len(held) <= MOST_MEASURED else self._rng.sample(held, MOST_MEASURED)
            weight = len(held) / len(drawn) if drawn else 1.0
            for stats in (subscription.stats() for subscription in drawn):
                layers[kind, _describe_current(stats, kind)] += weight
                if stats.current is not None:
                    lost.add(kind, stats.fraction_lost, weight)
                    jitter.add(kind, stats.jitter_s, weight)
                    round_trip.add(kind, stats.round_trip_time_s, weight)
        family = GaugeMetricFamily(
            "sfu_subscriptions", "Tracks that peers receive, by the layer that is forwarded.", labels=["kind", "layer"]
        )
        for labels, count in layers.items():
            family.add_metric(labels, count)
        yield family
        yield from (distribution.build() for distribution in (lost, jitter, round_trip))

    def _count_totals(self, living: Iterable[Entry]) -> Iterator[Metric]:
        totals = self._ledger.update(living)
        for column, (name, text) in enumerate(_TOTALS.items()):
            family = CounterMetricFamily(f"sfu_encodings_{name}", text, labels=["codec"])
            for codec in self._server.config.codecs:
                family.add_metric([codec], totals[codec][column] if codec in totals else 0)
            yield family


def _read_totals(stats: EncodingStats) -> tuple[int, ...]:
    lost = max(0, stats.packets_lost)  # duplicates make it negative (RFC 3550 section 6.4.1)
    return (stats.packets, stats.octets, lost, stats.nacks_sent, stats.key_frame_requests)


def _describe_current(subscription: SubscriptionStats, kind: str) -> str:
    if subscription.current is None:
        return "none"
    return "whole" if kind == "audio" else f"s{min(subscription.current.spatial, _SPATIAL_LAYERS - 1)}"


def _build_distributions(prefix: str, direction: str) -> tuple[Distribution, Distribution, Distribution]:
    return (
        Distribution(f"{prefix}_fraction_lost", f"Streams {direction} by the share that is lost.", _FRACTION_BUCKETS),
        Distribution(f"{prefix}_jitter_seconds", f"Streams {direction} by their jitter.", _JITTER_BUCKETS_S),
        Distribution(
            f"{prefix}_round_trip_seconds", f"Streams {direction} by their round trip.", _ROUND_TRIP_BUCKETS_S
        ),
    )


def _gauge(name: str, text: str, values: collections.Counter[str]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=["codec"])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
