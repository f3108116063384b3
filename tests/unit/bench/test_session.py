"""When a measurement takes what was sent to have arrived, or to be lost."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.delivery import Delivery
from bench.errors import BenchError
from bench.generator.engine import Engine
from bench.scenario import Settings, parse_scenario
from bench.servers.base import Server
from bench.session import Session

SENT = 100
NOTHING = Delivery(np.array([0, 0]), np.array([0, 0]))


class Scene:
    """Two subscribers who get what is planned, and a clock that moves when somebody waits.

    The plan: seconds from the start, and the packets that each has then.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *plan: tuple[float, int]) -> None:
        self.now, self._plan = 0.0, plan
        scenario = parse_scenario("fan-out:2")
        server = cast(Server, SimpleNamespace(name="one", sent_packets=lambda: None))
        self.session = Session(server, scenario, Settings(scenarios=(scenario,)), lambda _phase: None)
        self.session._publishers = dict.fromkeys(["p0"])  # type: ignore[arg-type]
        self.session._engine = cast(Engine, self)
        monkeypatch.setattr(self.session, "wait", self._wait)
        monkeypatch.setattr("bench.session.time", SimpleNamespace(monotonic=lambda: self.now))

    async def _wait(self, seconds: float) -> None:
        self.now += seconds

    def sent_by_link(self) -> NDArray[Any]:
        return np.array([SENT, 0, 0])

    def delivered_by_link(self) -> NDArray[Any]:
        come = next(count for at, count in reversed(self._plan) if at <= self.now)
        return np.array([0, come, come])

    async def settled_at(self, since: Delivery = NOTHING) -> float:
        await self.session.settle(since)
        return self.now


async def test_a_server_that_is_kept_from_its_core_for_a_moment_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, (0.0, 90), (1.5, SENT))
    assert await scene.settled_at() >= 1.5
    assert scene.session.delivery().delivered.tolist() == [SENT, SENT]


@pytest.mark.parametrize(("come", "least", "most"), [(SENT, 0.2, 0.5), (90, 2.0, 2.5)])
async def test_silence_counts_sooner_where_nothing_is_missing(
    monkeypatch: pytest.MonkeyPatch, come: int, least: float, most: float
) -> None:
    assert least <= await Scene(monkeypatch, (0.0, come)).settled_at() <= most


async def test_what_an_earlier_phase_lost_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Delivery(np.array([10, 10]), np.array([0, 0]))
    assert await Scene(monkeypatch, (0.0, 90)).settled_at(before) <= 0.5


async def test_who_sends_on_and_on_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, *((0.1 * step, step) for step in range(1000)))
    with pytest.raises(BenchError, match="still sends"):
        await scene.session.settle(NOTHING)
