"""The queue that is measured is the one that is there, and nothing else is taken for one."""

from __future__ import annotations

import numpy as np
import pytest

from sfu.bwe.kernels.state import NORMAL, OVERUSED, UNDERUSED
from tests.unit.bwe.plan import Path, Seen, after, play

STEADY = Path(rate_bps=1_000_000, wants_bps=1_500_000, sends_bps=400_000, obeys=False)
"""Sends the same whatever it sees."""


@pytest.fixture(scope="module")
def crowded() -> Seen:
    """For a second there is a fifth more than the path carries; then the queue empties."""
    return play(STEADY, after(5, other_bps=800_000), after(6, other_bps=0), seconds=10)


def test_a_queue_is_measured_as_it_is(crowded: Seen) -> None:
    assert crowded.between(5, 7).most("wait_ms") == pytest.approx(200, abs=20)
    assert crowded.between(5, 7).most("queue_ms") == pytest.approx(200, abs=25)
    assert crowded.between(1, 5).most("queue_ms") < 12
    assert crowded.since(8).most("queue_ms") < 15


def test_that_it_grows_is_seen_within_half_a_second(crowded: Seen) -> None:
    assert crowded.between(1, 5).share("usage", OVERUSED) == 0
    times = crowded.at[crowded.column("usage") == OVERUSED]
    assert 5.0 < times[0] < 5.5


def test_that_it_empties_is_seen_and_then_that_it_is_empty(crowded: Seen) -> None:
    times = crowded.at[crowded.column("usage") == UNDERUSED]
    assert 6.0 < times[0] < 6.7
    assert crowded.since(8).share("usage", OVERUSED) == 0
    assert crowded.since(8).share("usage", NORMAL) > 0.8


def test_what_stands_is_less_than_what_passes(crowded: Seen) -> None:
    assert (crowded.column("standing_ms") <= crowded.most("wait_ms")).all()
    assert crowded.between(1, 5).most("standing_ms") < 1


@pytest.mark.parametrize("jitter_ms", [5, 30])
def test_jitter_is_no_queue(jitter_ms: int) -> None:
    seen = play(Path(rate_bps=3_000_000, jitter_ms=jitter_ms, wants_bps=700_000), seconds=9)
    assert seen.since(3).least("estimate_bps") > 0.9 * 700_000
    assert seen.since(3).most("standing_ms") < 15
    assert seen.since(3).share("usage", OVERUSED) < 0.1


def test_what_the_receivers_clock_shows_makes_no_difference() -> None:
    path = Path(rate_bps=800_000)
    one, other = (
        play(path, after(0, clock_us=clock_us), seconds=5).column("estimate_bps") for clock_us in (0, -77_000_000_000)
    )
    assert np.array_equal(one, other)


@pytest.mark.parametrize("drift_ppm", [-200, 200])
def test_a_clock_that_is_too_fast_or_too_slow_costs_nothing(drift_ppm: int) -> None:
    seen = play(Path(rate_bps=1_000_000, drift_ppm=drift_ppm), seconds=9)
    assert seen.since(3).usual("carried_bps") > 0.93 * 1_000_000
    assert seen.since(3).least("estimate_bps") > 0.8 * 1_000_000
    assert seen.since(3).most("wait_ms") < 80


@pytest.mark.parametrize("clock_us", [0, 1 << 50])
def test_a_clock_that_is_set_is_no_queue(clock_us: int) -> None:
    seen = play(Path(rate_bps=2_000_000, wants_bps=1_000_000), after(5, clock_us=clock_us), seconds=8)
    assert seen.since(5).least("estimate_bps") == 1_000_000
    assert seen.since(5.5).most("queue_ms") < 10


def test_a_probe_that_fills_the_queue_is_no_overuse() -> None:
    """The first probes try three times the estimate and more: the path carries less."""
    seen = play(Path(rate_bps=700_000, sends_bps=150_000), seconds=4)
    assert seen.last("probe_number") > 1
    assert seen.most("wait_ms") > 15
    assert seen.share("usage", OVERUSED) == 0
