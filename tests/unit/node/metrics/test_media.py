from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from sfu import Config, EncodingStats, Layer, Server, SubscriptionStats, TrackStats
from sfu.node.metrics import media
from sfu.node.metrics.media import Distribution, Ledger, MediaCollector

LOWEST = Layer(0, 0)
NUMBERS = itertools.count()


def encoding(**about: Any) -> EncodingStats:
    """Nothing lost, nothing measured, unless it is named."""
    counts = ("packets", "octets", "bit_rate_bps", "packets_lost", "nacks_sent", "packets_repaired")
    rest = {"key_frame_requests": 0, "spatial_layers": 1, "temporal_layers": 1}
    quality = {"fraction_lost": 0.0, "jitter_s": 0.0, "round_trip_time_s": None}
    return EncodingStats(
        **{**dict.fromkeys(counts, 0), **rest, **quality, "rid": "", "ssrc": 1, "active": True, **about}
    )


@dataclass
class FakeTrack:
    kind: str = "video"
    codec: str = "VP8"
    encodings: tuple[EncodingStats, ...] = (encoding(),)
    id: str = field(default_factory=lambda: f"track{next(NUMBERS)}")

    def stats(self) -> TrackStats:
        return TrackStats(self.id, self.kind, self.codec, self.encodings)


@dataclass
class FakeSubscription:
    track: FakeTrack
    current: Layer | None = LOWEST
    fraction_lost: float = 0.0
    jitter_s: float = 0.0
    round_trip_time_s: float | None = None
    measured: int = 0

    def stats(self) -> SubscriptionStats:
        self.measured += 1
        names = ("packets", "octets", "bit_rate_bps", "packets_lost", "nacks_received", "packets_retransmitted")
        more = ("packets_not_retransmitted", "key_frame_requests", "layer_switches", "freezes")
        return SubscriptionStats(
            id="s",
            track=self.track.id,
            fraction_lost=self.fraction_lost,
            jitter_s=self.jitter_s,
            round_trip_time_s=self.round_trip_time_s,
            ceiling=Layer(3, 7),
            target=self.current,
            current=self.current,
            paused=False,
            starved=False,
            **dict.fromkeys((*names, *more), 0),
        )


@dataclass
class FakePeer:
    tracks: list[FakeTrack] = field(default_factory=list)
    subscriptions: list[FakeSubscription] = field(default_factory=list)
    connections: list[SimpleNamespace] = field(default_factory=list)


@dataclass
class FakeRoom:
    peers: dict[str, FakePeer]


class FakeServer:
    """One room with one peer, whose name is hostile."""

    def __init__(self) -> None:
        self.config = Config()
        self.peer = FakePeer()
        self.rooms = {'attic"}': FakeRoom({'mallory"\n': self.peer})}


class Scraper:
    """Reads a collector as Prometheus does."""

    def __init__(self, server: FakeServer) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(MediaCollector(cast("Server", server)))

    def text(self) -> str:
        return generate_latest(self._registry).decode()

    def __call__(self) -> dict[tuple[str, str], float]:
        """Value by name and the values of the labels."""
        return {
            (sample.name, ",".join(sample.labels.values())): sample.value
            for family in text_string_to_metric_families(self.text())
            for sample in family.samples
        }


@pytest.fixture
def server() -> FakeServer:
    return FakeServer()


@pytest.fixture
def scrape(server: FakeServer) -> Scraper:
    return Scraper(server)


def test_encodings_are_counted_by_codec(server: FakeServer, scrape: Scraper) -> None:
    assert scrape()["sfu_encodings_active", "AV1"] == 0
    quiet = encoding(active=False, bit_rate_bps=7, fraction_lost=0.9)
    server.peer.tracks = [
        FakeTrack(encodings=(encoding(bit_rate_bps=100), encoding(bit_rate_bps=400), quiet)),
        FakeTrack(codec="VP9", encodings=(encoding(bit_rate_bps=900),)),
        FakeTrack("audio", "opus", (encoding(bit_rate_bps=32),)),
    ]
    found = scrape()
    assert [found["sfu_encodings_active", codec] for codec in ("VP8", "VP9", "opus", "H264")] == [2, 1, 1, 0]
    assert found["sfu_encodings_bit_rate_bps", "VP8"] == 500
    assert found["sfu_encoding_fraction_lost_bucket", "video,0.5"] == 3


def test_totals_never_go_back(server: FakeServer, scrape: Scraper) -> None:
    first = FakeTrack(encodings=(encoding(packets=10, octets=1000, packets_lost=2, nacks_sent=3),))
    second = FakeTrack(encodings=(encoding(packets=5, octets=500, key_frame_requests=1), encoding(packets=1)))
    server.peer.tracks = [first, second]
    names = ("packets", "bytes", "lost_packets", "nacks_sent", "key_frame_requests")

    def totals() -> list[float]:
        found = scrape()
        return [found[f"sfu_encodings_{name}_total", "VP8"] for name in names]

    assert totals() == [16, 1500, 2, 3, 1]
    first.encodings = (encoding(packets=12, octets=1200, packets_lost=1, nacks_sent=3),)  # a late packet came
    assert totals() == [18, 1700, 2, 3, 1]
    server.peer.tracks = [second]
    assert totals() == [18, 1700, 2, 3, 1]
    server.peer.tracks = []
    assert totals() == [18, 1700, 2, 3, 1]
    server.peer.tracks = [FakeTrack(encodings=(encoding(packets=1, octets=100, packets_lost=-4),))]
    assert totals() == [19, 1800, 2, 3, 1]


