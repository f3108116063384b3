from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.cluster.store_clock import StoreClock
from sfu.cluster.timing import ALONE, CLUSTER, Timing

BASE = 1_700_000_000.0
"""The store's calendar when our clock is at 0."""


def build(*samples: tuple[float, float], timing: Timing = CLUSTER) -> StoreClock:
    clock = StoreClock(timing)
    for sent, store in samples:
        clock.add(round((BASE + store) * 1000), sent, sent + 0.01)
    return clock


def late_after(clock: StoreClock, now: float) -> float:
    """By the store's calendar, from when our clock was at 0."""
    return clock.find_latest_ms(now) / 1000 - BASE


def test_both_timings_hold_what_they_promise() -> None:
    assert CLUSTER.is_sound()
    assert not Timing(hold=2.5).is_sound()
    assert not ALONE.is_sound(), "it is for a store that nobody else asks"


def test_nothing_is_claimed_before_the_store_s_clock_was_watched() -> None:
    clock = build((10.0, 10.0), (11.0, 11.0))
    assert clock.watched_at() == 12.8
    assert clock.find_latest_ms(12.7) == 0
    assert late_after(clock, 12.8) == pytest.approx(12.8 + 0.2, abs=0.002)
    assert build().watched_at() is None and build().find_latest_ms(99.0) == 0


def test_a_step_forward_makes_claims_late_until_it_was_watched() -> None:
    clock = build((10.0, 10.0), (11.0, 11.0), (12.0, 12.0), (13.0, 3613.0))
    assert late_after(clock, 13.5) == pytest.approx(13.7, abs=0.002)
    for second in (14.0, 15.0, 16.0):
        clock.add(round((BASE + 3600 + second) * 1000), second, second + 0.01)
    assert late_after(clock, 16.1) == pytest.approx(3616.3, abs=0.002)


def test_a_step_back_is_followed_at_once() -> None:
    clock = build((10.0, 10.0), (11.0, 11.0), (12.0, 12.0), (13.0, -3587.0))
    assert late_after(clock, 13.5) == pytest.approx(-3586.3, abs=0.002)


def test_slow_answers_say_nothing() -> None:
    clock = StoreClock(CLUSTER)
    clock.add(1000, 0.0, 0.3)
    assert clock.watched_at() is None


def test_after_a_gap_the_clocks_are_compared_anew() -> None:
    clock = build((10.0, 10.0), (11.0, 11.0), (12.0, 12.0), (20.0, 20.0))
    assert clock.watched_at() == 22.8
    assert build((10.0, 10.0), (11.0, 11.0), (12.0, 12.0), (13.0, 13.0)).find_latest_ms(20.0) == 0


def test_another_incarnation_is_watched_from_the_beginning() -> None:
    clock = build((10.0, 10.0), (13.0, 13.0))
    clock.restart()
    assert clock.watched_at() is None


def test_alone_nobody_needs_to_be_waited_for() -> None:
    clock = build((10.0, 10.0), timing=ALONE)
    assert late_after(clock, 10.0) == pytest.approx(10.2, abs=0.002)


@given(
    st.lists(
        st.tuples(st.floats(0.05, 1.5), st.just(0.0) | st.floats(0.0, 5.0), st.booleans()), min_size=3, max_size=30
    ),
    st.floats(0.0, 1.0),
)
def test_no_claim_in_time_finds_a_lease_over_that_its_node_still_counts_on(
    steps: list[tuple[float, float, bool]], delay: float
) -> None:
    """Whatever steps forward the store's clock makes; those back are another incarnation."""
    clock, now, ahead = StoreClock(CLUSTER), 100.0, 0.0
    written: list[tuple[float, float]] = []
    for pause, step, sampled in steps:
        now += pause
        ahead += step
        written.append((now, now + ahead))
        if sampled:
            clock.add(int((BASE + now + ahead) * 1000), now, now + 0.01)
    done = now + delay
    if (done + ahead + BASE) * 1000 <= clock.find_latest_ms(now):
        for sent, store in written:
            if done + ahead >= store + CLUSTER.lease:
                assert done - sent > CLUSTER.hold
