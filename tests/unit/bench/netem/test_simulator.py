"""Virtual time passes in order, and flows share what a wire has."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bench.netem.config import LinkConfig
from bench.netem.flows import CbrFlow, Meter
from bench.netem.schedule import Schedule
from bench.netem.simulator import Simulator, Wire
from bench.netem.tcp import HEADER_BYTES, TcpFlow

RATE = 4e6
PAYLOAD = 1448 / (1448 + HEADER_BYTES)


def path(simulator: Simulator, rate_bps: float | None = RATE, **fields: float) -> tuple[Wire, Wire]:
    """A bottleneck with 50 ms each way, and the way back."""
    config = LinkConfig(rate_bps=rate_bps, delay_s=0.05, **fields)  # type: ignore[arg-type]
    return Wire(simulator, config, 1), Wire(simulator, LinkConfig(delay_s=0.05), 2)


def conserved(wire: Wire) -> bool:
    counts = wire.counts
    gone = counts.delivered + counts.lost + counts.overflowed
    return counts.sent + counts.duplicated == gone + wire.queued


def test_events_happen_in_order_and_see_their_time() -> None:
    simulator = Simulator(5.0)
    seen: list[tuple[str, float]] = []
    for name, time in (("c", 7.0), ("a", 6.0), ("d", 7.0), ("never", 9.5)):
        simulator.at(time, lambda name=name: seen.append((name, simulator.now)))  # type: ignore[misc]
    simulator.at(6.0, lambda: simulator.after(0.5, lambda: seen.append(("b", simulator.now))))
    simulator.run_until(9.0)
    assert seen == [("a", 6.0), ("b", 6.5), ("c", 7.0), ("d", 7.0)]
    assert simulator.now == 9.0
    with pytest.raises(ValueError, match="already"):
        simulator.at(8.0, lambda: None)


def test_something_happens_every_so_often() -> None:
    simulator = Simulator()
    seen: list[float] = []
    simulator.every(0.25, lambda: seen.append(simulator.now))
    simulator.run_until(1.0)
    assert seen == [0.25, 0.5, 0.75, 1.0]
    with pytest.raises(ValueError, match="stand still"):
        simulator.every(0.0, lambda: None)


def test_a_meter_counts_in_bins() -> None:
    meter = Meter(bin_s=0.5)
    for now in (0.1, 0.6, 0.7, 1.2):
        meter.add(125, now)
    assert meter.rates_bps(0.0, 2.0) == [2000.0, 4000.0, 2000.0, 0.0]
    assert meter.rate_bps(0.5, 1.5) == 3000.0
    assert (meter.packets, meter.received_bytes) == (4, 500)
    with pytest.raises(ValueError, match="no bin"):
        meter.rate_bps(1.0, 1.1)


def test_packets_arrive_at_their_times_over_two_wires() -> None:
    simulator = Simulator()
    first = Wire(simulator, LinkConfig(rate_bps=8000, delay_s=0.25))
    second = Wire(simulator, LinkConfig(rate_bps=4000))
    seen: list[float] = []
    for _ in range(2):
        first.send(1000, lambda: second.send(1000, lambda: seen.append(simulator.now)))
    simulator.run_until(1.0)
    first.change(rate_bps=16_000)
    assert first.queue_delay_s() == pytest.approx(0.5)
    simulator.run_until(10.0)
    assert seen == pytest.approx([3.25, 5.25])


def test_a_faster_rate_brings_what_is_queued_earlier() -> None:
    simulator = Simulator()
    wire = Wire(simulator, LinkConfig(rate_bps=800))
    seen: list[float] = []
    wire.send(1000, lambda: seen.append(simulator.now))
    simulator.run_until(5.0)
    wire.change(rate_bps=8000)
    simulator.run_until(20.0)
    assert seen == pytest.approx([5.5])


def test_a_wire_follows_its_latest_schedule() -> None:
    simulator = Simulator()
    wire, _ = path(simulator, queue_s=0.1)
    flow = CbrFlow(simulator, wire, rate_bps=8e6)
    wire.play(Schedule(((0.0, 1e6), (10.0, 3e6), (20.0, 0.0), (30.0, 2e6))))
    simulator.run_until(40.0)
    for start, rate in ((1.0, 1e6), (11.0, 3e6), (31.0, 2e6)):
        assert flow.meter.rate_bps(start, start + 8.0) == pytest.approx(rate, rel=0.01)
    assert flow.meter.rate_bps(21.0, 29.0) == 0.0
    wire.play(Schedule(((5.0, 4e6), (8.0, 5e6))))
    wire.play(Schedule(((5.0, 1e6),)))
    simulator.run_until(60.0)
    assert flow.meter.rate_bps(46.0, 60.0) == pytest.approx(1e6, rel=0.01)
    assert conserved(wire)


def test_constant_flows_get_what_they_send_or_share_what_there_is() -> None:
    simulator = Simulator()
    wire, _ = path(simulator, queue_s=0.05)
    early = CbrFlow(simulator, wire, rate_bps=1.5e6, stop_s=20.0)
    late = CbrFlow(simulator, wire, rate_bps=6e6, packet_bytes=1000, start_s=10.0, stop_s=20.0)
    simulator.run_until(30.0)
    assert early.sent == pytest.approx(20.0 * 1.5e6 / 9600, abs=1)
    assert early.meter.rate_bps(1.0, 9.0) == pytest.approx(1.5e6, rel=0.01)
    assert early.meter.rate_bps(11.0, 20.0) + late.meter.rate_bps(11.0, 20.0) == pytest.approx(RATE, rel=0.01)
    assert wire.counts.longest_wait_s <= 0.05 + 1e-9
    assert wire.queued == 0
    assert conserved(wire)
    assert wire.counts.overflowed == early.sent + late.sent - early.meter.packets - late.meter.packets > 0


@pytest.mark.parametrize("queue_s", [0.1, 0.3])
def test_tcp_fills_a_link(queue_s: float) -> None:
    simulator = Simulator()
    forward, backward = path(simulator, queue_s=queue_s)
    flow = TcpFlow(simulator, forward, backward)
    simulator.run_until(60.0)
    got = flow.meter.rate_bps(20.0, 60.0)
    assert 0.93 * PAYLOAD * RATE <= got <= PAYLOAD * RATE * 1.01
    assert flow.recoveries > 1
    assert forward.counts.overflowed > 0
    assert forward.counts.longest_wait_s > 0.8 * queue_s
    assert flow.round_trip_s is not None
    assert 0.1 <= flow.round_trip_s <= 0.1 + queue_s + 0.01
    assert conserved(forward)
    assert conserved(backward)


def test_tcp_shares_about_evenly_with_another_and_takes_what_it_leaves() -> None:
    simulator = Simulator()
    forward, backward = path(simulator, queue_s=0.1)
    first = TcpFlow(simulator, forward, backward)
    second = TcpFlow(simulator, forward, backward, start_s=3.0, stop_s=100.0)
    simulator.run_until(140.0)
    shares = [flow.meter.rate_bps(20.0, 100.0) / RATE for flow in (first, second)]
    assert sum(shares) >= 0.9 * PAYLOAD
    assert min(shares) >= 0.35
    assert second.meter.rate_bps(102.0, 140.0) == 0.0
    assert second.in_flight == 0
    assert first.meter.rate_bps(110.0, 140.0) >= 0.9 * PAYLOAD * RATE


def test_tcp_leaves_room_for_what_does_not_listen() -> None:
    simulator = Simulator()
    forward, backward = path(simulator, queue_s=0.1)
    constant = CbrFlow(simulator, forward, rate_bps=2e6)
    flow = TcpFlow(simulator, forward, backward)
    simulator.run_until(60.0)
    assert constant.meter.rate_bps(20.0, 60.0) >= 0.9 * 2e6
    assert 0.8 * 2e6 * PAYLOAD <= flow.meter.rate_bps(20.0, 60.0) <= 1.1 * 2e6


def test_slow_start_doubles_and_a_lossless_link_needs_nothing_twice() -> None:
    simulator = Simulator()
    forward, backward = path(simulator, None)
    flow = TcpFlow(simulator, forward, backward)
    windows = []
    for turn in range(5):
        simulator.run_until(turn * 0.1 + 0.05)
        windows.append(flow.window)
    assert windows == [10.0, 20.0, 40.0, 80.0, 160.0]
    assert flow.retransmitted == flow.timeouts == flow.recoveries == 0


class Hole(Wire):
    """A wire that swallows the packet with one number."""

    def __init__(self, simulator: Simulator, config: LinkConfig, number: int) -> None:
        super().__init__(simulator, config)
        self._left = number

    def send(self, size_bytes: int, arrive: Callable[[], None]) -> None:
        if self._left != 0:
            super().send(size_bytes, arrive)
        self._left -= 1


def test_one_loss_halves_the_window_and_is_repaired_without_a_timeout() -> None:
    simulator = Simulator()
    forward = Hole(simulator, LinkConfig(delay_s=0.05), 30)  # the first of the third flight, of 40
    flow = TcpFlow(simulator, forward, Wire(simulator, LinkConfig(delay_s=0.05)))
    simulator.run_until(0.25)
    assert flow.window == 40.0
    simulator.run_until(0.35)
    assert (flow.recoveries, flow.retransmitted, flow.timeouts) == (1, 1, 0)
    assert flow.threshold == 20.0
    simulator.run_until(0.41)  # the repair is acknowledged: congestion avoidance from the threshold
    assert 20.0 <= flow.window < 21.0
    simulator.run_until(1.41)
    assert 29.0 <= flow.window <= 31.0  # one more each round trip
    assert (flow.recoveries, flow.retransmitted, flow.timeouts) == (1, 1, 0)


@pytest.mark.parametrize("loss", [0.0, 0.05, 0.3])
def test_a_file_arrives_whole_whatever_is_lost_either_way(loss: float) -> None:
    simulator = Simulator()
    forward, backward = path(simulator, queue_s=0.1, loss=loss, reorder=0.05, reorder_s=0.02, duplicate=0.05)
    backward.change(loss=loss)
    done: list[float] = []
    flow = TcpFlow(
        simulator, forward, backward, limit_bytes=300_000, start_s=1.0, on_done=lambda: done.append(simulator.now)
    )
    simulator.run_until(600.0)
    segments = -(-300_000 // 1448)
    assert done == [flow.done_at]
    assert flow.meter.packets == segments
    assert flow.in_flight == 0
    assert loss == 0.0 or flow.retransmitted > 0
    assert forward.queued == backward.queued == 0


def test_after_an_outage_tcp_goes_on() -> None:
    simulator = Simulator()
    forward, backward = path(simulator, queue_s=0.1)
    flow = TcpFlow(simulator, forward, backward)
    simulator.run_until(10.0)
    forward.change(loss=1.0)
    simulator.run_until(15.0)
    forward.change(loss=0.0)
    simulator.run_until(60.0)
    assert flow.timeouts >= 3
    assert flow.meter.rate_bps(11.0, 15.0) == 0.0
    assert flow.meter.rate_bps(30.0, 60.0) >= 0.9 * PAYLOAD * RATE


def test_the_same_seeds_tell_the_same_story() -> None:
    def story() -> tuple[int, int, int, list[float]]:
        simulator = Simulator()
        forward, backward = path(simulator, queue_s=0.1, loss=0.01, jitter_s=0.01)
        flow = TcpFlow(simulator, forward, backward)
        simulator.run_until(20.0)
        return flow.retransmitted, flow.recoveries, forward.counts.lost, flow.meter.rates_bps(0.0, 20.0)

    assert story() == story()
