"""Who ends a node while it hands over ends the one that takes its place: the order is not lost."""

from __future__ import annotations

import json
import signal

import pytest

from tests.unit.node.process import START_TIMEOUT, node

pytestmark = pytest.mark.timeout(2 * START_TIMEOUT)

TOLD_WHILE_IT_HANDS_OVER = """
import asyncio, os, signal
from sfu.node import lifecycle
hand_over_rooms = lifecycle.hand_over_rooms
async def hand_over(*arguments):
    os.kill(os.getpid(), signal.{number})
    await asyncio.sleep(0.1)  # the loop hears of it
    return await hand_over_rooms(*arguments)
lifecycle.hand_over_rooms = hand_over
"""


@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT"])
def test_a_signal_that_comes_during_the_handover_ends_the_successor(number: str) -> None:
    before = TOLD_WHILE_IT_HANDS_OVER.format(number=number)
    with node("--log-format", "json", before=before) as (process, _, _):
        process.send_signal(signal.SIGUSR2)
        _, errors = process.communicate(timeout=START_TIMEOUT)
    assert process.returncode == 0, errors
    events = [json.loads(line)["event"] for line in errors.splitlines() if line.startswith("{")]
    assert "restarted: the successor serves" in events
    assert events.count("stopped") == 2, "both processes have ended in order"
