"""The references that need no privileges, run for real on loopback."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from bench.client.dtls import ClientIdentity
from bench.figures import Figures
from bench.links import GCM_128
from bench.measure import run_once
from bench.network import Loopback
from bench.scenario import Settings, parse_scenario
from bench.servers.base import Server, Surroundings
from bench.servers.janus_config import FIRST_ROOM, write_config
from bench.servers.static import Limit, PlainPython

PATIENCE_S = 60.0
"""A machine that others use keeps a server from its core for longer than a measurement waits for what is late."""

pytestmark = [pytest.mark.timeout(400), pytest.mark.breadth]


def _run(server: type[Server], directory: Path) -> Figures:
    core = min(os.sched_getaffinity(0))
    settings = Settings(
        scenarios=(parse_scenario("fan-out:3"),),
        seconds=1.0,
        ramp_s=PATIENCE_S,
        patience_s=PATIENCE_S,
        server_core=core,
        sample_every=1,
        loopback=True,
    )
    surroundings = Surroundings(
        network=Loopback(),
        core=core,
        directory=directory,
        identity=ClientIdentity.generate(),
        profile=GCM_128,
    )
    return asyncio.run(run_once(server(surroundings), settings.scenarios[0], settings, lambda _phase: None))


def test_the_plain_loop_delivers_everything(tmp_path: Path) -> None:
    figures = _run(PlainPython, tmp_path)
    assert figures.delivered == 1.0
    assert figures.delivered_packets > 300
    assert (figures.unauthentic, figures.malformed) == (0, 0)
    assert figures.sampled == figures.delivered_packets
    assert (figures.subscribers, figures.short_subscribers) == (3, 0)
    assert figures.ramp_s is not None
    assert figures.latency_p99_us is not None
    assert figures.cpu_us is not None
    assert figures.cpu_us > 0


def test_the_limit_delivers_what_it_says_it_sent(tmp_path: Path) -> None:
    figures = _run(Limit, tmp_path)
    assert figures.delivered == 1.0
    assert figures.delivered_packets > 300
    assert (figures.unauthentic, figures.malformed) == (0, 0)


def test_janus_gets_one_plugin_one_transport_and_one_event_loop(tmp_path: Path) -> None:
    write_config(tmp_path, "10.203.0.1", 3)
    main = (tmp_path / "janus.jcfg").read_text()
    assert "event_loops = 1" in main
    assert "videoroom" not in main.split("plugins: {")[1].split("}")[0]
    assert "websockets" not in main.split("transports: {")[1].split("}")[0]
    rooms = (tmp_path / "janus.plugin.videoroom.jcfg").read_text()
    for index in range(3):
        assert f"room-{FIRST_ROOM + index}: {{" in rooms
    assert rooms.count("transport_wide_cc_ext = true") == 3
