"""That a path was full is remembered with what got through, and forbids more until it is refuted or too old."""

from __future__ import annotations

import pytest

from tests.unit.bwe.plan import Path, after, play


def test_a_path_that_was_never_full_forbids_nothing() -> None:
    seen = play(Path(rate_bps=5_000_000, wants_bps=1_000_000), seconds=8)
    assert seen.most("full_bps") == 0


@pytest.mark.parametrize("seed", [1, 2])
def test_probes_that_come_slowly_on_an_unsteady_path_do_not_make_it_full(seed: int) -> None:
    """A probe takes fifteen milliseconds, and any packet of radio, or to a busy client, may be late by ten."""
    path = Path(rate_bps=20_000_000, jitter_ms=10, wants_bps=2_000_000, sends_bps=0)
    seen = play(path, seconds=4, seed=seed)
    assert seen.most("probe_slowed") == 1
    assert seen.most("full_bps") == 0


def test_it_is_full_when_a_queue_has_come_of_what_is_sent() -> None:
    seen = play(Path(rate_bps=1_000_000), seconds=8)
    first = seen.when("full_bps", above=0)
    assert first < 6
    assert seen.since(first).usual("full_bps") == pytest.approx(1_000_000, rel=0.08)


def test_when_more_gets_through_it_is_another_path() -> None:
    seen = play(Path(rate_bps=500_000), after(8, rate_bps=2_000_000), seconds=14)
    assert seen.between(6, 8).least("full_bps") > 0.9 * 500_000
    refuted = seen.when("full_bps", below=1, since=8)
    assert refuted < 13
    assert seen.between(8, refuted).most("estimate_bps") < 2_000_000


def test_it_is_forgotten_after_ten_seconds_without_another_sign() -> None:
    """Little is sent then, and the path has become wide: nothing would refute it."""
    seen = play(Path(rate_bps=800_000), after(6, rate_bps=5_000_000, wants_bps=100_000), seconds=18)
    assert seen.between(5, 6).least("full_bps") > 0
    assert seen.between(6, 14).least("full_bps") > 0
    assert seen.last("full_bps") == 0


def test_who_sends_little_on_a_path_that_was_full_does_not_come_to_believe_in_more() -> None:
    seen = play(Path(rate_bps=1_000_000), after(6, sends_bps=150_000), seconds=20)
    assert seen.since(6).most("estimate_bps") < 1.1 * 1_000_000


def test_of_a_queue_nothing_is_known_a_second_after_the_last_packet() -> None:
    path = Path(rate_bps=1_000_000, sends_bps=400_000, obeys=False)
    seen = play(path, after(4, other_bps=900_000), after(4.7, sends_bps=0, wants_bps=100_000), seconds=7)
    assert seen.between(4.6, 5.2).most("queue_ms") > 60
    assert seen.since(6.2).most("queue_ms") == 0
    assert seen.since(6.2).most("standing_ms") == 0
    assert seen.since(6.2).most("usage") == 0
