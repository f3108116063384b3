"""A network that has become another one, and a budget that only gives way for a moment."""

from __future__ import annotations

import itertools
import math

from sfu.bwe.network_change import NetworkChange


def changes(*course: tuple[float, float], step: float = 0.5) -> list[float]:
    """When a change is told; `course`: until when which budget."""
    watch = NetworkChange()
    told = []
    now = 0.0
    for until, budget in course:
        while now < until:
            if watch.handle_budget(budget, now):
                told.append(now)
            now += step
    return told


def test_a_fall_that_lasts_is_one() -> None:
    assert changes((10.0, 2e6), (40.0, 1e6)) == [12.0]


def test_a_dip_to_empty_a_queue_is_none() -> None:
    assert changes((10.0, 2e6), (11.5, 1e6), (20.0, 1.9e6), (21.5, 1e6), (30.0, 2e6)) == []


def test_nor_is_a_slow_or_a_small_fall() -> None:
    assert changes((10.0, 2e6), (40.0, 1.5e6)) == []


def test_a_rise_is_none_but_what_is_reached_then_counts() -> None:
    assert changes((10.0, 1e6), (30.0, 2e6), (60.0, 1.3e6)) == [32.0]


def test_one_that_swings_is_told_rarely() -> None:
    swings = [(4.0 * k, 2e6 if k % 2 else 0.5e6) for k in range(1, 60)]
    told = changes(*swings)
    assert all(later - earlier >= 15.0 for earlier, later in itertools.pairwise(told))
    assert len(told) > 3


def test_a_limit_after_none_is_one() -> None:
    assert changes((10.0, math.inf), (20.0, 1e6)) == [12.0]
