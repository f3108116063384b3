"""Nothing comes back, or the receiver says himself how much he takes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from sfu.bwe.kernels.state import LEAST_BPS
from tests.unit.bwe.plan import Path, Seen, after, play


@pytest.fixture(scope="module")
def silent() -> Seen:
    return play(
        Path(rate_bps=2_000_000, wants_bps=1_000_000), after(4, answers=False), after(8, answers=True), seconds=11
    )


def test_after_a_second_of_silence_ever_less_is_sent(silent: Seen) -> None:
    assert silent.between(3, 4.9).least("estimate_bps") == 1_000_000
    assert silent.when("estimate_bps", below=1_000_000, since=4) < 5.6
    steps = [value for value, _ in itertools.groupby(silent.between(5, 8).column("estimate_bps"))]
    assert all(later == pytest.approx(0.8 * before) for before, later in itertools.pairwise(steps))
    assert 4 <= len(steps) <= 7


def test_what_comes_back_is_used_again_soon(silent: Seen) -> None:
    assert silent.when("estimate_bps", above=950_000, since=8) < 10
    assert silent.most("wait_ms") < 100


def test_the_first_feedback_may_take_four_seconds() -> None:
    seen = play(Path(rate_bps=2_000_000, answers=False), after(3.5, answers=True), seconds=8)
    assert seen.between(0, 4).least("estimate_bps") == 300_000
    assert seen.when("estimate_bps", above=1_700_000) < 7


@pytest.mark.parametrize("tells_ms", [1100, 1900])
def test_who_tells_seldom_loses_nothing_by_it(tells_ms: int) -> None:
    path = Path(rate_bps=4_000_000, wants_bps=2_500_000, sends_bps=600_000, tells_ms=tells_ms)
    seen = play(path, after(17, tells_ms=0), after(21, answers=False), seconds=24)
    risen = seen.when("estimate_bps", above=1_500_000)
    assert risen < 4 * tells_ms / 1000
    assert (np.diff(seen.between(0, 21).column("estimate_bps")) >= 0).all()
    assert seen.since(22.5).last("estimate_bps") < 0.85 * seen.between(0, 21).last("estimate_bps")  # regular since


def test_where_it_is_the_queue_that_holds_the_words_up_patience_does_not_grow() -> None:
    seen = play(Path(rate_bps=2_000_000, obeys=False, sends_bps=2_500_000), after(3, rate_bps=300_000), seconds=12)
    assert seen.most("rare_us") < 300_000


def test_who_never_answers_gets_next_to_nothing_and_never_less() -> None:
    seen = play(Path(rate_bps=2_000_000, answers=False), seconds=14)
    assert seen.last("estimate_bps") == LEAST_BPS
    assert (seen.column("estimate_bps")[1:] <= seen.column("estimate_bps")[:-1]).all()


def test_where_nothing_is_sent_silence_says_nothing() -> None:
    seen = play(Path(rate_bps=2_000_000), after(3, sends_bps=0, wants_bps=3_000_000), seconds=7)
    assert seen.since(3).least("delay_bps") > 0.85 * 2_000_000


def test_what_the_receiver_allows_is_a_bound_from_the_moment_he_says_it() -> None:
    path = Path(rate_bps=2_000_000, wants_bps=1_500_000)
    seen = play(path, after(4, remote_bps=600_000), after(7, remote_bps=9_000_000), seconds=9)
    assert seen.between(4.05, 6.95).most("estimate_bps") == 600_000
    assert seen.between(4.05, 6.95).least("estimate_bps") == 600_000
    assert seen.when("estimate_bps", above=1_400_000, since=7) < 8


def test_that_he_allows_less_than_before_says_that_the_path_is_full_and_the_first_word_does_not() -> None:
    path = Path(rate_bps=2_000_000, wants_bps=1_500_000, remote_bps=1_800_000)
    seen = play(path, after(2, remote_bps=1_780_000), after(3, remote_bps=1_300_000), seconds=3.5)
    assert seen.between(0, 2.95).most("full_bps") == 0
    assert seen.since(3.05).least("full_bps") == 1_300_000


@pytest.mark.parametrize("allowed_bps", [1_100_000, 900_000, 200_000])
def test_so_it_does_where_he_allows_much_less(allowed_bps: int) -> None:
    """More than that got through just before, but of what was sent before he said so."""
    path = Path(rate_bps=2_000_000, wants_bps=1_500_000, remote_bps=1_800_000)
    seen = play(path, after(3, remote_bps=allowed_bps), seconds=6)
    assert seen.since(3.05).least("full_bps") == allowed_bps
    assert seen.since(3.05).most("full_bps") == allowed_bps


def test_and_on_a_long_way_where_for_long_all_that_comes_was_sent_before() -> None:
    path = Path(rate_bps=2_000_000, delay_ms=300, wants_bps=1_500_000, remote_bps=1_800_000)
    seen = play(path, after(5, remote_bps=600_000), seconds=8)
    assert seen.since(5.05).least("full_bps") == 600_000


def test_what_he_allows_again_and_gets_through_says_that_the_path_is_not_full_any_more() -> None:
    path = Path(rate_bps=2_000_000, wants_bps=1_500_000, remote_bps=1_800_000)
    seen = play(path, after(3, remote_bps=900_000), after(5, remote_bps=1_800_000), seconds=9)
    assert seen.between(3.05, 5).least("full_bps") == 900_000
    assert seen.when("full_bps", below=1, since=5) < 8
    assert seen.last("estimate_bps") > 1_400_000


def test_what_he_allows_never_starves_us() -> None:
    seen = play(Path(rate_bps=2_000_000), after(2, remote_bps=0), seconds=3)
    assert seen.since(2.1).most("estimate_bps") == LEAST_BPS
