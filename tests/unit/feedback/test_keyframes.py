"""Key-frame requests merge, and none is forgotten."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from sfu.feedback.keyframes import KeyFrameRequests


def test_the_first_request_goes_out_at_once() -> None:
    requests = KeyFrameRequests(1.0)
    assert requests.request(100.0)
    assert requests.poll_timeout() is None


def test_requests_within_the_interval_become_one_that_trails() -> None:
    requests = KeyFrameRequests(1.0)
    requests.request(100.0)
    assert [requests.request(100.0 + k / 400) for k in range(300)] == [False] * 300
    assert requests.poll_timeout() == 101.0
    assert not requests.handle_timeout(100.9)
    assert requests.handle_timeout(101.0)
    assert not requests.handle_timeout(101.0)
    assert requests.poll_timeout() is None
    assert (requests.asked, requests.sent) == (301, 2)


def test_after_the_interval_a_request_goes_out_at_once_again() -> None:
    requests = KeyFrameRequests(1.0)
    requests.request(100.0)
    assert requests.request(101.0)


@given(
    steps=st.lists(st.tuples(st.floats(0.001, 3.0), st.booleans()), min_size=1, max_size=50),
    interval=st.floats(0.0, 2.0),
)
def test_never_two_within_the_interval_and_each_asker_is_served(
    steps: list[tuple[float, bool]], interval: float
) -> None:
    requests = KeyFrameRequests(interval)
    now, sent, unserved = 0.0, [], None
    for step, asks in steps:
        now += step
        due = requests.poll_timeout()
        if due is not None and due <= now and requests.handle_timeout(due):
            sent.append(due)
            unserved = None
        if asks:
            if requests.request(now):
                sent.append(now)
                unserved = None
            else:
                unserved = now
    assert all(after - before >= interval - 1e-9 for before, after in itertools.pairwise(sent))
    assert (unserved is not None) == (requests.poll_timeout() is not None)
