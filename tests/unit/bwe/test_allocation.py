"""Who gets how much of a budget, and when a step is taken, kept or lost."""

from __future__ import annotations

import math

import pytest

from sfu.bwe.allocation import FORGOTTEN, HOLD, LONGEST_HOLD, MARGIN, START, Allocation, Allocator, Step
from tests.unit.bwe.allocating import Peer, T, demand, first, hold_after_failures, layers

# --- the order of the steps ----------------------------------------------------------------------------------------


def test_everyone_gets_the_lowest_step_before_anyone_gets_a_second() -> None:
    steps = (100, 300)
    assert first(399, demand("a", *steps, priority=9.0), demand("b", *steps), demand("c", *steps)) == {
        "a": 0,
        "b": 0,
        "c": 0,
    }


def test_the_lowest_steps_have_their_floor_and_leave_nothing_to_higher_ones_then() -> None:
    demands = (demand("a", 100, 200), demand("b", 100, 200), demand("c", 100, 200))
    allocator = Allocator[str, int]()
    allocation = allocator.allocate(50, demands, T, floor_bps=250)
    assert layers(allocation.chosen) == {"a": 0, "b": 0, "c": None}
    assert allocation.spent_bps == 200
    assert layers(allocator.allocate(401, demands, T + 1, floor_bps=250).chosen) == {"a": 1, "b": 0, "c": 0}
    assert layers(allocator.allocate(50, demands, T + 2, floor_bps=100).chosen) == {"a": 0, "b": None, "c": None}


def test_the_lowest_steps_go_by_priority_then_by_the_order_given() -> None:
    a, b, c = demand("a", 100), demand("b", 100), demand("c", 100, priority=2.0)
    assert first(250, a, b, c) == {"a": 0, "b": None, "c": 0}
    assert first(250, b, a, c) == {"a": None, "b": 0, "c": 0}
    assert first(99, a, b, c) == {"a": None, "b": None, "c": None}


def test_what_does_not_fit_is_passed_over() -> None:
    big, small = demand("big", 100, 900, 950), demand("small", 100, 150, 200)
    assert first(400, big, small) == {"big": 0, "small": 2}
    assert first(150, demand("big", 200, priority=5.0), small) == {"big": None, "small": 1}


def test_the_rest_goes_to_who_has_the_least_for_its_priority() -> None:
    steps = (100, 200, 300, 400, 500, 600)
    assert first(800, demand("a", *steps), demand("b", *steps)) == {"a": 3, "b": 3}
    assert first(900, demand("a", *steps), demand("b", *steps, priority=2.0)) == {"a": 2, "b": 5}


def test_one_without_steps_costs_nothing_and_is_not_paused() -> None:
    result = Allocator[str, int]().allocate(100, [demand("a"), demand("b", 100)], T)
    assert layers(result.chosen) == {"b": 0}
    assert result == Allocation(result.chosen, 100, 100, None)
    assert Allocator[str, int]().allocate(0, [], T) == Allocation({}, 0, 0, None)


def test_what_is_told_besides_who_gets_what() -> None:
    demands = [demand("a", 100, 300, 700), demand("b", 100, 500)]
    result = Allocator[str, int]().allocate(450, demands, T)
    assert layers(result.chosen) == {"a": 1, "b": 0}
    assert (result.spent_bps, result.wanted_bps) == (400, 1200)
    assert result.next_bps == 800  # what a has it keeps: with 400 more b has its second step, too
    assert layers(Allocator[str, int]().allocate(800, demands, T).chosen) == {"a": 1, "b": 1}


def test_an_unknown_budget_carries_all_and_one_below_zero_nothing() -> None:
    assert first(math.inf, demand("a", 100, 1e300), demand("b", 5)) == {"a": 1, "b": 0}
    assert first(-1, demand("a", 0, 100)) == {"a": None}
    assert first(0, demand("a", 0, 100)) == {"a": 0}


def test_a_step_counts_for_no_less_than_those_below_it() -> None:
    result = Allocator[str, int]().allocate(600, [demand("a", 300, 250, 600, 500)], T)
    assert layers(result.chosen) == {"a": 3}
    assert (result.spent_bps, result.wanted_bps) == (600, 600)
    assert first(299, demand("a", 300, 250)) == {"a": None}


