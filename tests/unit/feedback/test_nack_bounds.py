"""Requests stay within bounds whatever a publisher does, and each missing packet ends in one of three ways."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfu.feedback.nack import BURST, REORDERING, SPACING, NackResult
from tests.unit.feedback.nack_stream import Stream

NOTHING = NackResult()
LEAST_RETRY, MOST_RETRY = 0.020, 0.4
T = 100.0


# --- bounds --------------------------------------------------------------------------------------------------------


def test_a_gap_beyond_the_limit_is_a_key_frame_at_once() -> None:
    stream = Stream()
    stream.nacks.handle_gap(10, 401, T)
    assert stream.nacks.outstanding == 0
    assert stream.due() == (T, NackResult((), give_up=True))
    assert stream.nacks.poll_timeout() is None
    assert (stream.nacks.asked, stream.nacks.given_up) == (0, 401)


def test_it_takes_the_earlier_ones_with_it() -> None:
    stream = Stream()
    stream.nacks.handle_gap(10, 5, T)
    stream.nacks.handle_gap(1000, 60_000, T + 0.001)
    assert stream.due() == (T + 0.001, NackResult((), give_up=True))
    assert (stream.nacks.outstanding, stream.nacks.given_up) == (0, 60_005)


def test_the_largest_gap_costs_nothing() -> None:
    """A sequence of them, each as wide as 48 bits allow, would never end were it counted out."""
    stream = Stream()
    for k in range(1000):
        stream.nacks.handle_gap(k << 48, (1 << 48) - 1, T)
    assert stream.nacks.outstanding == 0
    assert [result for _, result in stream.until_rest()] == [NackResult((), give_up=True)]


def test_a_gap_of_the_limit_is_still_repaired() -> None:
    stream = Stream()
    stream.nacks.handle_gap(10, 400, T)
    assert stream.due() == (T, NackResult(tuple(range(10, 410))))


def test_gaps_that_together_are_too_many_are_given_up_together() -> None:
    stream = Stream()
    stream.nacks.handle_gap(0, 300, T)
    stream.nacks.handle_gap(1000, 300, T)
    assert stream.nacks.outstanding == 600
    assert stream.due() == (T, NackResult((), give_up=True))
    assert (stream.nacks.outstanding, stream.nacks.given_up) == (0, 600)


def test_unless_enough_of_them_have_come_meanwhile() -> None:
    stream = Stream()
    stream.nacks.handle_gap(0, 300, T)
    stream.nacks.handle_gap(1000, 300, T)
    stream.came = set(range(250))
    _, result = stream.due()
    assert not result.give_up
    assert result.sequences == (*range(250, 300), *range(1000, 1300))
    assert (stream.nacks.reordered, stream.nacks.given_up) == (250, 0)


def test_small_gaps_beyond_the_limit_are_judged_before_reordering_had_its_time() -> None:
    stream = Stream(limit=20)
    for k in range(21):
        stream.nacks.handle_gap(2 * k, 1, T)
    assert stream.due() == (T, NackResult((), give_up=True))


def test_what_is_missing_is_bounded_without_anybody_calling_back() -> None:
    stream = Stream()
    for k in range(5000):
        stream.nacks.handle_gap(k * 500, 400, T)
        assert stream.nacks.outstanding <= 800


def test_requests_are_bounded_in_their_rate() -> None:
    """Also for a publisher who loses half of a thousand packets a second on purpose."""
    stream, now, sent = Stream(0.0, rate=100.0, limit=50), T, 0
    for k in range(2000):
        now = T + k / 1000
        stream.nacks.handle_gap(10 * k, 1, now)
        sent += len(stream.at(now).sequences)
    assert 50 + 100 * 2.0 - 20 <= sent <= 50 + 100 * 2.0
    assert stream.nacks.asked == sent


def test_what_the_rate_deferred_is_asked_for_later_oldest_first() -> None:
    stream = Stream(1.0, rate=100.0, limit=10)
    stream.nacks.handle_gap(0, 10, T)
    assert stream.due() == (T, NackResult(tuple(range(10))))
    for sequence in range(10):
        stream.nacks.handle_repaired(sequence, T + 0.001)
    stream.nacks.handle_gap(100, 8, T + 0.001)
    found: dict[int, float] = {}
    while len(found) < 8:
        now, result = stream.due()
        found = dict.fromkeys(result.sequences, now) | found
    assert sorted(found, key=lambda sequence: (found[sequence], sequence)) == list(range(100, 108))
    assert found[107] == pytest.approx(T + 0.08, abs=0.02)  # a request each 10 ms


# --- other numbers -------------------------------------------------------------------------------------------------


def test_sequence_numbers_wrap_on_the_wire_and_stay_in_order() -> None:
    stream = Stream()
    stream.nacks.handle_gap((3 << 16) - 2, 4, T)
    assert stream.at(T + REORDERING).sequences == (65534, 65535, 0, 1)
    assert stream.looked_up == [(3 << 16) - 2, (3 << 16) - 1, 3 << 16, (3 << 16) + 1]


def test_the_same_number_of_another_cycle_is_another_packet() -> None:
    stream = Stream()
    stream.nacks.handle_gap(7, 1, T)
    stream.due()
    stream.nacks.handle_gap(65536 + 7, 1, T + 0.02)
    stream.nacks.handle_repaired(65536 + 7, T + 0.03)
    assert (stream.nacks.reordered, stream.nacks.outstanding) == (1, 1)
    assert next(result.sequences for _, result in stream.until_rest() if result.sequences) == (7,)


def test_with_another_ssrc_all_is_forgotten_but_the_statistics() -> None:
    stream = Stream(0.04)
    stream.nacks.handle_gap(1, 1, T)
    asked, _ = stream.due()
    stream.nacks.handle_repaired(1, asked + 0.05)
    stream.nacks.handle_gap(10, 9, T + 1)
    stream.due()
    stream.nacks.reset()
    assert stream.nacks.poll_timeout() is None
    assert stream.nacks.outstanding == 0
    assert stream.at(T + 5) == NOTHING
    assert (stream.nacks.asked, stream.nacks.repaired, stream.nacks.given_up) == (10, 1, 0)
    assert stream.nacks.round_trip_time == pytest.approx(0.05)  # it is the client's, not the stream's


def test_with_another_ssrc_nobody_needs_a_key_frame_of_the_old_one() -> None:
    stream = Stream()
    stream.nacks.handle_gap(10, 5000, T)
    stream.nacks.reset()
    assert stream.nacks.poll_timeout() is None
    assert stream.at(T + 1) == NOTHING


def test_an_old_number_may_be_missing_again_after_that() -> None:
    stream = Stream()
    stream.nacks.handle_gap(10, 1, T)
    stream.due()
    stream.nacks.reset()
    stream.nacks.handle_gap(10, 1, T + 0.5)
    assert stream.due() == (T + 0.5 + REORDERING, NackResult((10,)))
    stream.nacks.handle_repaired(10, T + 0.55)
    assert stream.nacks.round_trip_time == pytest.approx(0.04)  # from the second request


# --- together ------------------------------------------------------------------------------------------------------


@given(
    events=st.lists(
        st.tuples(
            st.floats(0.0, 0.3),
            st.sampled_from(["gap", "gap", "burst", "comes", "repaired", "wait"]),
            st.integers(1, 12),
        ),
        max_size=40,
    ),
    rtt=st.floats(0.0, 1.0),
)
@settings(deadline=None)
def test_every_missing_packet_ends_one_way_within_its_bounds(events: list[tuple[float, str, int]], rtt: float) -> None:
    """It is never asked for after it was known to have come, nor more often than allowed, nor forgotten."""
    limit, tries, max_age = 20, 5, 1.0
    stream = Stream(rtt, limit=limit, tries=tries, max_age=max_age, rate=200.0)
    now, following = T, 0
    since: dict[int, float] = {}
    earliest: dict[int, float] = {}
    asked: dict[int, list[float]] = {}
    ended: set[int] = set()

    def run(until: float) -> None:
        while (due := stream.nacks.poll_timeout()) is not None and due <= until:
            at = max(due, last[0])
            result = stream.at(at)
            last[0] = at
            for sequence in result.sequences:
                asked.setdefault(sequence, []).append(at)
                assert sequence not in ended
                assert earliest[sequence] <= at < since[sequence] + max_age

    last = [now]
    for step, what, count in events:
        now += step
        run(now)
        last[0] = now
        if what in ("gap", "burst"):
            count = count if what == "gap" else count + BURST
            stream.nacks.handle_gap(following, count, now)
            since |= dict.fromkeys(range(following, following + count), now)
            due = now if count >= BURST else now + REORDERING
            earliest |= dict.fromkeys(range(following, following + count), due)
            following += count + 1
        elif what != "wait" and following:
            sequence = count * 7 % following
            if what == "comes":
                stream.came.add(sequence)
            else:
                stream.nacks.handle_repaired(sequence, now)
            ended.add(sequence)
        assert stream.nacks.outstanding <= 2 * limit
        assert (stream.nacks.outstanding > 0) <= (stream.nacks.poll_timeout() is not None)
    run(now + max_age + SPACING)
    assert stream.nacks.outstanding == 0
    assert stream.nacks.poll_timeout() is None
    assert stream.nacks.repaired + stream.nacks.reordered + stream.nacks.given_up == len(since)
    assert stream.nacks.asked == sum(map(len, asked.values()))
    assert all(len(times) <= tries for times in asked.values())
    moments = sorted(set(itertools.chain(*asked.values())))
    assert len(moments) <= 1 + (now + max_age - T) / SPACING
