"""Shares of a core that follow the load, and bounds that are not left at once."""

from __future__ import annotations

import pytest

from sfu.node.admission.measures import Bound, Share


def run(share: Share, load: float, seconds: int, *, cpu_s: float, now: float) -> tuple[float, float]:
    """Load a thread for some seconds, with a reading each; return its clock and the time then."""
    for _ in range(seconds):
        cpu_s, now = cpu_s + load, now + 1.0
        share.update(cpu_s, now)
    return cpu_s, now


def test_a_share_follows_within_seconds_and_a_moment_of_load_is_none() -> None:
    share = Share()
    assert share.update(100.0, 0.0) == 0.0  # whatever it took before
    at = run(share, 1.0, 1, cpu_s=100.0, now=0.0)
    assert share.value < 0.2
    at = run(share, 1.0, 10, cpu_s=at[0], now=at[1])
    assert 0.85 < share.value < 0.9
    at = run(share, 1.0, 1, cpu_s=at[0], now=at[1])
    assert share.value > 0.9
    run(share, 0.2, 30, cpu_s=at[0], now=at[1])
    assert share.value == pytest.approx(0.2, abs=0.01)


def test_a_reading_that_comes_late_counts_for_all_the_time_that_it_took() -> None:
    often, seldom = Share(), Share()
    for now in range(21):
        often.update(0.5 * now, float(now))
    for now in (0, 20):
        seldom.update(0.5 * now, float(now))
    assert seldom.value == pytest.approx(often.value)
    before = seldom.value
    assert seldom.update(11.0, 20.0) == before  # no time has passed


def test_a_thread_that_is_gone_takes_nothing() -> None:
    share = Share()
    run(share, 1.0, 30, cpu_s=0.0, now=0.0)
    assert share.update(None, 31.0) == 0.0
    assert share.update(5.0, 32.0) == 0.0  # another one, whose clock began anew


def test_a_bound_is_met_until_the_measure_has_fallen_well_below_it() -> None:
    bound = Bound(0.5)
    seen = []
    for value in (0.49, 0.5, 0.46, 0.44, 0.49, 0.6):
        bound.update(value)
        seen.append(bound.met)
    assert seen == [False, True, True, False, False, True]
    assert bound.value == 0.6


def test_a_bound_of_one_is_none() -> None:
    bound = Bound(1.0)
    bound.update(1.5)
    assert not bound.met
