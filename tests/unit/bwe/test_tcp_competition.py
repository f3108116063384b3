"""A queue that somebody else keeps filled is not given way to for good; and a path that became longer is no queue."""

from __future__ import annotations

import pytest

from sfu.bwe.kernels.state import NEVER_US
from tests.unit.bwe.plan import Path, Seen, after, play

SWINGS = [after(6 + k / 2, kept_full_ms=100 if k % 2 else 170) for k in range(20)]
"""A TCP flow that meets nothing but loss keeps the queue between these lengths, for ten seconds."""


@pytest.fixture(scope="module")
def beside_tcp() -> Seen:
    return play(Path(rate_bps=1_000_000, queue_ms=600), *SWINGS, after(16, kept_full_ms=0), seconds=22)


def test_at_first_a_queue_is_given_way_to_whoever_fills_it(beside_tcp: Seen) -> None:
    assert beside_tcp.between(3, 6).share("tcp_competition_us", NEVER_US) == 1
    assert beside_tcp.between(6, 9).least("estimate_bps") < 0.6 * 1_000_000


def test_after_three_seconds_it_is_known_for_somebody_elses(beside_tcp: Seen) -> None:
    first = beside_tcp.when("tcp_competition_us", above=0, since=6)
    assert 9 < first < 12
    assert beside_tcp.between(first, 16).share("tcp_competition_us", NEVER_US) == 0


def test_from_then_on_half_of_the_path_is_ours(beside_tcp: Seen) -> None:
    assert beside_tcp.between(12, 16).least("estimate_bps") > 0.45 * 1_000_000
    assert beside_tcp.between(12, 16).usual("carried_bps") > 0.45 * 1_000_000


def test_once_it_has_gone_the_queue_empties_and_all_of_the_path_is_used(beside_tcp: Seen) -> None:
    assert beside_tcp.when("tcp_competition_us", below=0, since=16) < 18
    assert beside_tcp.when("estimate_bps", above=0.85 * 1_000_000, since=16) < 22
    assert beside_tcp.since(20).most("wait_ms") < 120


@pytest.fixture(scope="module")
def longer() -> Seen:
    """Another route: 80 ms more, and no queue at all."""
    return play(Path(rate_bps=5_000_000, wants_bps=600_000), after(5, delay_ms=105), seconds=23)


def test_a_path_that_becomes_longer_seems_to_have_a_queue_for_a_while(longer: Seen) -> None:
    assert longer.between(5.3, 8).most("queue_ms") == pytest.approx(80, abs=5)
    assert longer.since(5).least("estimate_bps") > 0.4 * 600_000


def test_its_delay_is_learned_and_what_was_there_is_there_again(longer: Seen) -> None:
    assert longer.when("estimate_bps", above=590_000, since=6) < 16
    assert longer.since(22).most("queue_ms") < 5
    assert longer.since(22).least("estimate_bps") == 600_000


def test_a_queue_of_our_own_is_no_contest() -> None:
    """Who is alone on a path that carries less than before braked for his own queue: all of it got through."""
    seen = play(Path(rate_bps=1_000_000), after(4, rate_bps=400_000), seconds=10)
    assert seen.share("tcp_competition_us", NEVER_US) == 1


def test_others_who_heed_delay_as_we_do_are_no_contest_either() -> None:
    seen = play(Path(rate_bps=1_000_000), after(4, other_bps=500_000), seconds=10)
    assert seen.share("tcp_competition_us", NEVER_US) == 1