@pytest.mark.parametrize("rate", [-1.0, math.nan, math.inf])
def test_a_rate_that_cannot_be_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="rate"):
        Step(0, rate)


@pytest.mark.parametrize("priority", [0.0, -1.0, math.nan, math.inf])
def test_so_is_a_priority(priority: float) -> None:
    with pytest.raises(ValueError, match="priority"):
        demand("a", priority=priority)


def test_so_are_a_budget_two_of_one_key_and_constants_that_contradict_each_other() -> None:
    allocator = Allocator[str, int]()
    with pytest.raises(ValueError, match="budget"):
        allocator.allocate(math.nan, [], T)
    with pytest.raises(ValueError, match="key"):
        allocator.allocate(1, [demand("a"), demand("a", 1)], T)
    with pytest.raises(ValueError, match="hold"):
        Allocator(hold=3.0, longest_hold=2.0)
    with pytest.raises(ValueError, match="stickiness"):
        Allocator(stickiness=0.9)


# --- down ----------------------------------------------------------------------------------------------------------


def test_what_no_longer_fits_is_taken_at_once_from_who_has_the_most() -> None:
    peer = Peer(1000, demand("a", 100, 300, 500), demand("b", 100, 300, 400))
    assert peer.at(900, T) == {"a": 2, "b": 2}
    assert peer.at(899, T) == {"a": 2, "b": 1}  # both had 300 before their last step; the later one loses it
    assert peer.at(799, T) == {"a": 1, "b": 1}
    assert peer.at(400, T) == {"a": 1, "b": 0}
    assert peer.at(150, T) == {"a": 0, "b": None}
    assert peer.at(0, T) == {"a": None, "b": None}


def test_the_least_priority_pays_first() -> None:
    peer = Peer(1000, demand("a", 100, 300, 500), demand("b", 100, 300, 500, priority=4.0))
    assert peer.at(600, T) == {"a": 0, "b": 2}


def test_nobody_is_changed_who_need_not_be() -> None:
    """The last step of `a` stands last, but does not bring enough; once that of `b` is taken it need not go."""
    peer = Peer(3000, demand("a", 100, 900, 1000), demand("b", 100, 500, 990), demand("c", 100, 400))
    assert peer.at(2100, T) == {"a": 2, "b": 1, "c": 1}


def test_a_drop_to_a_half_is_followed_in_the_same_call() -> None:
    steps = (150, 300, 500, 800, 1500, 2500)
    peer = Peer(10_000, *(demand(key, *steps) for key in "abcd"))
    assert peer.at(5000, T) == {"a": 4, "b": 4, "c": 3, "d": 3}


def test_the_same_at_a_higher_rate_is_kept_while_the_total_fits() -> None:
    peer = Peer(1050, demand("a", 100, 500), demand("b", 100, 500, 900))
    assert peer.at(1050, T) == {"a": 1, "b": 1}
    more = demand("b", 120, 550, 1000)
    assert peer.at(1050, T, demand("a", 100, 500), more) == {"a": 1, "b": 1}
    assert peer.at(1049, T) == {"a": 1, "b": 0}


# --- up ------------------------------------------------------------------------------------------------------------


def test_a_step_up_needs_a_margin_of_its_rate() -> None:
    peer = Peer(500, demand("a", 100, 1000))
    assert peer.at(1000 * (1 + MARGIN) - 1, T + 1) == {"a": 0}
    assert peer.at(1000 * (1 + MARGIN), T + 2) == {"a": 1}
    assert peer.at(1000, T + 3) == {"a": 1}


def test_in_its_first_seconds_it_does_not() -> None:
    allocator = Allocator[str, int]()
    for seconds, budget, layer in ((0.0, 100, 0), (START / 2, 300, 1), (START, 1000, 1), (START, 1080, 2)):
        result = allocator.allocate(budget, [demand("a", 100, 300, 1000)], T + seconds)
        assert layers(result.chosen) == {"a": layer}


def test_a_step_up_waits_for_its_hold_after_a_step_down() -> None:
    peer = Peer(2000, demand("a", 100, 1000))
    assert peer.allocator.poll_timeout() is None
    assert peer.at(900, T) == {"a": 0}
    assert peer.allocator.poll_timeout() is None  # no waiting will bring it
    assert peer.at(2000, T + 0.1) == {"a": 0}
    assert peer.allocator.poll_timeout() == T + HOLD
    assert peer.at(2000, T + HOLD - 0.001) == {"a": 0}
    assert peer.at(2000, T + HOLD) == {"a": 1}
    assert peer.allocator.poll_timeout() is None


