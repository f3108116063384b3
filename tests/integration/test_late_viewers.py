"""Who comes late sees a picture, whatever the publisher sends: what a path carries is found out while nothing flows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from bench.bwe.media import Publisher, Shape, Viewer
from bench.bwe.node import Node
from bench.netem.config import LinkConfig
from bench.netem.simulator import Simulator, Wire
from sfu.routing.plane import PlaneLimits
from sfu.wire.kernels.transport_feedback import NOT_RECEIVED

pytestmark = pytest.mark.timeout(300)

ONE = (Shape(600_000.0, temporal_layers=1),)
THREE = tuple(Shape(rate, temporal_layers=1) for rate in (150_000.0, 500_000.0, 1_700_000.0))
PATH = LinkConfig(delay_s=0.05)
SETTLED_S = 8.0
"""After so long a viewer has what the path carries."""


class Watcher(Viewer):
    """Notes when its first and its latest packet of media came, and its longest wait for one."""

    def __init__(self, node: Node, link: LinkConfig, seed: int) -> None:
        super().__init__(
            node, Wire(node.simulator, link, seed), Wire(node.simulator, LinkConfig(delay_s=0.05), seed + 1)
        )
        self.came_at = node.simulator.now
        self.first_at: float | None = None
        self.last_at = self.came_at
        self.longest_wait = 0.0

    def take_media(self, size: int, now: float) -> None:
        super().take_media(size, now)
        if self.first_at is None:
            self.first_at = now
        self.longest_wait = max(self.longest_wait, now - self.last_at)
        self.last_at = now

    def rate_bps(self) -> float:
        """Over the last two seconds."""
        now = self._node.simulator.now
        return self.media_meter.rate_bps(now - 2.0, now)


class Scene:
    """A publisher that nobody has watched so far, or that has one viewer from the beginning."""

    def __init__(self, shapes: Sequence[Shape], viewers: int = 1) -> None:
        self.simulator = Simulator()
        limits = PlaneLimits(viewers + 4, 8, 16, viewers + 8, viewers + 8, 8192)
        self.node = Node(self.simulator, limits=limits, deadlines_s=0.1)
        self.publisher = Publisher(self.node, shapes, seed=3)
        self.watchers: list[Watcher] = []

    def watch(self, *, repair: bool, link: LinkConfig = PATH, kind: type[Watcher] = Watcher) -> Watcher:
        watcher = kind(self.node, link, seed=11 * len(self.watchers))
        watcher.watch(self.publisher.track, repair=repair)
        self.watchers.append(watcher)
        return watcher

    def run(self, until: float) -> None:
        self.simulator.run_until(until)

    def close(self) -> None:
        self.node.close()
        for end in (self.publisher.end, *(watcher.end for watcher in self.watchers)):
            end.close()


@pytest.fixture
def make_scene(request: pytest.FixtureRequest) -> Callable[..., Scene]:
    def make(shapes: Sequence[Shape], viewers: int = 1) -> Scene:
        scene = Scene(shapes, viewers)
        request.addfinalizer(scene.close)
        return scene

    return make


@pytest.mark.parametrize("repair", [True, False], ids=["with RTX", "without RTX"])
@pytest.mark.parametrize("shapes", [ONE, THREE], ids=["one encoding", "three encodings"])
@pytest.mark.parametrize("viewers", [1, 20, pytest.param(100, marks=pytest.mark.slow)])
@pytest.mark.parametrize("late_s", [0.0, 3.0], ids=["early", "late"])
def test_everyone_sees_a_picture_at_once_and_soon_the_best(
    make_scene: Callable[..., Scene], late_s: float, viewers: int, shapes: Sequence[Shape], repair: bool
) -> None:
    scene = make_scene(shapes, viewers)
    for k in range(viewers):
        scene.simulator.at(late_s + 0.05 * k, lambda: scene.watch(repair=repair))
    scene.run(late_s + 0.05 * viewers + SETTLED_S)
    waits = sorted(watcher.first_at - watcher.came_at for watcher in scene.watchers if watcher.first_at is not None)
    assert len(waits) == viewers
    assert waits[len(waits) // 2] < 1.0
    assert waits[-1] < 3.0
    assert sum(watcher.connection.starvations for watcher in scene.watchers) == 0
    for watcher in scene.watchers:
        assert watcher.rate_bps() > 0.95 * shapes[-1].rate_bps


@pytest.mark.parametrize("repair", [True, False], ids=["with RTX", "without RTX"])
@pytest.mark.parametrize("viewers", [1, 20, pytest.param(300, marks=pytest.mark.slow)])
def test_a_screen_that_begins_to_move_pauses_for_nobody(
    make_scene: Callable[..., Scene], viewers: int, repair: bool
) -> None:
    scene = make_scene([Shape(300_000.0, temporal_layers=1)], viewers)
    for k in range(viewers):
        scene.simulator.at(0.02 * k, lambda: scene.watch(repair=repair))
    jump = 0.02 * viewers + 6.0
    scene.simulator.at(jump, lambda: scene.publisher.shapes.__setitem__(0, Shape(2_500_000.0, temporal_layers=1)))
    scene.run(jump + 6.0)
    assert sum(watcher.connection.starvations for watcher in scene.watchers) == 0
    for watcher in scene.watchers:
        assert watcher.longest_wait < 1.0
        assert watcher.rate_bps() > 0.95 * 2_500_000.0


@pytest.mark.parametrize("repair", [True, False], ids=["with RTX", "without RTX"])
def test_a_path_that_does_not_carry_the_lowest_is_found_out_and_tried_again_when_it_does(
    make_scene: Callable[..., Scene], repair: bool
) -> None:
    scene = make_scene(ONE)
    narrow = LinkConfig(delay_s=0.05, rate_bps=400_000.0, queue_s=0.3)
    scene.simulator.at(3.0, lambda: scene.watch(repair=repair, link=narrow))
    scene.run(8.0)
    (watcher,) = scene.watchers
    assert watcher.connection.subscriptions[0].starved
    sent = watcher.sent
    scene.run(20.0)
    assert watcher.connection.starvations == 1  # and it is not tried in vain every now and then
    assert watcher.sent > sent  # but padding is
    watcher._downlink.change(rate_bps=2_000_000.0)
    scene.run(26.0)
    assert not watcher.connection.subscriptions[0].starved
    assert watcher.rate_bps() > 0.95 * 600_000.0


def test_after_a_path_was_dead_for_a_while_the_picture_comes_back(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene(ONE)
    watcher = scene.watch(repair=True)
    scene.run(5.0)
    watcher._downlink.change(loss=1.0)
    scene.run(15.0)
    watcher._downlink.change(loss=0.0)
    scene.run(20.0)
    assert watcher.rate_bps() > 0.95 * 600_000.0


class Ragged(Watcher):
    """As werift: a feedback for each eleven packets, whose times are early by up to 64 ms, each by something else."""

    reported_us = 0
    unreported = 0

    def _receive(self, data: bytes, sent_at: float) -> None:
        super()._receive(data, sent_at)
        self.unreported += 1
        if self.unreported == 11:
            self.unreported = 0
            self._tell()

    def _feed_back(self) -> None:
        """Not by the clock."""

    def _tell(self) -> None:
        arrived, before = self._arrived, self.reported_us
        self.reported_us = int(arrived[arrived != NOT_RECEIVED].max())
        self._arrived = np.where(arrived == NOT_RECEIVED, arrived, arrived - before % 64_000)
        super()._feed_back()
        self._arrived = arrived


class Slow(Watcher):
    """As GStreamer: its first feedback comes with its first receiver report, after seconds."""

    def _feed_back(self) -> None:
        if self._node.simulator.now - self.came_at >= 2.5:
            super()._feed_back()


@pytest.mark.parametrize("shapes", [ONE, THREE], ids=["one encoding", "three encodings"])
def test_who_begins_late_with_feedback_keeps_its_picture(
    make_scene: Callable[..., Scene], shapes: Sequence[Shape]
) -> None:
    scene = make_scene(shapes)
    scene.simulator.at(1.0, lambda: scene.watch(repair=True, kind=Slow))
    scene.run(12.0)
    (watcher,) = scene.watchers
    assert watcher.longest_wait < 1.0
    assert watcher.connection.starvations == 0
    assert watcher.rate_bps() > 0.95 * shapes[-1].rate_bps


def test_what_never_arrives_is_not_sent_for_long(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene(ONE)
    watcher = scene.watch(repair=True, link=LinkConfig(loss=1.0))
    scene.run(6.0)
    assert watcher.connection.subscriptions[0].starved


@pytest.mark.parametrize("late_s", [0.0, 3.0], ids=["early", "late"])
@pytest.mark.parametrize("shapes", [ONE, THREE], ids=["one encoding", "three encodings"])
def test_a_receiver_whose_times_do_not_fit_together_sees_a_picture(
    make_scene: Callable[..., Scene], shapes: Sequence[Shape], late_s: float
) -> None:
    scene = make_scene(shapes)
    scene.simulator.at(late_s, lambda: scene.watch(repair=True, kind=Ragged))
    scene.run(late_s + 15.0)
    (watcher,) = scene.watchers
    assert watcher.longest_wait < 3.0
    assert watcher.rate_bps() > 0.95 * shapes[-1].rate_bps


def test_without_retransmission_the_numbers_of_what_comes_have_no_holes(make_scene: Callable[..., Scene]) -> None:
    """Padding takes numbers among the media; a hole would be asked for in vain."""
    scene = make_scene(THREE)
    scene.simulator.at(1.0, lambda: scene.watch(repair=False))
    scene.run(12.0)
    (watcher,) = scene.watchers
    assert scene.node.plane.counters()["padding_packets"] > 10
    assert scene.node.plane.counters()["drop_protect_failed"] == 0
    assert not watcher._missing
    assert watcher.connection.subscriptions[0].stats().nacks_received == 0
