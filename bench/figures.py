"""What one run found, and how several runs become one figure."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.delivery import DELIVERED


@dataclass(frozen=True)
class Figures:
    """One server in one scenario, one run. None: not measured here."""

    server: str
    scenario: str
    version: str
    profile: str  # SRTP profile as negotiated
    expected_packets: int
    delivered_packets: int
    seconds: float
    subscribers: int = 0
    short_subscribers: int = 0  # that got less than 99 % of what is theirs
    ramp_s: float | None = None  # from the first packet until everybody got all; None: not within `Settings.ramp_s`
    cpu_us: float | None = None  # server CPU per delivered packet
    core_us: float | None = None  # the same from the core's idle time: other programs included
    softirq_share: float | None = None  # of cpu_us that ksoftirqd used
    control_share: float | None = None  # of cpu_us that the interpreter's thread used, where there is one
    latency_p50_us: float | None = None
    latency_p99_us: float | None = None
    latency_samples: int = 0
    memory_bytes: float | None = None  # resident, per subscriber
    join_cpu_ms: float | None = None  # server CPU per join
    joins_per_s: float | None = None  # as timed; the generator may be what limits it
    saturation_pps: float | None = None  # delivered packets/s at the highest rate with 99.9 % delivered
    saturation_bound: str | None = None  # what ended the search: "server", "generator" or "steps"
    generator_busy: float = 0.0  # share of its core
    generator_drops: int = 0  # datagrams that the generator's own socket buffers lost
    late_frames: int = 0  # frames that the generator was too late to publish
    unauthentic: int = 0
    malformed: int = 0
    reordered: int = 0
    sampled: int = 0
    asked: int = 0  # packets that subscribers missed and asked for
    repaired: int = 0  # of the delivered, by a retransmission
    duplicates: int = 0
    padding: int = 0  # packets that carry nothing, from probes
    feedbacks: int = 0  # transport-wide, that subscribers sent
    unanswered_checks: int = 0  # consent checks

    @property
    def delivered(self) -> float:
        """Delivered / expected."""
        return self.delivered_packets / self.expected_packets if self.expected_packets else 0.0

    @property
    def complete(self) -> bool:
        """Whether all was delivered, that is 99.9 % of it."""
        return self.expected_packets > 0 and self.delivered >= DELIVERED

    @property
    def packets_per_s(self) -> float:
        """Delivered packets a second."""
        return self.delivered_packets / self.seconds if self.seconds else 0.0


def percentile(samples_us: NDArray[Any], rank: float) -> float | None:
    """A percentile, None of nothing."""
    return float(np.percentile(samples_us, rank)) if len(samples_us) else None


def median_of(runs: Iterable[Figures], read: Callable[[Figures], float | None]) -> float | None:
    """The median over the runs in which the figure was measured."""
    values = [value for run in runs if (value := read(run)) is not None]
    return statistics.median(values) if values else None


def spread_of(runs: Iterable[Figures], read: Callable[[Figures], float | None]) -> tuple[float, float] | None:
    """The least and the greatest over the runs."""
    values = [value for run in runs if (value := read(run)) is not None]
    return (min(values), max(values)) if values else None


def select(runs: Sequence[Figures], server: str, scenario: str) -> list[Figures]:
    """The runs of one server in one scenario."""
    return [run for run in runs if run.server == server and run.scenario == scenario]


def ratio_of(
    runs: Sequence[Figures], scenario: str, server: str, other: str, read: Callable[[Figures], float | None]
) -> float | None:
    """The ratio of two servers' medians in one scenario; None unless both were measured."""
    mine = median_of(select(runs, server, scenario), read)
    theirs = median_of(select(runs, other, scenario), read)
    return None if mine is None or not theirs else mine / theirs