def test_so_does_the_end_of_a_pause() -> None:
    peer = Peer(2000, demand("a", 1000))
    assert peer.at(900, T) == {"a": None}
    assert peer.at(1000 * (1 + MARGIN) - 1, T + HOLD) == {"a": None}
    assert peer.at(1000 * (1 + MARGIN), T + HOLD) == {"a": 0}


def test_what_waits_keeps_its_place() -> None:
    peer = Peer(2000, demand("a", 100, 1000), demand("b", 100, 400, 600, 1000, priority=0.5))
    assert peer.at(1000, T) == {"a": 0, "b": 2}
    assert peer.at(1700, T + HOLD / 2) == {"a": 0, "b": 2}  # else b would go up, only to make room a second later
    assert peer.at(1700, T + HOLD) == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("count", "hold"), [(0, HOLD), (1, 2 * HOLD), (2, 4 * HOLD), (3, LONGEST_HOLD), (9, LONGEST_HOLD)]
)
def test_the_hold_doubles_with_each_step_up_that_was_taken_back(count: int, hold: float) -> None:
    _, found = hold_after_failures(Peer(2000, demand("a", 100, 1000)), count)
    assert found == pytest.approx(hold)


def test_a_step_that_failed_must_fit_for_the_whole_of_its_hold() -> None:
    peer = Peer(2000, demand("a", 100, 1000))
    now, _ = hold_after_failures(peer, 1)
    missed = now + 1.5 * HOLD
    assert peer.at(1000, missed) == {"a": 0}
    assert peer.at(1100, now + 2 * HOLD) == {"a": 0}
    assert peer.allocator.poll_timeout() == pytest.approx(missed + 2 * HOLD)
    assert peer.at(1100, missed + 2 * HOLD + 0.01) == {"a": 1}


def test_failures_are_forgotten_after_quiet() -> None:
    peer = Peer(2000, demand("a", 100, 1000))
    now, _ = hold_after_failures(peer, 4)
    peer.at(1000, now + FORGOTTEN - 1)
    assert peer.at(1100, now + FORGOTTEN - 0.5) == {"a": 0}
    peer.at(1000, now + FORGOTTEN - 0.4)  # that would have been another one
    assert peer.at(1100, now + FORGOTTEN) == {"a": 0}
    assert peer.at(1000, now + FORGOTTEN + 0.1) == {"a": 0}
    assert peer.at(1100, now + 2 * FORGOTTEN + 0.2) == {"a": 1}


def test_a_budget_that_is_clearly_better_ends_the_longer_hold() -> None:
    peer = Peer(2000, demand("a", 100, 1000))
    now, _ = hold_after_failures(peer, 4)
    result = peer.allocator.allocate(1100, peer.demands, now + HOLD)
    assert result.next_bps == 1.25 * 1100
    assert peer.at(1.25 * 1100, now + HOLD) == {"a": 1}


def test_a_network_that_has_become_another_one_forgets_failures() -> None:
    peer = Peer(2000, demand("a", 100, 1000))
    now, hold = hold_after_failures(peer, 4)
    assert hold == LONGEST_HOLD
    for tick in range(1, 7):
        assert peer.at(500, now + tick / 2) == {"a": 0}
    assert peer.at(1100, now + 3.5) == {"a": 1}  # at once


def test_only_the_steps_that_failed_wait_longer() -> None:
    steps = (100, 300, 1000)
    peer = Peer(2000, demand("a", *steps))
    peer.at(900, T)
    assert peer.at(1100, T + 3) == {"a": 2}
    assert peer.at(900, T + 4) == {"a": 1}
    assert peer.at(200, T + 30) == {"a": 0}
    assert peer.at(1100, T + 30 + HOLD) == {"a": 1}
    assert peer.at(1100, T + 30 + 2 * HOLD) == {"a": 2}


def test_a_step_up_that_lasted_was_no_failure() -> None:
    peer = Peer(2000, demand("a", 100, 1000))
    peer.at(900, T)
    assert peer.at(1100, T + 3) == {"a": 1}
    assert peer.at(900, T + 30) == {"a": 0}
    assert peer.at(1100, T + 30 + HOLD) == {"a": 1}
