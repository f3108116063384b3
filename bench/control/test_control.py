"""What the control side costs: a node with 300 peers takes 300 receiver reports a second, and allocates as often."""

from __future__ import annotations

from typing import Any

import pytest

from bench.control.work import allocate, answer_offer, pass_sender_report, take_receiver_report, watch_one


async def test_take_a_receiver_report(benchmark: Any) -> None:
    async with watch_one() as connection:
        benchmark(take_receiver_report(connection))


async def test_pass_a_sender_report(benchmark: Any) -> None:
    async with watch_one() as connection:
        benchmark(pass_sender_report(connection.subscriptions[1]))


@pytest.mark.parametrize("count", [1, 100])
def test_allocate(benchmark: Any, count: int) -> None:
    benchmark(allocate(count))


def test_answer_an_offer(benchmark: Any) -> None:
    benchmark(answer_offer())
