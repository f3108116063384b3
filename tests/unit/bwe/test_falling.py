"""A path that carries less is given way to, and the queue that has come of it is emptied."""

from __future__ import annotations

import pytest

from tests.unit.bwe.plan import Path, Seen, after, play


@pytest.fixture(scope="module")
def halved() -> Seen:
    return play(Path(rate_bps=1_000_000, delay_ms=40), after(8, rate_bps=500_000), seconds=16)


def test_half_of_a_path_is_given_up_within_a_second(halved: Seen) -> None:
    assert halved.when("estimate_bps", below=500_000, since=8) < 9
    assert halved.since(9).most("estimate_bps") < 1.1 * 500_000


def test_its_queue_is_gone_two_seconds_later_and_nothing_was_lost(halved: Seen) -> None:
    assert halved.since(8).most("wait_ms") < 450
    assert halved.when("wait_ms", below=30, since=8.5) < 11
    assert halved.since(11).usual("wait_ms") < 50
    assert halved.last("lost") == 0


def test_the_half_that_is_left_is_used(halved: Seen) -> None:
    assert halved.since(11).usual("carried_bps") > 0.9 * 500_000
    assert halved.least("estimate_bps") > 0.5 * 300_000


def test_while_a_queue_is_emptied_what_will_last_is_told_beside_what_may_be_sent_now(halved: Seen) -> None:
    lasting, now = halved.column("lasting_bps"), halved.column("estimate_bps")
    assert (lasting >= now).all()
    assert (lasting[halved.at > 8] > now[halved.at > 8]).any()
    assert halved.since(9).most("lasting_bps") < 1.1 * 500_000


def test_a_fifth_that_is_left_is_found_within_three_seconds() -> None:
    seen = play(Path(rate_bps=1_500_000, queue_ms=400), after(4, rate_bps=300_000), seconds=10)
    assert seen.when("estimate_bps", below=300_000, since=4) < 5
    assert seen.when("wait_ms", below=50, since=5) < 7
    assert seen.since(7).usual("carried_bps") > 0.85 * 300_000
    assert seen.since(7).most("wait_ms") < 150


def test_others_who_come_get_their_part_within_two_seconds() -> None:
    seen = play(Path(rate_bps=1_600_000), after(4, other_bps=800_000), seconds=10)
    assert seen.when("estimate_bps", below=800_000, since=4) < 6
    assert seen.since(4).most("wait_ms") < 400
    later = seen.since(6)
    assert later.usual("wait_ms") < 60
    assert 0.75 * 800_000 < later.usual("carried_bps") < 1.15 * 800_000


def test_a_path_that_is_a_little_worse_costs_a_little() -> None:
    seen = play(Path(rate_bps=1_000_000), after(6, rate_bps=900_000), seconds=12)
    assert seen.since(6).least("estimate_bps") > 0.6 * 900_000
    assert seen.since(8).usual("carried_bps") > 0.92 * 900_000
    assert seen.since(6).most("wait_ms") < 150
