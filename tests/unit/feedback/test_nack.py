"""What is missing is asked for in time, not too often, not for ever, and within bounds whatever a publisher does."""

from __future__ import annotations

import itertools

import pytest

from sfu.feedback.nack import BURST, REORDERING, SPACING, NackResult, NackSchedule
from sfu.feedback.round_trip import RoundTrip
from tests.unit.feedback.nack_stream import Stream, asked_in

NOTHING = NackResult()
LEAST_RETRY, MOST_RETRY = 0.020, 0.4
T = 100.0


def test_without_loss_it_wants_nothing() -> None:
    stream = Stream()
    assert stream.nacks.poll_timeout() is None
    assert stream.at(T) == NOTHING
    assert stream.looked_up == []
    stream.nacks.handle_gap(5, 0, T)
    stream.nacks.handle_gap(5, -3, T)
    assert stream.nacks.poll_timeout() is None
    assert stream.nacks.outstanding == 0


# --- the first request ---------------------------------------------------------------------------------------------


def test_a_small_gap_is_asked_for_when_reordering_had_its_time() -> None:
    stream = Stream()
    stream.nacks.handle_gap(700, 3, T)
    assert stream.nacks.poll_timeout() == T + REORDERING
    assert stream.at(T + REORDERING - 0.001) == NOTHING
    assert stream.at(T + REORDERING) == NackResult((700, 701, 702))
    assert (stream.nacks.asked, stream.nacks.outstanding) == (3, 3)


@pytest.mark.parametrize(("count", "wait"), [(BURST - 1, REORDERING), (BURST, 0.0), (BURST + 20, 0.0)])
def test_a_burst_is_no_reordering_and_asked_for_at_once(count: int, wait: float) -> None:
    stream = Stream()
    stream.nacks.handle_gap(10, count, T)
    now, result = stream.due()
    assert now == T + wait
    assert result.sequences == tuple(range(10, 10 + count))


def test_what_comes_late_by_itself_is_never_asked_for() -> None:
    stream = Stream()
    stream.nacks.handle_gap(10, 3, T)
    stream.came = {10, 12}
    assert stream.at(T + REORDERING).sequences == (11,)
    assert (stream.nacks.reordered, stream.nacks.repaired, stream.nacks.asked) == (2, 0, 1)


def test_when_all_came_late_it_rests() -> None:
    stream = Stream()
    stream.nacks.handle_gap(10, 3, T)
    stream.came = {10, 11, 12}
    assert stream.at(T + REORDERING) == NOTHING
    assert stream.nacks.poll_timeout() is None
    assert stream.nacks.outstanding == 0


def test_only_what_is_due_is_looked_up() -> None:
    stream = Stream()
    stream.nacks.handle_gap(10, 1, T)
    stream.nacks.handle_gap(20, 1, T + 0.008)
    stream.at(T + REORDERING)
    assert stream.looked_up == [10]


def test_a_gap_told_of_twice_is_asked_for_once_and_keeps_its_time() -> None:
    stream = Stream()
    stream.nacks.handle_gap(10, 2, T)
    stream.nacks.handle_gap(10, 3, T + 0.004)
    assert stream.at(T + REORDERING).sequences == (10, 11)
    assert stream.nacks.outstanding == 3


def test_what_falls_due_soon_after_a_request_waits_for_the_next() -> None:
    stream = Stream()
    for k in range(4):
        stream.nacks.handle_gap(10 + 2 * k, 1, T + k * 0.001)
    first, after = stream.due(), stream.due()
    assert first == (T + REORDERING, NackResult((10,)))
    assert after == (T + REORDERING + SPACING, NackResult((12, 14, 16)))


def test_calling_it_too_early_is_harmless() -> None:
    early, exact = Stream(), Stream()
    for stream in (early, exact):
        stream.nacks.handle_gap(10, 5, T)
    found = [(now, early.at(now)) for now in (T + k / 4096 for k in range(2 * 4096)) if early.nacks.poll_timeout()]
    assert len(asked_in(found)) == len(asked_in(exact.until_rest()))
    assert early.nacks.given_up == exact.nacks.given_up == 5


