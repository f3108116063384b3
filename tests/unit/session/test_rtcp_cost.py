"""RTCP must stay cheap: each publisher's stream brings a sender report a second, and so does a client whose receiver
reports count.

What they cost in time is measured by `pytest bench/control`: the target is 30 us each.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bench.control.work import take_receiver_report, take_sender_report, watch_one
from sfu.session.client_offered import ClientOffered
from tests.unit.lines import count_lines

MOST_LINES = {"receiver": 220, "sender": 150}
"""A quarter more than when this was written."""


@pytest.fixture
async def connections() -> AsyncIterator[tuple[ClientOffered, ClientOffered]]:
    async with watch_one() as made:
        yield made


async def test_a_receiver_report_is_cheap(connections: tuple[ClientOffered, ClientOffered]) -> None:
    assert 0 < count_lines(take_receiver_report(connections[1])) < MOST_LINES["receiver"]


async def test_passing_a_sender_report_on_is_cheap(connections: tuple[ClientOffered, ClientOffered]) -> None:
    sends, _ = connections
    posted = sends.shard.plane._queue.index[0]
    assert 0 < count_lines(take_sender_report(sends)) < MOST_LINES["sender"]
    assert sends.shard.plane._queue.index[0] > posted
