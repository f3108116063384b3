"""Feedback that is missing, jumps in time, or lies: the estimate stays within bounds, and the others do not notice."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from bench.bwe.media import Publisher, Shape, Viewer
from bench.bwe.node import Node
from bench.netem.config import LinkConfig
from bench.netem.simulator import Simulator, Wire

pytestmark = [pytest.mark.timeout(300), pytest.mark.breadth]

CAPACITY_BPS = 1_500_000.0
SHAPES = [Shape(20_000.0, 15.0), Shape(80_000.0, 15.0), Shape(300_000.0, 15.0)]
TRACKS = 8
SECONDS = 60.0
WANTED_BPS = TRACKS * SHAPES[-1].rate_bps


class Scene:
    """Two viewers of a gallery, each behind a link of his own."""

    def __init__(self) -> None:
        self.simulator = Simulator()
        self.node = Node(self.simulator)
        self.links = [
            Wire(self.simulator, LinkConfig(rate_bps=CAPACITY_BPS, queue_s=0.3, delay_s=0.03), k) for k in (1, 2)
        ]
        self.viewers = [
            Viewer(self.node, link, Wire(self.simulator, LinkConfig(delay_s=0.03), 3)) for link in self.links
        ]
        self.publishers = [Publisher(self.node, SHAPES, seed=10 + k) for k in range(TRACKS)]
        self.estimates: list[tuple[float, float]] = []
        for viewer in self.viewers:
            for publisher in self.publishers:
                viewer.watch(publisher.track)
        self.simulator.every(0.1, self._sample)

    def estimate(self, which: int = 0) -> float:
        return self.node.plane.estimator_state(self.viewers[which].end.row).estimate_bps

    def _sample(self) -> None:
        self.estimates.append((self.simulator.now, self.estimate()))

    def run(self, *events: tuple[float, Callable[[], None]]) -> None:
        for at, event in events:
            self.simulator.at(at, event)
        try:
            self.simulator.run_until(SECONDS)
            self.rates = [viewer.media_meter.rate_bps(20.0, SECONDS) for viewer in self.viewers]
            self.last = [viewer.media_meter.rate_bps(SECONDS - 10.0, SECONDS) for viewer in self.viewers]
        finally:
            self.node.close()
            for end in [*self.viewers, *self.publishers]:
                end.end.close()


def check_bounds(scene: Scene) -> None:
    assert all(math.isfinite(rate) and 30_000.0 <= rate <= 2.0 * WANTED_BPS for _, rate in scene.estimates)


@pytest.fixture(scope="module")
def undisturbed() -> Scene:
    scene = Scene()
    scene.run()
    return scene


def test_both_use_their_links(undisturbed: Scene) -> None:
    check_bounds(undisturbed)
    assert min(undisturbed.rates) > 0.8 * CAPACITY_BPS


def test_feedback_that_is_missing_for_seconds_lowers_the_rate_and_its_return_raises_it(undisturbed: Scene) -> None:
    scene = Scene()
    viewer = scene.viewers[0]
    scene.run((20.0, lambda: setattr(viewer, "silent", True)), (28.0, lambda: setattr(viewer, "silent", False)))
    check_bounds(scene)
    before = next(rate for at, rate in scene.estimates if at >= 19.9)
    assert next(rate for at, rate in scene.estimates if at >= 27.9) < 0.2 * before
    assert scene.last[0] > 0.75 * CAPACITY_BPS
    assert scene.rates[1] > 0.95 * undisturbed.rates[1]


@pytest.mark.parametrize("seconds", [5.0, -5.0, 3600.0, -3600.0, 0.2, -0.2])
def test_a_clock_that_jumps(undisturbed: Scene, seconds: float) -> None:
    scene = Scene()
    viewer = scene.viewers[0]
    scene.run((30.0, lambda: setattr(viewer, "clock_us", viewer.clock_us + round(seconds * 1e6))))
    check_bounds(scene)
    assert scene.last[0] > 0.75 * CAPACITY_BPS
    assert scene.rates[1] > 0.95 * undisturbed.rates[1]


def test_who_lies_about_the_network_fills_his_own_link_only(undisturbed: Scene) -> None:
    scene = Scene()
    scene.viewers[0].lies = True
    scene.run()
    check_bounds(scene)  # nobody is probed for more than could be used
    assert scene.rates[1] > 0.95 * undisturbed.rates[1]
