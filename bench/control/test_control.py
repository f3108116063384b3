"""What the control side costs: reports once a second from each who sends, or whose reports count, and allocation."""

from __future__ import annotations

from typing import Any

import pytest

from bench.control.work import allocate, answer_offer, take_receiver_report, take_sender_report, watch_one


async def test_take_a_receiver_report(benchmark: Any) -> None:
    async with watch_one() as (_, receives):
        benchmark(take_receiver_report(receives))


async def test_take_a_sender_report(benchmark: Any) -> None:
    async with watch_one() as (sends, _):
        benchmark(take_sender_report(sends))


@pytest.mark.parametrize("count", [1, 100])
def test_allocate(benchmark: Any, count: int) -> None:
    benchmark(allocate(count))


def test_answer_an_offer(benchmark: Any) -> None:
    benchmark(answer_offer())
