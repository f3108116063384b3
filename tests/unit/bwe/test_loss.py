"""Loss that a path has anyhow is borne, and loss because too much is sent is given way to."""

from __future__ import annotations

import pytest

from tests.unit.bwe.plan import Path, Seen, after, play

WIDE = Path(rate_bps=10_000_000, wants_bps=1_000_000)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_path_that_always_loses_one_in_twenty_carries_video(seed: int) -> None:
    seen = play(Path(rate_bps=10_000_000, wants_bps=1_000_000, loss=0.05), seconds=12, seed=seed)
    assert seen.since(4).least("estimate_bps") > 0.85 * 1_000_000
    assert seen.since(4).usual("loss") == pytest.approx(0.05, abs=0.02)


@pytest.fixture(scope="module")
def lossy() -> Seen:
    """For five seconds three in ten are lost."""
    return play(WIDE, after(4, loss=0.3), after(9, loss=0.0), seconds=20)


def test_without_loss_none_is_seen(lossy: Seen) -> None:
    assert lossy.between(1, 4).most("loss") == 0
    assert lossy.between(1, 4).least("estimate_bps") == 1_000_000
    assert lossy.between(1, 4).most("loss_limited") == 0


def test_much_loss_halves_what_is_sent_within_three_seconds(lossy: Seen) -> None:
    assert lossy.when("estimate_bps", below=500_000, since=4) < 7.5
    assert lossy.between(8, 9).usual("loss") == pytest.approx(0.3, abs=0.1)
    assert lossy.between(8, 9).least("loss_limited") == 1


def test_once_it_is_over_all_is_there_again_eight_seconds_later(lossy: Seen) -> None:
    assert lossy.when("estimate_bps", above=950_000, since=9) < 17
    assert lossy.last("loss") == 0


def test_one_bad_moment_costs_little() -> None:
    seen = play(WIDE, after(5, loss=0.5), after(5.15, loss=0.0), seconds=10)
    assert seen.last("lost") > 3
    assert seen.since(5).least("estimate_bps") > 0.75 * 1_000_000
    assert seen.last("estimate_bps") == 1_000_000


def test_a_queue_that_overflows_before_it_can_grow_long_is_given_way_to() -> None:
    """A queue of 20 ms never waits for long enough to be braked for: its loss is what tells."""
    seen = play(Path(rate_bps=1_000_000, queue_ms=20), seconds=15)
    later = seen.since(3)
    packets = 12 * 1_000_000 / 8_000
    assert later.last("lost") - later.facts["lost"][0] < 0.04 * packets
    assert later.usual("carried_bps") > 0.95 * 1_000_000
    assert later.most("estimate_bps") < 1.2 * 1_000_000


def test_what_overflows_is_told_from_what_is_lost_on_the_way() -> None:
    overflowing = play(Path(rate_bps=1_000_000, queue_ms=40, sends_bps=1_300_000, obeys=False), seconds=4)
    lost_anyhow = play(Path(rate_bps=10_000_000, loss=0.2, sends_bps=1_300_000, obeys=False), seconds=4)
    assert overflowing.since(1).usual("loss") == pytest.approx(0.23, abs=0.05)
    assert lost_anyhow.since(1).usual("loss") == pytest.approx(0.2, abs=0.05)
    assert overflowing.since(1).most("standing_ms") > 20
    assert lost_anyhow.since(1).most("standing_ms") < 5
