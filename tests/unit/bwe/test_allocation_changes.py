"""A budget that is shared among those who come and go, and whose steps do."""

from __future__ import annotations

import gc
import weakref

from sfu.bwe.allocation import HOLD, Allocator, Demand, Step
from tests.unit.bwe.allocating import LATER, Peer, T, demand, hold_after_failures


def test_one_who_comes_gets_the_share_at_once() -> None:
    steps = (100, 500, 1000)
    peer = Peer(1100, demand("a", *steps))
    assert peer.at(1100, T) == {"a": 2}
    assert peer.at(1100, T, demand("a", *steps), demand("b", *steps)) == {"a": 1, "b": 1}


def test_a_higher_priority_takes_from_the_lower_ones() -> None:
    steps = (100, 500, 1000)
    peer = Peer(1300, demand("a", *steps), demand("b", 100))
    urgent = demand("c", *steps, priority=4.0)
    assert peer.at(1300, T, *peer.demands, urgent) == {"a": 1, "b": 0, "c": 1}
    assert peer.at(1050, T) == {"a": 0, "b": 0, "c": 1}
    assert peer.at(150, T) == {"a": None, "b": None, "c": 0}


def test_of_equals_who_is_paused_already_stays_so() -> None:
    peer = Peer(150, demand("a", 100))
    assert peer.at(150, T, demand("b", 100), demand("a", 100)) == {"b": None, "a": 0}
    assert peer.at(150, T, demand("b", 100, priority=1.5), demand("a", 100)) == {"b": 0, "a": None}


def test_one_who_becomes_more_urgent_is_as_good_as_new() -> None:
    steps = (100, 500, 1000)
    peer = Peer(1100, demand("a", *steps), demand("b", *steps))
    assert peer.at(1100, T, demand("a", *steps), demand("b", *steps, priority=1.1)) == {"a": 1, "b": 1}
    assert peer.at(1100, T, demand("a", *steps), demand("b", *steps, priority=6.0)) == {"a": 0, "b": 2}


def test_making_room_for_another_is_no_failure() -> None:
    steps = (100, 500, 1000)
    peer = Peer(1100, demand("a", *steps), demand("b", *steps))
    peer.at(1100, T, demand("a", *steps))
    assert peer.at(1100, T + 1) == {"a": 2}
    peer.at(1100, T + 2, demand("a", *steps), demand("b", *steps))
    assert peer.at(1100, T + 2 + HOLD, demand("a", *steps)) == {"a": 2}


def test_nothing_is_kept_of_who_is_gone() -> None:
    class Key:
        pass

    allocator = Allocator[Key, int]()
    key = Key()
    gone = weakref.ref(key)
    allocator.allocate(100, [Demand(key, [Step(0, 100.0)])], T)
    del key
    gc.collect()
    assert gone() is not None
    allocator.allocate(100, [], T)
    gc.collect()
    assert gone() is None


def test_who_comes_back_is_new() -> None:
    peer = Peer(2000, demand("a", 100, 1000))
    hold_after_failures(peer, 4)
    peer.at(1000, T + 200, demand("b", 0))
    assert peer.at(1000, T + 200, demand("a", 100, 1000)) == {"a": 1}


def steps_of(key: str, **rates: float) -> Demand[str, str]:
    return Demand(key, [Step(layer, rate) for layer, rate in rates.items()])


def test_steps_that_come_and_go_are_obeyed_at_once() -> None:
    allocator = Allocator[str, str]()
    all_three = {"q": 100.0, "h": 500.0, "f": 1000.0}

    def at(now: float, **rates: float) -> str | None:
        step = allocator.allocate(1010, [steps_of("a", **rates)], now).chosen.get("a")
        return step.layer if step is not None else None

    assert at(T, **all_three) == "f"
    assert at(T + LATER, q=100, h=500) == "h"  # the ceiling, or the encoding ended
    assert at(T + LATER + 0.1, **all_three) == "f"  # without margin: that is how it was
    assert at(T + LATER + 0.2, q=100, f=1000) == "f"
    assert at(T + LATER + 0.3, **all_three) == "f"
    assert at(T + LATER + 0.4, h=500) == "h"
    assert at(T + LATER + 0.5) is None
    assert at(T + LATER + 0.6, q=100) == "q"
    assert at(T + LATER + 0.7, z=1005) == "z"  # nothing of before is left


def test_the_next_one_below_follows_a_step_that_is_gone() -> None:
    allocator = Allocator[str, str]()
    demands = [steps_of("a", q=100, h=500, f=1000)]
    allocator.allocate(500, demands, T)
    assert allocator.allocate(500, demands, T + LATER).chosen["a"] == Step("h", 500)
    assert allocator.allocate(1020, [steps_of("a", q=100, f=1000)], T + LATER).chosen["a"] == Step("q", 100)
    assert allocator.allocate(1030, [steps_of("a", q=100, f=1000)], T + LATER).chosen["a"] == Step("f", 1000)


def test_a_new_ceiling_does_not_wait_for_a_hold() -> None:
    allocator = Allocator[str, str]()
    lower, all_three = steps_of("a", q=100, h=500), steps_of("a", q=100, h=500, f=1000)
    allocator.allocate(500, [lower], T)
    assert allocator.allocate(400, [lower], T + LATER).chosen["a"] == Step("q", 100)
    assert allocator.allocate(500, [lower], T + LATER + 0.1).chosen["a"] == Step("q", 100)
    assert allocator.allocate(1000, [all_three], T + LATER + 0.2).chosen["a"] == Step("f", 1000)
