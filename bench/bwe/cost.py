"""What feedback costs: the estimators and the shared-out budgets of many peers, in CPU seconds of each second.

`python -m bench.bwe.cost`: peers on perfect links receive a gallery; 20 times a second each tells what has come. The
clock runs only while the plane takes in feedback and while budgets are shared anew, which the media has no part in.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import typer

from bench.bwe.media import Publisher, Shape, Viewer
from bench.bwe.node import Node
from bench.netem.config import LinkConfig
from bench.netem.simulator import Simulator, Wire
from sfu.routing.plane import PlaneLimits

PEERS = 40
"""Costs are in proportion; three hundred take minutes."""
TRACKS = 9
SHAPES = (Shape(20_000.0, 15.0), Shape(90_000.0, 15.0), Shape(300_000.0, 15.0))
START_S = 6.0
_FEEDBACK_S = 0.05
_DELAY_S = 0.02
_BATCH = 32
"""Feedback packets that wait in the socket when the plane takes them in: more at a time would be more than it holds."""


class Cost(NamedTuple):
    """Shares of one core."""

    feedback: float
    """Decryption, parsing, estimate: in the plane."""
    budgets: float
    """Allocation: on the control side."""
    packets_per_s: float
    """That each peer got, and told of."""


class Teller(Viewer):
    """A viewer whose feedback waits in the node's socket until it is taken in, with that of others."""

    told: Callable[[], None]

    def _send_back(self, packet: bytes) -> None:
        self.end.socket.send(self.end.outbound.protect_rtcp(packet))
        self.told()


class Bench:
    """All peers of one node, in virtual time."""

    def __init__(self, peers: int) -> None:
        self.simulator = Simulator()
        self.node = Node(self.simulator, limits=PlaneLimits(peers + 64, 64, 256, 16 * peers, 16 * peers, 8192))
        self.feedback_s = 0.0
        self.budgets_s = 0.0
        self._waiting = 0
        link = LinkConfig(delay_s=_DELAY_S)
        self.viewers = [
            Teller(self.node, Wire(self.simulator, link, k), Wire(self.simulator, link, k)) for k in range(peers)
        ]
        self.publishers = [Publisher(self.node, SHAPES, seed=10 + k) for k in range(TRACKS)]
        for viewer in self.viewers:
            viewer.told = self._note_waiting
            self._time_budget(viewer)
            for publisher in self.publishers:
                viewer.watch(publisher.track)
            self.node.plane.step(self.node.now_us())  # else there are more commands than can wait
        self.simulator.every(_FEEDBACK_S, self._take_feedback)  # after those of the viewers, which are older

    def _time_budget(self, viewer: Teller) -> None:
        update = viewer.connection.budget.update

        def timed(now: float) -> None:
            start = time.process_time()
            update(now)
            self.budgets_s += time.process_time() - start

        viewer.connection.budget.update = timed  # type: ignore[method-assign]

    def _note_waiting(self) -> None:
        self._waiting += 1
        if self._waiting >= _BATCH:
            self._take_feedback()

    def _take_feedback(self) -> None:
        self._waiting = 0
        start = time.process_time()
        self.node.plane.step(self.node.now_us())
        taken = time.process_time()
        self.node.plane.step(self.node.now_us())  # the same with nothing to take
        self.feedback_s += 2.0 * taken - start - time.process_time()
        self.node.step()

    def run(self, seconds: float) -> Cost:
        try:
            self.simulator.run_until(START_S)
            self.feedback_s = self.budgets_s = 0.0
            before = sum(viewer.received for viewer in self.viewers)
            self.simulator.run_until(START_S + seconds)
            told = sum(viewer.received for viewer in self.viewers) - before
        finally:
            self.node.close()
            for end in (*self.viewers, *self.publishers):
                end.end.close()
        return Cost(self.feedback_s / seconds, self.budgets_s / seconds, told / seconds / len(self.viewers))


def main(peers: int = PEERS, seconds: float = 4.0) -> None:
    """Print what the feedback of so many peers costs."""
    cost = Bench(peers).run(seconds)
    typer.echo(
        f"{peers} peers of {TRACKS} videos, {cost.packets_per_s:.0f} packets/s each, "
        f"{1 / _FEEDBACK_S:.0f} feedbacks/s each: feedback {cost.feedback:.1%}, budgets {cost.budgets:.1%} of a core"
    )


if __name__ == "__main__":
    typer.run(main)
