"""The heap of deadlines never forgets one, never calls early, and does not grow by deadlines that move."""

from __future__ import annotations

import weakref

from hypothesis import given
from hypothesis import strategies as st

from sfu.shard.timers import Timers


class _Key:
    """Something that can be held."""


def test_deadlines_come_due_in_order() -> None:
    timers: Timers[str] = Timers()
    timers.schedule("b", 2.0)
    timers.schedule("a", 1.0)
    timers.schedule("c", 3.0)
    assert timers.poll_timeout() == 1.0
    assert timers.pop_due(2.0) == ["a", "b"]
    assert timers.pop_due(2.5) == []
    assert timers.pop_due(3.0) == ["c"]
    assert timers.poll_timeout() is None


def test_a_deadline_moved_back_costs_no_entry() -> None:
    timers: Timers[str] = Timers()
    for second in range(1000):
        timers.schedule("a", float(second))
    assert len(timers._heap) == 1
    assert timers.pop_due(998.0) == []
    assert timers.pop_due(999.0) == ["a"]


def test_a_deadline_moved_forward_is_met() -> None:
    timers: Timers[str] = Timers()
    timers.schedule("a", 10.0)
    timers.schedule("a", 5.0)
    assert timers.poll_timeout() == 5.0
    assert timers.pop_due(5.0) == ["a"]
    assert timers.pop_due(10.0) == []


def test_a_deadline_taken_away_does_not_come() -> None:
    timers: Timers[str] = Timers()
    timers.schedule("a", 1.0)
    timers.schedule("a", None)
    assert timers.poll_timeout() is None
    assert timers.pop_due(9.0) == []
    assert len(timers) == 0


def test_a_key_without_a_deadline_is_held_no_more() -> None:
    timers: Timers[_Key] = Timers()
    key = _Key()
    for deadline in (5.0, 3.0, 9.0, None):
        timers.schedule(key, deadline)
    gone = weakref.ref(key)
    del key
    assert gone() is None
    assert timers.pop_due(9.0) == []


@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.sampled_from("abcd"), st.one_of(st.none(), st.integers(0, 60))),
            st.tuples(st.just("now"), st.integers(0, 5)),
        ),
        max_size=80,
    )
)
def test_agrees_with_a_plain_dictionary(steps: list[tuple[str, int | None]]) -> None:
    timers: Timers[str] = Timers()
    plain: dict[str, float] = {}
    now = 0.0
    for key, value in steps:
        if key == "now":
            now += value or 0
            due = {name for name, deadline in plain.items() if deadline <= now}
            assert set(timers.pop_due(now)) == due
            for name in due:
                del plain[name]
        else:
            timers.schedule(key, None if value is None else float(value))
            plain.pop(key, None)
            if value is not None:
                plain[key] = float(value)
        earliest = timers.poll_timeout()
        assert (earliest is None) == (not plain)
        assert earliest is None or earliest <= min(plain.values())
    for _ in range(2 * len(steps)):  # who looks at each deadline that is named gets everything in so many looks
        if (at := timers.poll_timeout()) is not None:
            now = max(now, at)
            assert all(plain.pop(key) <= now for key in timers.pop_due(now))
    assert not plain
