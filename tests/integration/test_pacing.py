"""A key frame leaves as fast as the path may take it: swiftly where there is room, hardly above the estimate if not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bench.bwe.media import Publisher, Shape
from bench.bwe.node import Node
from bench.netem.simulator import Simulator
from sfu.bwe.kernels.state import OVERUSED

pytestmark = pytest.mark.timeout(300)

ESTIMATE_BPS = 1_000_000.0
SHAPE = Shape(70_000.0, 1.0)
"""A picture a second; the key frame has four times the usual size, so 280,000 bits."""


class Departures:
    """When what goes to one client leaves the node."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.end, self.connection = node.connect(controlled=True)
        self.sent: list[tuple[float, int]] = []
        node.watchers.append(self)

    def collect(self) -> None:
        """Media only: the padding of a probe has an SSRC of its own."""
        now, media = self.node.simulator.now, {held.ssrc for held in self.connection.subscriptions}
        self.sent += [(now, len(data)) for data in self.end.receive() if int.from_bytes(data[8:12]) in media]

    def take_first_frame(self) -> tuple[float, float]:
        """How long it took, in seconds, and its rate in bits a second without what left at once."""
        first = self.sent[0][0]
        frame = [(at, size) for at, size in self.sent if at < first + 0.6]
        later = sum(size for at, size in frame if at > first)
        lasted = frame[-1][0] - first
        return lasted, 8.0 * later / lasted


def send_key_frame(prepare: Callable[[Any, int], None]) -> tuple[float, float]:
    """Let a key frame go to a client whose path is known as `prepare` leaves it."""
    simulator = Simulator()
    node = Node(simulator)
    client = Departures(node)
    publisher = Publisher(node, [SHAPE], seed=4, start_s=0.2)
    subscription = node.subscribe(client.connection, publisher.track)
    state = node.plane._tables.estimators[client.end.row]

    def know() -> None:
        state["estimate_bps"] = state["lasting_bps"] = state["delay_bps"] = ESTIMATE_BPS
        state["usage"] = OVERUSED  # no probe shall hide what is looked at
        prepare(state, node.now_us())

    simulator.at(0.1, know)
    try:
        simulator.run_until(2.0)
        assert subscription.octets > 0
        return client.take_first_frame()
    finally:
        node.close()
        client.end.close()
        publisher.end.close()


def test_where_no_bound_was_met_it_leaves_swiftly() -> None:
    lasted, rate_bps = send_key_frame(lambda state, now_us: None)
    assert lasted < 0.15
    assert rate_bps == pytest.approx(2.5 * ESTIMATE_BPS, rel=0.2)


def test_a_path_that_was_full_of_late_is_not_filled_by_it() -> None:
    def was_full(state: Any, now_us: int) -> None:
        state["decreased_us"] = now_us - 10_000_000

    lasted, rate_bps = send_key_frame(was_full)
    assert 0.15 < lasted < 0.3
    assert rate_bps == pytest.approx(1.2 * ESTIMATE_BPS, rel=0.1)


def test_that_it_was_full_is_forgotten() -> None:
    def was_full(state: Any, now_us: int) -> None:
        state["decreased_us"] = now_us - 31_000_000

    assert send_key_frame(was_full)[0] < 0.15


def test_while_a_queue_is_emptied_nothing_exceeds_the_estimate() -> None:
    def is_emptied(state: Any, now_us: int) -> None:
        state["decreased_us"] = now_us
        state["recover_bps"] = 1.1 * ESTIMATE_BPS

    lasted, rate_bps = send_key_frame(is_emptied)
    assert lasted > 0.2
    assert rate_bps == pytest.approx(1.03 * ESTIMATE_BPS, rel=0.07)


def test_with_an_estimate_of_next_to_nothing_it_does_not_wait_for_seconds() -> None:
    def is_tiny(state: Any, now_us: int) -> None:
        state["decreased_us"] = now_us
        state["estimate_bps"] = 0.1 * ESTIMATE_BPS

    lasted, _ = send_key_frame(is_tiny)  # 280,000 bits would take 2.3 s
    assert 0.25 < lasted < 0.6
