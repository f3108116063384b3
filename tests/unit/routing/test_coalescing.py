"""How often a plane has a round, by when packets come."""

from __future__ import annotations

import bisect
import random
from collections.abc import Iterable

import pytest

from sfu.routing.kernels.coalescing import BURST, INTERVAL_US
from sfu.routing.kernels.messages import make_buffers

from . import kernels

NEVER_US = 1 << 62
SECOND_US = 1_000_000
ROUND_US = 30
"""How long a round takes here."""


def run(arrivals_us: Iterable[int], *, round_us: int = ROUND_US, due_us: int = NEVER_US) -> tuple[int, list[int]]:
    """The number of rounds, and how long each packet waited for the round that it had, as the plane's loop does it."""
    coming = sorted(arrivals_us)
    now_us, buffers = coming[0], make_buffers()
    rounds, waits = 0, list[int]()
    while len(waits) < len(coming):
        now_us += kernels.rest_us(buffers, due_us, now_us)
        now_us = max(now_us, coming[len(waits)])  # the poll
        kernels.charge_round(buffers, now_us)
        waits += [now_us - at for at in coming[len(waits) : bisect.bisect(coming, now_us)]]
        now_us += round_us
        rounds += 1
    return rounds, waits


def evenly(rate: int, seconds: int = 2) -> list[int]:
    return [k * SECOND_US // rate for k in range(rate * seconds)]


@pytest.mark.parametrize("rate", [50, 500, 1_400])
def test_a_plane_with_time_serves_each_packet_at_once(rate: int) -> None:
    rounds, waits = run(evenly(rate))
    assert rounds == 2 * rate
    assert max(waits) == 0


@pytest.mark.parametrize("rate", [3_000, 10_000, 25_000])
def test_a_busy_one_has_so_many_rounds_and_no_packet_waits_longer_than_between_two(rate: int) -> None:
    rounds, waits = run(evenly(rate))
    assert rounds <= 2 * SECOND_US // INTERVAL_US + BURST + 1
    assert max(waits) <= INTERVAL_US


def test_a_burst_after_a_while_with_little_is_served_at_once() -> None:
    """A frame of a few packets, as they come from the network, in a room with little else."""
    frames = [frame * 33_000 + packet * 50 for frame in range(30) for packet in range(16)]
    _, waits = run(frames)
    assert max(waits) <= ROUND_US


def test_rounds_that_take_longer_than_their_distance_follow_each_other() -> None:
    rounds, _ = run(evenly(5_000), round_us=2 * INTERVAL_US)
    assert rounds == pytest.approx(2 * SECOND_US / (2 * INTERVAL_US), abs=2)


def test_what_is_due_is_not_held_up() -> None:
    buffers = make_buffers()
    for _ in range(4 * BURST):
        kernels.charge_round(buffers, 0)
    assert kernels.rest_us(buffers, NEVER_US, 0) > INTERVAL_US
    assert kernels.rest_us(buffers, 100, 0) == 100
    assert kernels.rest_us(buffers, 0, 0) == 0


def test_chance_arrivals_wait_a_third_of_a_millisecond_on_average() -> None:
    rng = random.Random(1)
    _, waits = run([rng.randrange(SECOND_US) for _ in range(10_000)])
    assert sum(waits) / len(waits) < 0.6 * INTERVAL_US
