"""The scenarios: RFC 8867 section 5 and the lossy and jittery links of RFC 8869, with galleries of simulcast video."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from bench.netem.config import Changes, GilbertElliott, LinkConfig

DELAY_S = 0.05
QUEUE_S = 0.3


@dataclass(frozen=True)
class Flow:
    """One viewer of a gallery."""

    start_s: float = 0.0
    pauses: tuple[tuple[float, float], ...] = ()
    """From when to when he looks at nothing."""
    delay_s: float = DELAY_S
    """One way."""


@dataclass(frozen=True)
class Scenario:
    """Viewers behind one bottleneck."""

    name: str
    seconds: float
    link: LinkConfig
    flows: tuple[Flow, ...] = (Flow(),)
    changes: tuple[tuple[float, Changes], ...] = ()
    gallery_bps: float = 1_000_000.0
    """The tracks are so large that they fill about 2.4 times this."""
    feedback: LinkConfig = field(default_factory=LinkConfig)
    feedback_changes: tuple[tuple[float, Changes], ...] = ()
    tcp_long: int = 0
    tcp_short: int = 0
    quick: bool = False

    def capacity_bps(self, at: float) -> float:
        """Of the link."""
        rate = self.link.rate_bps or 0.0
        for when, change in self.changes:
            if when <= at and change.get("rate_bps") is not None:
                rate = change["rate_bps"] or 0.0
        return rate


def _link(rate_bps: float, **about: object) -> LinkConfig:
    return LinkConfig(rate_bps=rate_bps, queue_s=QUEUE_S, **about)  # type: ignore[arg-type]


def _rates(*steps: tuple[float, float]) -> tuple[tuple[float, Changes], ...]:
    return tuple((at, Changes(rate_bps=rate)) for at, rate in steps)


SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        "5.1 variable capacity",
        100.0,
        _link(1e6),
        changes=_rates((40.0, 2.5e6), (60.0, 0.6e6), (80.0, 1e6)),
        quick=True,
    ),
    Scenario(
        "5.2 variable capacity, two flows",
        125.0,
        _link(4e6),
        flows=(Flow(), Flow()),
        changes=_rates((25.0, 2e6), (50.0, 3.5e6), (75.0, 1e6), (100.0, 2e6)),
    ),
    Scenario(
        "5.3 congested feedback",
        100.0,
        _link(2e6),
        feedback=LinkConfig(rate_bps=100e3, queue_s=QUEUE_S),
        feedback_changes=((40.0, Changes(rate_bps=40e3)), (70.0, Changes(rate_bps=100e3))),
    ),
    Scenario(
        "5.4 competing flows",
        120.0,
        _link(3.5e6),
        flows=(Flow(), Flow(start_s=20.0), Flow(start_s=40.0)),
    ),
    Scenario(
        "5.5 round-trip fairness",
        120.0,
        _link(4e6),
        flows=tuple(Flow(start_s=10.0 * k, delay_s=delay) for k, delay in enumerate((0.01, 0.025, 0.05, 0.1, 0.15))),
    ),
    Scenario("5.6 long TCP flow", 120.0, _link(2e6), tcp_long=1),
    Scenario("5.7 short TCP flows", 120.0, _link(2e6), flows=(Flow(), Flow()), tcp_short=5),
    Scenario(
        "5.8 pause and resume",
        120.0,
        _link(3.5e6),
        flows=(Flow(pauses=((40.0, 60.0),)), Flow(), Flow()),
    ),
    Scenario("drop to a half and back", 60.0, _link(2e6), changes=_rates((20.0, 1e6), (40.0, 2e6)), quick=True),
    Scenario("2 % loss", 60.0, _link(2e6, loss=0.02)),
    Scenario("5 % loss", 60.0, _link(2e6, loss=0.05), quick=True),
    Scenario("bursts of loss", 60.0, _link(2e6, burst=GilbertElliott(p=0.005, r=0.3))),
    Scenario("jitter", 60.0, _link(2e6, jitter_s=0.03)),
    Scenario("jitter and loss", 60.0, _link(2e6, jitter_s=0.02, loss=0.02)),
)

Report = Callable[[float], None]
"""Told of the share that is done, 0..1."""
