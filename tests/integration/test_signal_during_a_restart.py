"""Who ends a node during a restart ends the process that goes on: the order is not lost, whenever it comes."""

from __future__ import annotations

import json
import signal

import pytest

from tests.unit.node.process import START_TIMEOUT, node

pytestmark = pytest.mark.timeout(2 * START_TIMEOUT)

TOLD_BEFORE_A_STEP = """
import os, signal
from {module} import {owner} as owner
from sfu.node.restart.farewell import FOLLOWED
step = owner.{step}
def told_first(*arguments):
    os.kill(os.getpid(), signal.{number})
    return step(*arguments)
if FOLLOWED not in os.environ:  # only the first process
    owner.{step} = told_first
"""


@pytest.mark.parametrize(
    ("module", "owner", "step", "number"),
    [
        pytest.param("sfu.node", "lifecycle", "hand_over_rooms", "SIGTERM", id="while it hands over"),
        pytest.param("sfu.node.restart.successor", "NodeRestart", "close", "SIGINT", id="once the successor serves"),
        pytest.param("sfu.signaling", "Signaling", "close", "SIGTERM", id="while it closes"),
        pytest.param("sfu.node", "serve", "leave_to", "SIGTERM", id="once all is closed"),
        pytest.param("sfu.node.restart", "farewell", "become_follower", "SIGINT", id="before it follows"),
        pytest.param("sfu.node.restart.follower", "os", "execv", "SIGTERM", id="when it is about to follow"),
    ],
)
def test_a_signal_during_a_restart_ends_the_successor(module: str, owner: str, step: str, number: str) -> None:
    before = TOLD_BEFORE_A_STEP.format(module=module, owner=owner, step=step, number=number)
    with node("--log-format", "json", before=before) as (process, _, _):
        process.send_signal(signal.SIGUSR2)
        _, errors = process.communicate(timeout=START_TIMEOUT)
    assert process.returncode == 0, errors
    events = [json.loads(line)["event"] for line in errors.splitlines() if line.startswith("{")]
    assert "restarted: the successor serves" in events
    assert events.count("stopped") == 2, "both processes have ended in order"
