"""Traffic that does not listen, and a meter for any traffic."""

from __future__ import annotations

import math
from collections import defaultdict

from bench.netem.simulator import Simulator, Wire


class Meter:
    """What arrived when, in bins of `bin_s`."""

    def __init__(self, bin_s: float = 0.1) -> None:
        self.packets = 0
        self.received_bytes = 0
        self._bin_s = bin_s
        self._bins: defaultdict[int, int] = defaultdict(int)

    def add(self, size_bytes: int, now: float) -> None:
        """Note an arrival."""
        self.packets += 1
        self.received_bytes += size_bytes
        self._bins[math.floor(now / self._bin_s)] += size_bytes

    def rate_bps(self, start: float, stop: float) -> float:
        """The mean rate in bits per second between two times, which are rounded to bins."""
        first, end = round(start / self._bin_s), round(stop / self._bin_s)
        if end <= first:
            raise ValueError(f"there is no bin of {self._bin_s} s between {start} and {stop}")
        return sum(self._bins[index] for index in range(first, end)) * 8 / ((end - first) * self._bin_s)

    def rates_bps(self, start: float, stop: float) -> list[float]:
        """The rate of each bin between two times."""
        first, end = round(start / self._bin_s), round(stop / self._bin_s)
        return [self._bins[index] * 8 / self._bin_s for index in range(first, end)]


class CbrFlow:
    """Packets of one size at one rate, from `start_s` until before `stop_s`; the meter stands at the other end."""

    def __init__(
        self,
        simulator: Simulator,
        wire: Wire,
        *,
        rate_bps: float,
        packet_bytes: int = 1200,
        start_s: float = 0.0,
        stop_s: float = math.inf,
    ) -> None:
        if rate_bps <= 0 or packet_bytes <= 0:
            raise ValueError("a flow's rate and packets must be larger than 0")
        self.sent = 0
        self.meter = Meter()
        self._simulator = simulator
        self._wire = wire
        self._packet_bytes = packet_bytes
        self._interval_s = packet_bytes * 8 / rate_bps
        self._start_s = start_s
        self._stop_s = stop_s
        if start_s < stop_s:
            simulator.at(start_s, self._send)

    def _send(self) -> None:
        self.sent += 1
        self._wire.send(self._packet_bytes, self._arrive)
        following = self._start_s + self.sent * self._interval_s
        if following < self._stop_s:
            self._simulator.at(following, self._send)

    def _arrive(self) -> None:
        self.meter.add(self._packet_bytes, self._simulator.now)
