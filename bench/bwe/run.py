"""Runs a scenario and measures it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from bench.bwe.media import Publisher, Shape, Viewer
from bench.bwe.node import Node
from bench.bwe.scenarios import Flow, Scenario
from bench.netem.config import LinkConfig
from bench.netem.simulator import Simulator, Wire
from bench.netem.tcp import TcpFlow

TRACKS = 25
FRAMES_PER_S = 15.0
_SHARES = (0.006, 0.025, 0.1)
"""Of the gallery's rate, that a Track's Encodings have."""
_FULL = 1.1
"""Times the largest capacity that a flow alone could take."""
WARM_UP_S = 5.0
TCP_FROM_S = 20.0
_SAMPLE_S = 0.1
_REPORTS = 200


@dataclass
class Sample:
    """What is drawn: one moment of one scenario."""

    at: float
    capacity_bps: float
    estimates_bps: list[float]
    rates_bps: list[float]
    queue_s: float
    loss: float


@dataclass
class Result:
    """What a scenario came to."""

    name: str
    utilisation: float
    """Share of the capacity that was used, after the start, by our flows and by those that compete with them."""
    competing: float
    """Share that those others used, over the whole time."""
    queue_delay_p95_ms: float
    delay_p95_ms: float
    """The queue together with what waits for the node's own pacer."""
    loss: float
    """Share of the packets that did not come."""
    fairness: float
    """Jain's index over the rates of the flows in the last third; 1: all alike."""
    starvations: int
    """How often a video paused for want of capacity."""
    layer_changes_per_minute: float
    """Of each Track."""
    samples: list[Sample] = field(default_factory=list)

    def row(self) -> dict[str, float | str | int]:
        """For JSON."""
        return {key: value for key, value in dataclasses.asdict(self).items() if key != "samples"}


