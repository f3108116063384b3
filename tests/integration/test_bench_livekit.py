"""The bench of LiveKit's protocol, run for real against a node of this project, as `python -m bench.livekit` would."""

from __future__ import annotations

import asyncio
import os

import pytest

from bench.client.dtls import ClientIdentity
from bench.livekit.measure import Settings, run_once
from bench.livekit.room import compile_generator
from bench.livekit.servers import Node

pytestmark = [pytest.mark.timeout(180), pytest.mark.breadth]


def test_everybody_in_a_room_gets_the_best_of_the_others_and_guests_join() -> None:
    compile_generator()
    settings = Settings(size=3, crowd=5, joins=1, seconds=1.0, server_core=min(os.sched_getaffinity(0)))
    figures = asyncio.run(run_once(Node(ClientIdentity.generate()), settings, ClientIdentity.generate()))
    forwarding = figures.forwarding
    # Six pairs of the best encoding and audio for a second.
    assert forwarding.expected_packets == pytest.approx(6 * (116 + 50), rel=0.1)
    # On a machine that does other things as well, congestion control may see queues.
    assert forwarding.delivered > 0.9
    assert forwarding.unauthentic == 0
    assert forwarding.cpu_s > 0
    assert 0 < figures.join_s[0] < 30
    assert figures.crowd_join_cpu_ms > 0
