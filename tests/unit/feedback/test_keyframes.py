"""Key-frame requests merge, are repeated until one comes, and none is forgotten."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from sfu.feedback.keyframes import EXPECTED, TRIES, KeyFrameRequests, KeyFrameThrottle


def requests_for(count: int, interval: float = 1.0) -> list[KeyFrameRequests]:
    throttle = KeyFrameThrottle(interval)
    return [KeyFrameRequests(throttle) for _ in range(count)]


def test_the_first_request_goes_out_at_once() -> None:
    (requests,) = requests_for(1)
    assert requests.poll_timeout() is None
    assert requests.request(100.0, seen=0)


def test_who_asks_while_a_key_frame_is_under_way_gets_that_one() -> None:
    (requests,) = requests_for(1)
    requests.request(100.0, seen=0)
    assert [requests.request(100.0 + k / 400, seen=0) for k in range(300)] == [False] * 300
    assert requests.poll_timeout() == 101.0
    assert not requests.handle_timeout(101.0, seen=1)
    assert requests.poll_timeout() is None
    assert (requests.asked, requests.sent) == (301, 1)


def test_one_that_comes_by_itself_is_not_asked_for() -> None:
    (requests,) = requests_for(1)
    for second in range(100, 110):
        requests.expect(float(second), seen=second)
        assert requests.poll_timeout() == second + EXPECTED
        assert not requests.handle_timeout(second + EXPECTED, seen=second + 1)
        assert requests.poll_timeout() is None
    assert requests.sent == 0


def test_one_that_should_have_come_by_itself_is_asked_for_after_a_moment() -> None:
    (requests,) = requests_for(1)
    requests.expect(100.0, seen=3)
    assert not requests.request(100.1, seen=3)  # who asks meanwhile does not have to be asked for twice
    assert not requests.handle_timeout(100.1, seen=3)
    assert requests.handle_timeout(100.0 + EXPECTED, seen=3)
    assert requests.sent == 1


def test_what_was_asked_for_already_is_not_put_off() -> None:
    (requests,) = requests_for(1)
    requests.request(100.0, seen=3)
    requests.expect(100.5, seen=3)
    assert requests.poll_timeout() == 101.0
    requests.expect(100.6, seen=4)  # that came, and the SSRC changed after it
    assert requests.poll_timeout() == 100.6 + EXPECTED


def test_who_asks_after_it_came_waits_for_the_interval() -> None:
    (requests,) = requests_for(1)
    requests.request(100.0, seen=0)
    assert not requests.request(100.2, seen=1)
    assert requests.poll_timeout() == 101.0
    assert not requests.handle_timeout(100.9, seen=1)
    assert requests.handle_timeout(101.0, seen=1)
    assert requests.sent == 2


def test_after_the_interval_a_request_goes_out_at_once_again() -> None:
    (requests,) = requests_for(1)
    requests.request(100.0, seen=0)
    assert requests.request(101.0, seen=1)


def test_a_request_that_is_lost_is_repeated_ever_more_seldom_and_not_for_ever() -> None:
    (requests,) = requests_for(1, interval=0.5)
    requests.request(100.0, seen=3)
    sent = [100.0]
    while (due := requests.poll_timeout()) is not None:
        if requests.handle_timeout(due, seen=3):
            sent.append(due)
    assert sent == [100.0, 100.5, 101.5, 103.5, 107.5]
    assert len(sent) == TRIES
    assert requests.request(120.0, seen=3)


def test_encodings_of_one_moment_go_together_and_the_others_wait() -> None:
    low, middle, high = requests_for(3)
    assert low.request(100.0, seen=0)
    assert high.request(100.0, seen=0)
    assert not middle.request(100.1, seen=7)
    assert middle.poll_timeout() == 101.0
    assert not middle.handle_timeout(101.0, seen=8)  # it came with the answer to the others
    assert middle.poll_timeout() is None


def test_without_an_interval_nothing_is_repeated_at_once() -> None:
    (requests,) = requests_for(1, interval=0.0)
    assert requests.request(100.0, seen=0)
    due = requests.poll_timeout()
    assert due is not None
    assert due > 100.0


@given(
    steps=st.lists(
        st.tuples(st.floats(0.001, 3.0), st.integers(0, 2), st.sampled_from(["ask", "key", "wait"])),
        min_size=1,
        max_size=50,
    ),
    interval=st.floats(0.0, 2.0),
)
def test_never_two_moments_within_the_interval_and_each_asker_is_served(
    steps: list[tuple[float, int, str]], interval: float
) -> None:
    """Served: a key frame came after, or it was asked for as often as it is, or it will be."""
    encodings = requests_for(3, interval)
    seen, asked_at, tries = [0, 0, 0], [-1, -1, -1], [0, 0, 0]
    now, moments = 0.0, []

    def sent(which: int, at: float) -> None:
        tries[which] += 1
        moments.append(at)

    for step, which, what in steps:
        now += step
        for index, requests in enumerate(encodings):
            due = requests.poll_timeout()
            if due is not None and due <= now and requests.handle_timeout(now, seen[index]):
                sent(index, now)
        if what == "key":
            seen[which] += 1
        elif what == "ask":
            if asked_at[which] < seen[which] or encodings[which].poll_timeout() is None:
                asked_at[which], tries[which] = seen[which], 0
            if encodings[which].request(now, seen[which]):
                sent(which, now)
        for index, requests in enumerate(encodings):
            if 0 <= asked_at[index] == seen[index] and tries[index] < TRIES:
                assert requests.poll_timeout() is not None
    assert all(after - before >= interval - 1e-9 for before, after in itertools.pairwise(sorted(set(moments))))
