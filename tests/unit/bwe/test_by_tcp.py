"""A path by TCP loses nothing: what is sent again holds up what follows, which is no queue; one that stands is."""

from __future__ import annotations

import dataclasses

import pytest

from tests.unit.bwe.plan import Path, after, play

HELD_UP = Path(rate_bps=3_000_000, delay_ms=100, loss=0.01, by_tcp=True, wants_bps=1_500_000)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_is_held_up_for_a_round_trip_lowers_nothing(seed: int) -> None:
    seen = play(HELD_UP, seconds=40, seed=seed).since(10)
    assert seen.most("queue_ms") > 180, "it was held up"
    assert seen.least("estimate_bps") > 1_200_000
    taken_for_a_queue = play(dataclasses.replace(HELD_UP, told_of_tcp=False), seconds=40, seed=seed).since(10)
    assert taken_for_a_queue.least("estimate_bps") < 700_000


def test_half_of_a_path_is_given_up_within_a_second() -> None:
    path = Path(rate_bps=1_000_000, delay_ms=40, by_tcp=True, queue_ms=2000)
    seen = play(path, after(8, rate_bps=500_000), seconds=16)
    assert seen.when("estimate_bps", below=500_000, since=8) < 9
    assert seen.since(8).most("wait_ms") < 800
    assert seen.since(12).usual("wait_ms") < 50
    assert seen.since(12).usual("carried_bps") > 0.8 * 500_000
