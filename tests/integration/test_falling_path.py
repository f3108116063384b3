"""A viewer's path that falls to a fraction: the picture goes on within a second, and no burst passes for capacity."""

from __future__ import annotations

import itertools
import struct

import pytest

from bench.bwe.media import Publisher, Shape, Viewer
from bench.bwe.node import Node
from bench.netem.config import LinkConfig
from bench.netem.simulator import Simulator, Wire
from sfu.media.subscription import Subscription

pytestmark = pytest.mark.timeout(300)

FALL_S, END_S = 8.0, 30.0
SETTLED_S = 10.0
NARROW_BPS = 400_000.0
BUCKET = LinkConfig(delay_s=0.02, rate_bps=3_000_000.0, queue_s=0.3, bucket_bytes=5_000)
"""What `tc qdisc add ... tbf rate 3mbit burst 5kb latency 300ms` makes of a path."""


class Watcher(Viewer):
    """Notes when pictures came whole."""

    def __init__(self, node: Node, down: Wire, up: Wire) -> None:
        super().__init__(node, down, up)
        self.pictures: list[float] = []

    def _receive(self, data: bytes, sent_at: float) -> None:
        super()._receive(data, sent_at)
        ssrc = struct.unpack_from("!L", data, 8)[0]
        if data[1] & 0x80 and ssrc in self._media and not data[0] & 0x20:
            self.pictures.append(self._node.simulator.now)


def cost_of(subscription: Subscription) -> float:
    """What its target costs."""
    return next((step.rate_bps for step in subscription.layers.list_steps() if step.layer == subscription.target), 0.0)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("layers", [1, 3], ids=["one temporal layer", "three temporal layers"])
def test_the_picture_goes_on_within_a_second_and_what_a_bucket_holds_is_no_capacity(layers: int, seed: int) -> None:
    simulator = Simulator()
    node = Node(simulator, seed, deadlines_s=0.1)
    shapes = [Shape(rate, temporal_layers=layers) for rate in (150_000.0, 500_000.0, 1_700_000.0)]
    publisher = Publisher(node, shapes, seed=seed)
    down = Wire(simulator, BUCKET, seed)
    viewer = Watcher(node, down, Wire(simulator, LinkConfig(delay_s=0.02), seed + 1))
    viewer.watch(publisher.track)
    simulator.at(FALL_S, lambda: down.change(rate_bps=NARROW_BPS))
    costs: list[float] = []
    simulator.every(0.05, lambda: costs.append(cost_of(viewer.connection.subscriptions[0])))
    try:
        simulator.run_until(END_S)
        assert viewer.meter.rate_bps(FALL_S - 2.0, FALL_S) > 1_500_000.0
        waits = [after - before for before, after in itertools.pairwise(viewer.pictures) if after > FALL_S]
        assert max(waits) < 1.0
        assert max(costs[round(SETTLED_S / 0.05) :]) <= NARROW_BPS
        assert viewer.connection.starvations == 0
    finally:
        node.close()
        for end in (viewer.end, publisher.end):
            end.close()
