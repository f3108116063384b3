"""What a path carries is found soon, and no more is believed to be there."""

from __future__ import annotations

import pytest

from tests.unit.bwe.plan import Path, after, play


@pytest.mark.parametrize("rate_bps", [600_000, 2_000_000])
def test_within_a_second_most_of_a_path_is_found_and_then_used(rate_bps: int) -> None:
    seen = play(Path(rate_bps=rate_bps), seconds=6)
    assert seen.when("estimate_bps", above=0.85 * rate_bps) < 1.0
    assert seen.since(2).usual("carried_bps") > 0.93 * rate_bps
    assert seen.most("estimate_bps") < 1.1 * rate_bps
    assert seen.most("wait_ms") < 100
    assert seen.since(2).usual("wait_ms") < 40
    assert seen.last("lost") == 0


def test_a_path_that_carries_less_than_every_path_begins_with_is_not_flooded() -> None:
    seen = play(Path(rate_bps=200_000), seconds=10)
    assert seen.since(3).most("estimate_bps") < 240_000
    assert seen.since(3).usual("wait_ms") < 80
    assert seen.since(3).usual("carried_bps") > 0.9 * 200_000


def test_a_path_that_grows_to_four_times_is_used_six_seconds_later() -> None:
    seen = play(Path(rate_bps=400_000), after(6, rate_bps=1_600_000), seconds=13)
    assert seen.between(3, 6).most("estimate_bps") < 480_000
    assert seen.when("estimate_bps", above=800_000, since=6) < 10
    assert seen.when("estimate_bps", above=1_400_000, since=6) < 12
    assert seen.since(6).most("wait_ms") < 100


def test_others_who_leave_make_room_that_is_used() -> None:
    seen = play(Path(rate_bps=1_500_000, other_bps=750_000), after(8, other_bps=0), seconds=16)
    assert 0.8 * 750_000 < seen.between(4, 8).usual("carried_bps") < 1.1 * 750_000
    assert seen.when("estimate_bps", above=0.9 * 1_500_000, since=8) < 14


def test_who_has_little_to_send_learns_what_is_there_all_the_same() -> None:
    seen = play(Path(rate_bps=1_500_000, sends_bps=200_000), after(6, sends_bps=None), seconds=8)
    assert seen.when("estimate_bps", above=1_200_000) < 2
    assert seen.between(2, 6).most("wait_ms") < 60
    assert seen.since(7).usual("carried_bps") > 0.9 * 1_500_000
    assert seen.since(6).most("wait_ms") < 100


def test_no_more_is_tried_than_is_wanted() -> None:
    seen = play(Path(rate_bps=3_000_000, wants_bps=600_000), seconds=6)
    assert seen.most("estimate_bps") == 600_000
    assert seen.states["cluster_bps"].max() <= 1.05 * 600_000
    assert seen.since(2).most("probe_number") == seen.since(2).least("probe_number")


def test_of_what_nobody_wants_a_half_is_left_and_it_is_there_again_soon() -> None:
    path = Path(rate_bps=1_500_000)
    seen = play(path, after(3, wants_bps=200_000), after(12, wants_bps=5_000_000), seconds=15)
    unwanted = seen.between(3.3, 11.9)
    assert unwanted.last("estimate_bps") == pytest.approx(unwanted.last("unused_bps") / 2)
    assert unwanted.last("unused_bps") == pytest.approx(seen.between(2, 3).last("estimate_bps"), rel=0.05)
    assert (unwanted.column("delay_bps")[1:] <= unwanted.column("delay_bps")[:-1]).all()
    assert seen.when("estimate_bps", above=0.85 * 1_500_000, since=12) < 13.5
    assert seen.since(12).most("wait_ms") < 100