# --- again, by the round trip --------------------------------------------------------------------------------------


def test_it_asks_again_after_the_round_trip_and_later_ever_more_slowly() -> None:
    rtt = 0.08
    stream = Stream(rtt)
    stream.nacks.handle_gap(10, 1, T)
    times = asked_in(stream.until_rest())
    waits = [after - before for before, after in itertools.pairwise(times)]
    assert waits[:5] == pytest.approx([rtt * 1.25] * 5)
    assert waits[5:] == pytest.approx([rtt * 1.25 * 1.25 ** (k + 1) for k in range(len(waits) - 5)])
    assert len(waits) > 6


def test_a_short_round_trip_is_not_taken_at_its_word() -> None:
    stream = Stream(0.0)
    stream.nacks.handle_gap(10, 1, T)
    times = asked_in(stream.until_rest())
    assert times[1] - times[0] == pytest.approx(LEAST_RETRY)


def test_the_slowing_down_ends_but_never_before_the_round_trip() -> None:
    quick, far = Stream(0.2, max_age=60.0), Stream(1.6, max_age=60.0)
    longest = []
    for stream in (quick, far):
        stream.nacks.handle_gap(10, 1, T)
        times = asked_in(stream.until_rest())
        longest.append(max(after - before for before, after in itertools.pairwise(times)))
    assert longest == pytest.approx([MOST_RETRY, 2.0])


def test_what_one_repair_teaches_holds_for_the_next_request() -> None:
    stream = Stream(0.1)
    assert stream.nacks.round_trip_time is None
    stream.nacks.handle_gap(10, 1, T)
    asked, _ = stream.due()
    stream.nacks.handle_repaired(10, asked + 0.3)
    assert stream.nacks.round_trip_time == pytest.approx(0.3)
    stream.nacks.handle_gap(20, 1, T + 1)
    (first, _), (second, _) = stream.due(), stream.due()
    assert second - first == pytest.approx(0.3 * 1.25)


def test_one_round_trip_serves_several_streams() -> None:
    shared = RoundTrip()
    one, other = NackSchedule(shared), NackSchedule(shared)
    one.handle_gap(1, BURST, T)
    one.handle_timeout(T, lambda _: False)
    one.handle_repaired(1, T + 0.05)
    assert other.round_trip_time == pytest.approx(0.05)


def test_a_packet_that_was_asked_for_twice_is_no_sample() -> None:
    """Karn's rule: nobody knows which request it answers."""
    stream = Stream(0.04)
    stream.nacks.handle_gap(10, 1, T)
    stream.due()
    now, _ = stream.due()
    stream.nacks.handle_repaired(10, now + 0.001)
    assert stream.nacks.round_trip_time is None
    assert stream.round_trip.seconds == 0.04
    assert stream.nacks.repaired == 1


def test_a_path_longer_than_thought_is_found_out() -> None:
    """Each repair comes 300 ms after its first request, and at first all is asked for more than once."""
    stream, now = Stream(0.02), T
    for sequence in range(40):
        now += 2.0
        stream.nacks.handle_gap(sequence * 2, 1, now)
        first, _ = stream.due()
        while (due := stream.nacks.poll_timeout()) is not None and due < first + 0.3:
            stream.at(due)
        stream.nacks.handle_repaired(sequence * 2, first + 0.3)
    assert stream.nacks.repaired == 40
    assert stream.nacks.round_trip_time == pytest.approx(0.3, rel=0.01)


# --- repaired ------------------------------------------------------------------------------------------------------


def test_a_repair_ends_it() -> None:
    stream = Stream()
    stream.nacks.handle_gap(10, 1, T)
    stream.due()
    stream.nacks.handle_repaired(10, T + 0.06)
    assert stream.nacks.poll_timeout() is None
    assert stream.at(T + 10) == NOTHING
    assert (stream.nacks.repaired, stream.nacks.given_up, stream.nacks.outstanding) == (1, 0, 0)


