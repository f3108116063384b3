"""The round trip is smoothed over samples, raised where none can be had, and bounded whatever a client feigns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.feedback.round_trip import RoundTrip

MOST = 2.0


def test_before_the_first_sample_it_is_the_initial_one() -> None:
    assert RoundTrip().seconds == 0.1
    round_trip = RoundTrip(0.25)
    assert round_trip.seconds == 0.25
    assert not round_trip.measured


def test_the_first_sample_is_taken_as_it_is() -> None:
    round_trip = RoundTrip()
    round_trip.handle_sample(0.03)
    assert round_trip.seconds == 0.03
    assert round_trip.measured


def test_later_ones_are_taken_in_by_an_eighth() -> None:
    round_trip = RoundTrip()
    round_trip.handle_sample(0.2)
    round_trip.handle_sample(0.04)
    assert round_trip.seconds == pytest.approx(0.2 * 7 / 8 + 0.04 / 8)  # RFC 6298 section 2.3, alpha


def test_a_negative_sample_is_left_out() -> None:
    round_trip = RoundTrip()
    round_trip.handle_sample(-0.001)
    assert (round_trip.seconds, round_trip.measured) == (0.1, False)


def test_a_sample_counts_as_two_seconds_at_most() -> None:
    round_trip = RoundTrip()
    round_trip.handle_sample(3600.0)
    assert round_trip.seconds == MOST


def test_two_repairs_of_several_requests_say_nothing_yet() -> None:
    round_trip = RoundTrip(0.02)
    for _ in range(2):
        round_trip.handle_ambiguous(0.5)
    assert round_trip.seconds == 0.02


def test_more_of_them_raise_it_step_by_step_to_the_longest_it_can_be() -> None:
    round_trip = RoundTrip(0.02)
    seen = []
    for _ in range(20):
        round_trip.handle_ambiguous(0.05)
        seen.append(round_trip.seconds)
    assert seen[2:5] == pytest.approx([0.025, 0.03125, 0.0390625])
    assert seen[-1] == 0.05
    assert not round_trip.measured


def test_a_sample_ends_the_run() -> None:
    round_trip = RoundTrip(0.02)
    for _ in range(2):
        round_trip.handle_ambiguous(0.5)
    round_trip.handle_sample(0.02)
    for _ in range(2):
        round_trip.handle_ambiguous(0.5)
    assert round_trip.seconds == 0.02


def test_they_never_lower_it() -> None:
    round_trip = RoundTrip(0.3)
    for _ in range(9):
        round_trip.handle_ambiguous(0.05)
    assert round_trip.seconds == 0.3


def test_an_estimate_that_is_too_low_gets_to_where_samples_are_possible() -> None:
    """All is asked for twice as long as the wait is shorter than the path; raised, it is asked for once."""
    round_trip, path, ambiguous = RoundTrip(0.02), 0.3, 0
    while round_trip.seconds < path:
        round_trip.handle_ambiguous(path + round_trip.seconds)
        ambiguous += 1
        assert ambiguous < 20
    round_trip.handle_sample(path)
    assert round_trip.seconds == path


@given(st.lists(st.tuples(st.booleans(), st.floats(-10.0, 1e9)), max_size=60))
def test_it_stays_positive_and_bounded(events: list[tuple[bool, float]]) -> None:
    round_trip = RoundTrip()
    for ambiguous, seconds in events:
        (round_trip.handle_ambiguous if ambiguous else round_trip.handle_sample)(seconds)
        assert 0.0 <= round_trip.seconds <= MOST
    assert round_trip.measured == any(not ambiguous and seconds >= 0 for ambiguous, seconds in events)
