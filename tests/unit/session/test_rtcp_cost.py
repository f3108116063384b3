"""RTCP must stay cheap: a room of 300 brings 300 receiver reports, and as many sender reports, each second.

What they cost in time is measured by `pytest bench/control`: the target is 30 us each.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bench.control.work import pass_sender_report, take_receiver_report, watch_one
from sfu.session.client_offered import ClientOffered
from tests.unit.lines import count_lines

MOST_LINES = {"receiver": 220, "sender": 330}
"""Half more than when they took 15 and 25 us."""


@pytest.fixture
async def connection() -> AsyncIterator[ClientOffered]:
    async with watch_one() as made:
        yield made


async def test_a_receiver_report_is_cheap(connection: ClientOffered) -> None:
    assert count_lines(take_receiver_report(connection)) < MOST_LINES["receiver"]
    assert all(held.reports.fraction_lost == 0.25 for held in connection.subscriptions)


async def test_passing_a_sender_report_on_is_cheap(connection: ClientOffered) -> None:
    held = connection.subscriptions[1]
    assert count_lines(pass_sender_report(held)) < MOST_LINES["sender"]
    assert held.reports.sent