def test_a_repair_of_one_leaves_the_others() -> None:
    stream = Stream()
    stream.nacks.handle_gap(10, 3, T)
    stream.due()
    stream.nacks.handle_repaired(11, T + 0.02)
    assert stream.due()[1].sequences == (10, 12)


def test_the_packet_itself_may_come_after_the_request_too() -> None:
    stream = Stream()
    stream.nacks.handle_gap(10, 1, T)
    stream.due()
    stream.came = {10}
    assert stream.due()[1] == NOTHING
    assert (stream.nacks.repaired, stream.nacks.reordered) == (1, 0)
    assert stream.nacks.round_trip_time is None  # when it came is not known


def test_a_retransmission_before_any_request_is_no_sample() -> None:
    stream = Stream()
    stream.nacks.handle_gap(10, 1, T)
    stream.nacks.handle_repaired(10, T + 0.001)
    assert (stream.nacks.reordered, stream.nacks.repaired) == (1, 0)
    assert stream.nacks.round_trip_time is None
    assert stream.nacks.poll_timeout() is None


def test_retransmissions_that_nobody_asked_for_do_nothing() -> None:
    stream = Stream()
    for sequence in (0, 9, -1, 1 << 40):
        stream.nacks.handle_repaired(sequence, T)
    stream.nacks.handle_gap(10, 1, T)
    stream.due()
    stream.nacks.handle_repaired(10, T + 0.05)
    stream.nacks.handle_repaired(10, T + 5.0)  # and again
    assert stream.nacks.repaired == 1
    assert stream.nacks.round_trip_time == pytest.approx(0.04)


# --- given up: a key frame instead ---------------------------------------------------------------------------------


def test_after_so_many_tries_it_is_given_up_and_a_key_frame_has_to_come() -> None:
    stream = Stream(0.0, tries=4)
    stream.nacks.handle_gap(10, 2, T)
    *requests, (_, last) = stream.until_rest()
    assert [result for _, result in requests] == [NackResult((10, 11))] * 4
    assert last == NackResult((), give_up=True)
    assert (stream.nacks.asked, stream.nacks.given_up, stream.nacks.outstanding) == (8, 2, 0)


def test_what_is_too_old_is_given_up_on_the_dot() -> None:
    stream = Stream(0.3, max_age=1.0)
    stream.nacks.handle_gap(10, 1, T)
    *requests, (when, last) = stream.until_rest()
    assert len(requests) == 3
    assert (when, last) == (T + 1.0, NackResult((), give_up=True))


def test_a_caller_who_sleeps_too_long_does_not_ask_for_what_is_old() -> None:
    stream = Stream()
    stream.nacks.handle_gap(10, 5, T)
    assert stream.at(T + 7.0) == NackResult((), give_up=True)
    assert stream.nacks.asked == 0


def test_giving_up_is_told_once() -> None:
    stream = Stream(tries=1)
    stream.nacks.handle_gap(10, 1, T)
    results = [result for _, result in stream.until_rest()]
    assert [result.give_up for result in results] == [False, True]
    assert stream.at(T + 60) == NOTHING


def test_giving_up_one_does_not_give_up_the_others() -> None:
    stream = Stream(0.0, tries=2)
    stream.nacks.handle_gap(10, 1, T)
    stream.due()
    (second, _) = stream.due()
    stream.nacks.handle_gap(20, 1, second + 0.001)
    told = [result for _, result in stream.until_rest()]
    assert sum(result.give_up for result in told) == 2
    assert sum(20 in result.sequences for result in told) == 2


def test_a_repair_that_comes_too_late_changes_nothing() -> None:
    stream = Stream(tries=1)
    stream.nacks.handle_gap(10, 1, T)
    stream.until_rest()
    stream.nacks.handle_repaired(10, T + 3)
    assert (stream.nacks.repaired, stream.nacks.given_up) == (0, 1)
    assert stream.nacks.round_trip_time is None