class Stage:
    """One scenario, set up."""

    def __init__(self, scenario: Scenario, seed: int = 1) -> None:
        self.scenario = scenario
        self.simulator = Simulator()
        self.node = Node(self.simulator, seed)
        self.wire = Wire(self.simulator, scenario.link, seed)
        self.feedback = Wire(self.simulator, scenario.feedback, seed + 1)
        self.viewers = [self._make_viewer(flow, seed + 10 * k) for k, flow in enumerate(scenario.flows)]
        shapes = [Shape(share * scenario.gallery_bps * self._scale(), FRAMES_PER_S) for share in _SHARES]
        self.publishers = [Publisher(self.node, shapes, seed=seed + 100 + k) for k in range(TRACKS)]
        for flow, viewer in zip(scenario.flows, self.viewers, strict=True):
            self.simulator.at(flow.start_s, lambda viewer=viewer: self._watch(viewer))
            for begin, end in flow.pauses:
                self.simulator.at(begin, lambda viewer=viewer: _pause(viewer, True))
                self.simulator.at(end, lambda viewer=viewer: _pause(viewer, False))
        for at, change in scenario.changes:
            self.simulator.at(at, lambda change=change: self.wire.change(**change))
        for at, change in scenario.feedback_changes:
            self.simulator.at(at, lambda change=change: self.feedback.change(**change))
        back = Wire(self.simulator, LinkConfig(delay_s=0.05), seed + 2)
        self.competitors = list(self._compete(back))
        self.samples: list[Sample] = []
        self._queues: list[tuple[float, float]] = []
        self._waits: list[tuple[float, float]] = []
        self.simulator.every(0.01, self._look_at_queue)
        self.simulator.every(_SAMPLE_S, self._sample)

    def _scale(self) -> float:
        """A gallery that suits a flow's part of the largest capacity, and fills that when the flow is alone.

        Of each Track a viewer takes one Encoding: the best of all together are what can be filled with.
        """
        times = (0.0, *(at for at, _ in self.scenario.changes))
        part = max(1.0 / len(self.scenario.flows), _FULL / (_SHARES[-1] * TRACKS))
        return part * max(self.scenario.capacity_bps(at) for at in times) / 1e6

    def _make_viewer(self, flow: Flow, seed: int) -> Viewer:
        """The bottleneck is shared; each flow's way to it and back has a delay of its own."""
        near = Wire(self.simulator, LinkConfig(delay_s=flow.delay_s), seed + 3)
        far = Wire(self.simulator, LinkConfig(delay_s=flow.delay_s), seed + 4)
        return Viewer(self.node, Chain(self.wire, near), Chain(self.feedback, far))

    def _watch(self, viewer: Viewer) -> None:
        for publisher in self.publishers:
            viewer.watch(publisher.track)

    def _compete(self, back: Wire) -> Iterator[TcpFlow]:
        near = Wire(self.simulator, LinkConfig(delay_s=0.05), 77)
        end = self.scenario.seconds - 20.0
        for _ in range(self.scenario.tcp_long):
            yield TcpFlow(self.simulator, Chain(self.wire, near), back, start_s=TCP_FROM_S, stop_s=end)
        for k in range(self.scenario.tcp_short):
            start = 10.0 + k * (self.scenario.seconds - 30.0) / self.scenario.tcp_short
            yield TcpFlow(self.simulator, Chain(self.wire, near), back, start_s=start, limit_bytes=500_000)

    def _look_at_queue(self) -> None:
        now, queue_s = self.simulator.now, self.wire.queue_delay_s()
        self._queues.append((now, queue_s))
        self._waits += [(now, queue_s + self._paced_s(viewer)) for viewer in self.viewers]

    def _paced_s(self, viewer: Viewer) -> float:
        """About how long the next packet to a viewer waits for the pacer."""
        plane = self.node.plane
        queued = plane.connection_state(viewer.end.row).queued_bytes
        return 8.0 * queued / plane.estimator_state(viewer.end.row).estimate_bps if queued else 0.0

    def _sample(self) -> None:
        now = self.simulator.now
        sent = sum(viewer.sent for viewer in self.viewers)
        received = sum(viewer.received for viewer in self.viewers)
        states = [self.node.plane.estimator_state(viewer.end.row) for viewer in self.viewers]
        self.samples.append(
            Sample(
                now,
                self.scenario.capacity_bps(now),
                [state.estimate_bps for state in states],
                [viewer.meter.rate_bps(max(0.0, now - 1.0), now) if now >= 1.0 else 0.0 for viewer in self.viewers],
                self.wire.queue_delay_s(),
                1.0 - received / sent if sent else 0.0,
            )
        )

    def run(self, report: Callable[[float], None] = lambda _: None) -> Result:
        """Run it to its end."""
        seconds = self.scenario.seconds
        try:
            for part in range(1, _REPORTS + 1):
                self.simulator.run_until(seconds * part / _REPORTS)
                report(part / _REPORTS)
            return self._measure()
        finally:
            self.node.close()
            for viewer in self.viewers:
                viewer.end.close()
            for publisher in self.publishers:
                publisher.end.close()

    def _measure(self) -> Result:
        seconds = self.scenario.seconds
        capacity = sum(sample.capacity_bps for sample in self.samples if sample.at >= WARM_UP_S) * _SAMPLE_S / 8
        loss = self.scenario.link.loss
        burst = self.scenario.link.burst
        kept = (1.0 - loss) * (1.0 - (burst.mean_loss if burst else 0.0))  # lost behind the line, which they used
        used = sum(viewer.meter.rate_bps(WARM_UP_S, seconds) for viewer in self.viewers) * (seconds - WARM_UP_S) / 8
        others = sum(flow.meter.rate_bps(WARM_UP_S, seconds) for flow in self.competitors) * (seconds - WARM_UP_S) / 8
        sent = sum(viewer.sent for viewer in self.viewers)
        received = sum(viewer.received for viewer in self.viewers)
        late = [viewer.meter.rate_bps(round(2 * seconds / 3), seconds) for viewer in self.viewers]
        held = [s for viewer in self.viewers for s in viewer.connection.subscriptions]
        switches = sum(subscription.stats().layer_switches for subscription in held)
        return Result(
            self.scenario.name,
            (used + others) / kept / capacity,
            others / kept / capacity,
            1e3 * _p95(self._queues),
            1e3 * _p95(self._waits),
            1.0 - received / sent,
            sum(late) ** 2 / (len(late) * sum(rate * rate for rate in late)),
            sum(viewer.connection.starvations for viewer in self.viewers),
            switches / max(1, len(held)) / (seconds / 60.0),
            self.samples,
        )


def _p95(series: list[tuple[float, float]]) -> float:
    """Of what was seen after the start."""
    values = sorted(value for at, value in series if at >= WARM_UP_S)
    return values[int(0.95 * len(values))]


class Chain(Wire):
    """Two wires, one after the other; what is asked of it is asked of the first."""

    def __init__(self, first: Wire, second: Wire) -> None:
        self._first, self._second = first, second

    def send(self, size_bytes: int, arrive: Callable[[], None]) -> None:
        self._first.send(size_bytes, lambda: self._second.send(size_bytes, arrive))


def _pause(viewer: Viewer, paused: bool) -> None:
    for subscription in viewer.connection.subscriptions:
        if paused:
            subscription.pause()
        else:
            subscription.resume()