def test_what_begins_anew_is_added() -> None:
    ledger = Ledger(2)
    key = ("a", 0)
    assert ledger.update([(key, "VP8", (10, 4))]) == {"VP8": [10, 4]}
    assert ledger.update([(key, "VP8", (3, 0))]) == {"VP8": [13, 4]}
    assert ledger.update([(key, "VP8", (4, 1))]) == {"VP8": [14, 5]}
    assert ledger.update([]) == {"VP8": [14, 5]}


def test_subscriptions_are_counted_by_layer(server: FakeServer, scrape: Scraper) -> None:
    video, audio = FakeTrack(), FakeTrack("audio", "opus")
    layers = [Layer(0, 2), Layer(2, 0), Layer(2, 7), None]
    server.peer.subscriptions = [FakeSubscription(video, layer) for layer in layers]
    server.peer.subscriptions += [FakeSubscription(audio, Layer(3, 7)), FakeSubscription(audio, None)]
    found = scrape()
    counted = {labels: value for (name, labels), value in found.items() if name == "sfu_subscriptions"}
    assert counted == {
        "audio,none": 1,
        "audio,whole": 1,
        "video,none": 1,
        "video,s0": 1,
        "video,s1": 0,
        "video,s2": 2,
        "video,s3": 0,
    }


def test_quality_is_shown_in_buckets(server: FakeServer, scrape: Scraper) -> None:
    video = FakeTrack(encodings=(encoding(fraction_lost=0.01, jitter_s=0.003, round_trip_time_s=0.05),))
    server.peer.tracks = [video]
    server.peer.subscriptions = [
        FakeSubscription(video, fraction_lost=0.0, round_trip_time_s=0.04),
        FakeSubscription(video, fraction_lost=0.03),
        FakeSubscription(video, fraction_lost=1.0, jitter_s=5.0),
        FakeSubscription(video, None, fraction_lost=0.7),  # gets nothing, so its last report tells nothing
    ]
    found = scrape()
    assert found["sfu_encoding_jitter_seconds_bucket", "video,0.0025"] == 0
    assert found["sfu_encoding_jitter_seconds_bucket", "video,0.005"] == 1
    assert found["sfu_encoding_round_trip_seconds_bucket", "video,0.05"] == 1  # bounds belong to their bucket
    lost = [
        found["sfu_subscription_fraction_lost_bucket", f"video,{bound}"] for bound in ("0.0", "0.05", "0.5", "+Inf")
    ]
    assert lost == [1, 2, 2, 3]
    assert found["sfu_subscription_fraction_lost_gsum", "video"] == pytest.approx(1.03)
    assert found["sfu_subscription_round_trip_seconds_bucket", "video,+Inf"] == 1
    assert found["sfu_subscription_round_trip_seconds_bucket", "audio,+Inf"] == 0


def test_paths_are_shown_as_wide_and_as_full_as_they_are(server: FakeServer, scrape: Scraper) -> None:
    def path(estimate_bps: int | None, wanted_bps: int, queue_delay_s: float = 0.0) -> SimpleNamespace:
        about = {"allocated_bps": 500_000, "wanted_bps": wanted_bps, "queue_delay_s": queue_delay_s}
        return SimpleNamespace(bandwidth=SimpleNamespace(estimate_bps=estimate_bps, **about))

    server.peer.connections = [path(800_000, 900_000, 0.15), path(3_000_000, 500_000), path(None, 900_000)]
    found = scrape()
    bounds = ("500000.0", "1000000.0", "5000000.0", "+Inf")
    assert [found["sfu_path_estimate_bps_bucket", bound] for bound in bounds] == [0, 1, 2, 2]
    assert found["sfu_path_queue_delay_seconds_gsum", ""] == 0.15
    assert found["sfu_paths_short", ""] == 1


def test_a_sample_stands_for_many(server: FakeServer, scrape: Scraper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "MOST_MEASURED", 10)
    video, audio = FakeTrack(), FakeTrack("audio", "opus")
    for _ in range(95):  # in the order in which a peer has them
        server.peer.subscriptions += [FakeSubscription(audio, fraction_lost=1.0), FakeSubscription(video)]
    found = scrape()
    assert sum(held.measured for held in server.peer.subscriptions) == 20
    assert found["sfu_subscriptions", "video,s0"] == pytest.approx(95)
    assert found["sfu_subscriptions", "audio,whole"] == pytest.approx(95)
    assert found["sfu_subscription_fraction_lost_bucket", "video,0.0"] == pytest.approx(95)
    assert found["sfu_subscription_fraction_lost_bucket", "audio,0.5"] == 0
    assert found["sfu_subscription_fraction_lost_bucket", "audio,+Inf"] == pytest.approx(95)


def test_names_of_rooms_and_peers_are_no_labels_and_the_series_are_bounded(server: FakeServer, scrape: Scraper) -> None:
    before = set(scrape())
    server.peer.tracks = [FakeTrack(encodings=(encoding(rid=f"rid{n}"),)) for n in range(50)]
    server.peer.subscriptions = [FakeSubscription(track) for track in server.peer.tracks]
    assert set(scrape()) == before
    assert not any(word in scrape.text() for word in ("attic", "mallory", "rid0", "track0"))


def test_what_is_not_known_is_not_counted() -> None:
    distribution = Distribution("x", "Some.", (1.0, 2.0))
    distribution.add("audio", None)
    distribution.add("audio", 1.5, weight=3)
    values = {
        (sample.name, *sample.labels.values()): sample.value
        for sample in distribution.build().samples
        if sample.labels["kind"] == "audio"
    }
    assert values == {
        ("x_bucket", "audio", "1.0"): 0,
        ("x_bucket", "audio", "2.0"): 3,
        ("x_bucket", "audio", "+Inf"): 3,
        ("x_gcount", "audio"): 3,
        ("x_gsum", "audio"): 4.5,
    }
