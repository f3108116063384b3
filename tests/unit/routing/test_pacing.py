"""What leaves at once, what waits, and for how long."""

from __future__ import annotations

import pytest

from sfu.bwe.kernels.state import NEVER_US
from sfu.routing.kernels.connection_columns import QUEUED_PACKETS
from sfu.routing.kernels.pacing import BURST_US, MEDIA, REPEATS
from sfu.routing.kernels.tables import make_tables

from . import kernels

ESTIMATE_BPS = 1_000_000
PACKET_BYTES = 1_000
NOW_US = 1_000_000_000


class Line:
    """One connection's way out."""

    def __init__(self, controlled: int = 1) -> None:
        self.tables = make_tables(2, 1, 1, 1, 1)
        self.entry, self.state = self.tables.connections[1], self.tables.estimators[1]
        self.entry["controlled"] = controlled
        self.state["estimate_bps"] = ESTIMATE_BPS
        self.state["decreased_us"] = NEVER_US

    def offer(self, sequence: int, now_us: int = NOW_US, kind: int = MEDIA, size: int = PACKET_BYTES) -> bool:
        """A packet comes; return whether it waits."""
        return bool(kernels.leave_or_wait(self.tables, 1, kind, 7, sequence, size, now_us))

    def take(self, kind: int = MEDIA) -> int | None:
        """The number of the first that waits."""
        named = int(kernels.take(self.tables, 1, kind))
        assert named < 0 or named >> 16 == 7
        return named & 0xFFFF if named >= 0 else None

    def rate(self, now_us: int = NOW_US) -> float:
        return float(kernels.pacing_bps(self.tables, 1, now_us))


def test_on_a_path_that_was_not_full_packets_leave_at_two_and_a_half_times_the_estimate() -> None:
    assert Line().rate() == 2.5 * ESTIMATE_BPS


def test_for_half_a_minute_after_a_decrease_they_leave_little_faster_than_the_estimate() -> None:
    line = Line()
    line.state["decreased_us"] = NOW_US
    assert line.rate(NOW_US + 29_999_999) == pytest.approx(1.2 * ESTIMATE_BPS)
    assert line.rate(NOW_US + 30_000_000) == 2.5 * ESTIMATE_BPS


def test_while_a_queue_is_emptied_they_leave_as_the_estimate_says() -> None:
    line = Line()
    line.state["decreased_us"], line.state["recover_bps"] = NOW_US, 2 * ESTIMATE_BPS
    assert line.rate() == ESTIMATE_BPS


def test_a_burst_of_twenty_milliseconds_passes_and_the_rest_waits() -> None:
    line = Line()
    each_us = PACKET_BYTES * 8e6 / (2.5 * ESTIMATE_BPS)
    waits = [line.offer(k) for k in range(12)]
    assert waits == [k * each_us > BURST_US for k in range(12)]
    assert line.entry["queued_bytes"] == sum(waits) * PACKET_BYTES


def test_they_leave_in_the_order_in_which_they_came() -> None:
    line = Line()
    waiting = [k for k in range(20) if line.offer(k)]
    assert line.offer(99, NOW_US + 10_000_000)  # though the line is free by then
    assert [line.take() for _ in range(len(waiting) + 2)] == [*waiting, 99, None]
    assert line.entry["queued_bytes"] == 0


def test_repeats_wait_for_themselves() -> None:
    line = Line()
    waiting = [k for k in range(20) if line.offer(k)]
    assert line.offer(1000, kind=REPEATS)
    assert (line.take(REPEATS), line.take(REPEATS)) == (1000, None)
    assert line.take() == waiting[0]


def test_who_is_not_controlled_never_waits() -> None:
    line = Line(controlled=0)
    assert not any(line.offer(k) for k in range(500))


def test_where_no_more_can_wait_packets_leave() -> None:
    line = Line()
    waits = [line.offer(k) for k in range(QUEUED_PACKETS + 20)]
    assert sum(waits) == QUEUED_PACKETS
    assert not waits[-1]


def test_a_connection_with_something_to_send_is_listed_once() -> None:
    line = Line()
    for k in range(30):
        line.offer(k)
    assert line.tables.busy[:3].tolist() == [1, 1, 0]


def test_what_waits_can_be_forgotten() -> None:
    line = Line()
    for k in range(30):
        line.offer(k)
        line.offer(k, kind=REPEATS)
    kernels.empty(line.tables, 1)
    assert (line.take(MEDIA), line.take(REPEATS), line.entry["queued_bytes"]) == (None, None, 0)


def longest_wait(line: Line, packets: int) -> int:
    """How many microseconds the last of so many packets, which come at once, waits, as the plane serves the line."""
    now_us = NOW_US
    waiting = sum(line.offer(k) for k in range(packets))
    assert waiting
    while waiting and now_us < NOW_US + 2_000_000:
        now_us += 1_000
        if line.entry["free_us"] > now_us:
            continue
        while waiting and line.entry["free_us"] - now_us <= BURST_US:
            line.take()
            waiting -= 1
            kernels.depart(line.tables, 1, PACKET_BYTES, now_us)
    assert waiting == 0
    return now_us - NOW_US


@pytest.mark.parametrize("packets", [15, 60, 150])
@pytest.mark.parametrize("estimate_bps", [50_000, 300_000, ESTIMATE_BPS])
def test_no_packet_of_a_key_frame_waits_longer_than_a_jitter_buffer_takes(estimate_bps: int, packets: int) -> None:
    """GStreamer drops what is 200 ms late; at the estimate with which each path begins one of 89 kB took 440 ms."""
    line = Line()
    line.state["estimate_bps"] = estimate_bps
    assert longest_wait(line, packets) <= 150_000 + BURST_US


def test_a_key_frame_that_comes_behind_another_one_does_not_wait_longer() -> None:
    line = Line()
    line.state["estimate_bps"] = 300_000
    first = sum(line.offer(k) for k in range(60))
    for _ in range(first // 2):
        line.take()
        kernels.depart(line.tables, 1, PACKET_BYTES, NOW_US)
    assert longest_wait(line, 60) <= 150_000 + BURST_US


def test_what_had_to_hurry_does_not_hurry_what_comes_after_it() -> None:
    line = Line()
    longest_wait(line, 60)
    assert line.rate() == 2.5 * ESTIMATE_BPS


def test_on_a_path_that_was_full_the_end_of_a_key_frame_goes_slower() -> None:
    line = Line()
    line.state["estimate_bps"], line.state["decreased_us"] = 300_000, NOW_US
    assert 150_000 + BURST_US < longest_wait(line, 60) < 700_000
