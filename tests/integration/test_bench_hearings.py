"""A hearing of the bench, run for real against a node of this project on loopback, as `python -m bench` would."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from bench.client.dtls import ClientIdentity
from bench.measure import run_once
from bench.network import Loopback
from bench.scenario import Settings, parse_scenario
from bench.servers.base import Surroundings
from bench.servers.ours import Ours

pytestmark = [pytest.mark.timeout(180), pytest.mark.breadth]


def test_everybody_in_a_hearing_gets_the_others_and_gives_feedback(tmp_path: Path) -> None:
    core = min(os.sched_getaffinity(0))
    scenario = parse_scenario("hearings:1")
    settings = Settings(scenarios=(scenario,), seconds=1.0, server_core=core, sample_every=1, loopback=True)
    surroundings = Surroundings(
        network=Loopback(),
        core=core,
        directory=tmp_path,
        identity=ClientIdentity.generate(),
        profile=settings.profile,
        rooms=scenario.rooms,
    )
    figures = asyncio.run(run_once(Ours(surroundings), scenario, settings, lambda _phase: None))
    assert figures.subscribers == 4
    # Twelve pairs of video and audio for a second.
    assert figures.expected_packets == pytest.approx(12 * (116 + 50), rel=0.1)
    # On a machine that does other things as well, congestion control may see queues.
    assert 0.9 < figures.delivered <= 1.0
    assert (figures.unauthentic, figures.malformed) == (0, 0)
    assert figures.sampled >= figures.delivered_packets
    # Four subscribers' feedback, each 100 ms.
    assert figures.feedbacks >= 20
