"""Queues overflow at their limits, and a changed rate holds for what is queued."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.netem.bottleneck import Bottleneck
from bench.netem.config import LinkConfig
from bench.netem.link import Link
from bench.netem.schedule import Playback, Schedule, read_trace, trace


def new_link(**fields: float | None) -> Link[int]:
    return Link(LinkConfig(**fields), random.Random(1))  # type: ignore[arg-type]


def times(link: Link[int], now: float = 1e6) -> list[float]:
    return [one.at for one in link.poll(now)]


def test_a_queue_in_bytes_drops_what_does_not_fit_behind_the_one_on_the_line() -> None:
    link = new_link(rate_bps=8000, queue_bytes=2500)
    for size in (1000, 1000, 1000, 1000, 500, 1):
        link.send(size, 0.0)
    assert link.counts.overflowed == 2
    assert times(link) == pytest.approx([1.0, 2.0, 3.0, 3.5])


def test_a_queue_in_seconds_drops_what_would_wait_longer() -> None:
    link = new_link(rate_bps=8000, queue_s=1.5)
    for _ in range(4):
        link.send(1000, 0.0)  # would wait 0, 1, 2 and 2 s
    assert link.counts.overflowed == 2
    assert link.queue_delay_s(0.0) == pytest.approx(2.0)
    link.send(1000, 0.6)
    assert link.counts.overflowed == 2
    assert times(link) == pytest.approx([1.0, 2.0, 3.0])
    assert link.counts.longest_wait_s == pytest.approx(1.4)


def test_an_idle_line_takes_a_packet_without_a_queue() -> None:
    link = new_link(rate_bps=8000, queue_bytes=0, queue_s=0.0)
    link.send(1000, 0.0)
    link.send(1000, 0.5)
    link.send(1000, 1.0)
    assert link.counts.overflowed == 1
    assert times(link) == pytest.approx([1.0, 2.0])


@settings(deadline=None)
@given(
    rate=st.floats(1e4, 1e7),
    limit=st.floats(0.0, 0.5),
    sends=st.lists(st.tuples(st.floats(0.0, 0.05), st.integers(1, 1500)), max_size=60),
)
def test_nothing_waits_longer_than_the_limit(rate: float, limit: float, sends: list[tuple[float, int]]) -> None:
    link = new_link(rate_bps=rate, queue_s=limit)
    now = 0.0
    for pause, size in sends:
        now += pause
        link.send(size, now)
    link.poll(1e6)
    assert link.counts.longest_wait_s <= limit + 1e-9
    assert link.counts.left == link.counts.delivered


def test_a_new_rate_holds_for_what_is_queued_and_for_the_rest_of_what_is_on_the_line() -> None:
    link = new_link(rate_bps=8000)
    for _ in range(3):
        link.send(1000, 0.0)
    link.change(0.25, rate_bps=16_000)  # three quarters are left
    link.change(1.0, rate_bps=4000)  # 0.625 s after the first: 750 bytes of the second are gone
    assert times(link) == pytest.approx([0.25 + 0.375, 1.0 + 0.5, 1.5 + 2.0])


def test_nothing_moves_at_a_rate_of_zero() -> None:
    link = new_link(rate_bps=8000, queue_s=1.5)
    for _ in range(2):
        link.send(1000, 0.0)
    link.change(0.5, rate_bps=0)
    assert link.next_due() is None
    assert times(link, 100.0) == []
    link.send(1000, 100.0)  # would wait 1.5 s if the line went on
    link.send(1000, 100.0)
    assert link.counts.overflowed == 1
    link.change(200.0, rate_bps=8000)
    assert times(link) == pytest.approx([200.5, 201.5, 202.5])


def test_without_a_limit_all_that_waits_leaves_at_once() -> None:
    link = new_link(rate_bps=0, delay_s=0.5)
    for _ in range(3):
        link.send(1000, 0.0)
    link.change(7.0, rate_bps=None)
    assert times(link) == [7.5] * 3
    assert link.queue_delay_s(1e6) == 0.0


def test_a_new_delay_holds_for_what_leaves_the_line_later_and_keeps_the_order() -> None:
    link = new_link(rate_bps=8000, delay_s=5.0)
    for _ in range(3):
        link.send(1000, 0.0)
    link.change(1.5, delay_s=1.0)
    assert times(link) == pytest.approx([6.0, 6.0, 6.0])
    free = Link[int](LinkConfig(rate_bps=8000, delay_s=5.0, keep_order=False), random.Random(1))
    for _ in range(3):
        free.send(1000, 0.0)
    free.change(1.5, delay_s=1.0)
    assert times(free) == pytest.approx([3.0, 4.0, 6.0])


@settings(deadline=None)
@given(
    changes=st.lists(st.tuples(st.floats(0.01, 1.0), st.floats(1e4, 1e6)), min_size=1, max_size=10),
    sizes=st.lists(st.integers(1, 1500), min_size=1, max_size=100),
)
def test_a_busy_line_carries_the_integral_of_its_rate(changes: list[tuple[float, float]], sizes: list[int]) -> None:
    link = new_link(rate_bps=5e4)
    for size in sizes:
        link.send(size, 0.0)
    rates, now, rate = [(0.0, 5e4)], 0.0, 5e4
    for pause, rate in changes:
        now += pause
        link.change(now, rate_bps=rate)
        rates.append((now, rate))
    last = max([one.at for one in link.poll(1e6)])
    ends = [at for at, _ in rates[1:]] + [float("inf")]
    bits = sum(max(0.0, min(end, last) - at) * rate for (at, rate), end in zip(rates, ends, strict=True))
    assert bits == pytest.approx(sum(sizes) * 8, rel=1e-6)


def test_a_schedule_tells_its_rates() -> None:
    schedule = Schedule(((0.0, 1e6), (10.0, 2.5e6), (20.0, None)))
    assert [schedule.rate_at(at) for at in (-1.0, 0.0, 9.9, 10.0, 19.0, 50.0)] == [1e6, 1e6, 1e6, 2.5e6, 2.5e6, None]
    assert schedule.scaled(2.0).steps == ((0.0, 2e6), (10.0, 5e6), (20.0, None))
    assert schedule.repeated(30.0, 2).steps[3:] == ((30.0, 1e6), (40.0, 2.5e6), (50.0, None))


def test_a_trace_is_read() -> None:
    text = "# from a train\n100 1000000\n\n100.5 1000000\n101.25 500000\n"
    assert read_trace(text).steps == ((0.0, 1e6), (1.25, 5e5))
    assert trace([(3.0, 1.0), (4.0, 2.0)]).steps == ((0.0, 1.0), (1.0, 2.0))
    with pytest.raises(ValueError, match="line 2"):
        read_trace("0 1\n5\n")
    with pytest.raises(ValueError, match="increase"):
        trace([(0.0, 1.0), (0.0, 2.0)])
    with pytest.raises(ValueError, match="at least 0"):
        trace([(0.0, -1.0)])


def test_steps_are_applied_at_their_own_times_however_late_the_poll() -> None:
    link = new_link(rate_bps=8000)
    playback = Playback(Schedule(((0.5, 4000.0), (1.5, 8000.0))), link, 10.0)
    link.send(1000, 10.0)
    assert playback.next_due() == 10.5
    playback.poll(99.0)
    assert playback.next_due() is None
    # Half at 8000, half at 4000 bit/s: from 10 to 10.5 and to 11.5.
    assert times(link) == pytest.approx([11.5])


def test_a_step_that_the_link_is_past_is_applied_at_once() -> None:
    link = new_link(rate_bps=8000)
    playback = Playback(Schedule(((0.5, 4000.0),)), link, 0.0)
    link.send(1000, 0.0)
    link.poll(0.75)
    playback.poll(0.75)
    assert times(link) == pytest.approx([1.25])


def test_a_bucket_lets_a_burst_pass_after_a_rest_and_no_more_than_the_rate_in_the_long_run() -> None:
    line: Bottleneck[int] = Bottleneck(8_000.0, bucket_bytes=2_000)
    for k in range(4):
        assert line.offer(k, 1_000, 10.0)
    assert [round(departure.at, 3) for departure in line.leave(20.0)] == [10.0, 10.0, 11.0, 12.0]
    assert line.offer(4, 1_000, 12.5)
    assert [round(departure.at, 3) for departure in line.leave(20.0)] == [13.0]  # half of it was earned meanwhile
