"""Publishers that know no transport-wide feedback: their path is estimated here and told as REMB, in virtual time."""

from __future__ import annotations

import struct

import pytest

from bench.bwe.node import EXTENSIONS, End, Node
from bench.netem.config import Changes, LinkConfig
from bench.netem.simulator import Simulator, Wire
from sfu.routing.plane import Feedback, UplinkEstimate
from sfu.wire.extensions import Extension

pytestmark = pytest.mark.timeout(300)

ABS_SEND_TIME_ID = 2
PACKET_BYTES = 1000
MOST_BPS = 2_000_000.0


class Caller:
    """A client as they were: it obeys REMB, and rises by 8 % a second below it."""

    def __init__(self, simulator: Simulator, wire: Wire, *, skew: float = 0.0) -> None:
        self.node = Node(simulator)
        self.rate_bps = 300_000.0
        self.bound_bps = MOST_BPS
        self.told: list[tuple[float, int]] = []
        self._simulator, self._wire, self._skew = simulator, wire, skew
        self._sequence = 65_000
        self.end: End
        self.end, connection = self.node.connect(controlled=False)
        self.node.plane.set_extensions(self.end.row, EXTENSIONS | {Extension.ABS_SEND_TIME: ABS_SEND_TIME_ID})
        self.node.plane.set_control(self.end.row, Feedback.RATES, reports=Feedback.RATES)
        self.node.publish(connection, [4321])
        self.node.uplink = self._take
        simulator.after(0.0, self._send)
        simulator.every(0.1, self._rise)

    def _take(self, notice: UplinkEstimate) -> None:
        assert notice.connection == self.end.row
        self.told.append((self._simulator.now, notice.rate_bps))
        self.bound_bps = notice.rate_bps

    def _rise(self) -> None:
        self.rate_bps = min(self.rate_bps * 1.08**0.1 + 2_000, self.bound_bps, MOST_BPS)

    def _send(self) -> None:
        now = self._simulator.now
        self._simulator.after(8 * PACKET_BYTES / self.rate_bps, self._send)
        stamp = round((now * (1.0 + self._skew) + 60.0) * (1 << 18)) & 0xFFFFFF
        self._sequence = (self._sequence + 1) & 0xFFFF
        header = struct.pack("!BBHLL", 0x90, 96, self._sequence, round(now * 90_000) & 0xFFFFFFFF, 4321)
        extension = struct.pack("!HHB3s", 0xBEDE, 1, ABS_SEND_TIME_ID << 4 | 2, stamp.to_bytes(3, "big"))
        body = bytes((0x10, 1)) + bytes(PACKET_BYTES - 50)
        data = self.end.outbound.protect(header + extension + body)

        def arrive() -> None:
            self.end.socket.send(data)
            self.node.step()

        self._wire.send(len(data), arrive)

    def close(self) -> None:
        self.node.close()
        self.end.close()


def call(
    link: LinkConfig, changes: list[tuple[float, Changes]], seconds: float, *, skew: float = 0.0
) -> tuple[Caller, list[float]]:
    """Let a client publish over a link; return it, and the queue's lengths each 20 ms."""
    simulator = Simulator()
    wire = Wire(simulator, link, 1)
    caller = Caller(simulator, wire, skew=skew)
    queues: list[float] = []
    simulator.every(0.02, lambda: queues.append(wire.queue_delay_s()))
    for at, change in changes:
        simulator.at(at, lambda change=change: wire.change(**change))
    try:
        simulator.run_until(seconds)
    finally:
        caller.close()
    return caller, queues


@pytest.mark.parametrize("skew", [0.0, 1e-4, -1e-4])
def test_a_publisher_is_held_below_what_its_path_carries(skew: float) -> None:
    """Clock skew of 100 ppm is no queue; the wrap of abs-send-time after 64 s is no jump."""
    caller, queues = call(LinkConfig(rate_bps=1e6, queue_s=0.5, delay_s=0.03), [], 80.0, skew=skew)
    late = [rate for at, rate in caller.told if at > 30.0]
    assert late
    assert 0.7e6 < sum(late) / len(late) < 1.2e6
    settled = sorted(queues[len(queues) // 2 :])
    assert settled[int(0.95 * len(settled))] < 0.1
    assert caller.rate_bps > 0.7e6


def test_a_drop_to_a_half_is_told_within_a_second_and_a_half() -> None:
    caller, _ = call(LinkConfig(rate_bps=1e6, queue_s=0.5, delay_s=0.03), [(40.0, Changes(rate_bps=0.5e6))], 60.0)
    below = next(at for at, rate in caller.told if at > 40.0 and rate < 0.5e6)
    assert below - 40.0 < 1.5
    assert caller.rate_bps > 0.3e6


def test_nothing_is_told_where_nothing_queues() -> None:
    caller, _ = call(LinkConfig(rate_bps=10e6, queue_s=0.5, delay_s=0.03), [], 40.0)
    assert caller.told == []
    assert caller.rate_bps == MOST_BPS
