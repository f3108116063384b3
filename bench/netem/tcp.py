"""A TCP sender and receiver in virtual time, as simple as a competitor for capacity may be."""

from __future__ import annotations

import math
from collections.abc import Callable

from bench.netem.flows import Meter
from bench.netem.simulator import Simulator, Wire

HEADER_BYTES = 52  # IPv4, TCP and its timestamps
DUPLICATES = 3
MIN_RTO_S = 0.2
MAX_RTO_S = 60.0
FIRST_RTO_S = 1.0


class TcpFlow:
    """NewReno: slow start and congestion avoidance (RFC 5681), fast recovery (RFC 6582), timeouts (RFC 6298).

    It counts in segments, has always something to send until `stop_s` or `limit_bytes`, and every segment is
    acknowledged at once; acknowledgements carry the segment's time back, so that each is a sample of the round trip.
    The meter stands at the receiver and counts the payload of segments that are new to it.
    """

    def __init__(
        self,
        simulator: Simulator,
        forward: Wire,
        backward: Wire,
        *,
        start_s: float = 0.0,
        stop_s: float = math.inf,
        limit_bytes: int | None = None,
        segment_bytes: int = 1448,
        initial_window: int = 10,
        on_done: Callable[[], None] | None = None,
    ) -> None:
        self.meter = Meter()
        self.retransmitted = 0
        self.timeouts = 0
        self.recoveries = 0
        self.window = float(initial_window)
        self.threshold = math.inf
        self.round_trip_s: float | None = None
        self.done_at: float | None = None
        self._simulator = simulator
        self._forward = forward
        self._backward = backward
        self._stop_s = stop_s
        self._limit = None if limit_bytes is None else math.ceil(limit_bytes / segment_bytes)
        self._segment_bytes = segment_bytes
        self._on_done = on_done
        # The sender; positions are segments from the start.
        self._acknowledged = 0
        self._next = 0
        self._highest = 0
        self._duplicates = 0
        self._recovering = False
        self._recover = 0
        self._round_trip_var_s = 0.0
        self._rto_s = FIRST_RTO_S
        self._deadline: float | None = None
        self._timer_at: float | None = None
        # The receiver.
        self._expected = 0
        self._held: set[int] = set()
        simulator.at(start_s, self._fill)

    @property
    def in_flight(self) -> int:
        """Segments sent and not acknowledged."""
        return self._next - self._acknowledged

    def _fill(self) -> None:
        while self.in_flight < int(self.window) and self._has_more():
            self._transmit(self._next)
            self._next += 1

    def _has_more(self) -> bool:
        if self._next < self._highest:  # after a timeout: again
            return True
        return self._simulator.now < self._stop_s and (self._limit is None or self._next < self._limit)

    def _transmit(self, segment: int) -> None:
        if segment < self._highest:
            self.retransmitted += 1
        self._highest = max(self._highest, segment + 1)
        sent_at = self._simulator.now
        self._forward.send(self._segment_bytes + HEADER_BYTES, lambda: self._on_segment(segment, sent_at))
        if self._deadline is None:
            self._restart_timer()

    def _on_segment(self, segment: int, sent_at: float) -> None:
        if segment >= self._expected and segment not in self._held:
            self.meter.add(self._segment_bytes, self._simulator.now)
            self._held.add(segment)
            while self._expected in self._held:
                self._held.remove(self._expected)
                self._expected += 1
        expected = self._expected
        self._backward.send(HEADER_BYTES, lambda: self._on_acknowledgement(expected, sent_at))

    def _on_acknowledgement(self, expected: int, sent_at: float) -> None:
        self._measure(self._simulator.now - sent_at)
        if expected > self._acknowledged:
            self._on_progress(expected)
        elif expected == self._acknowledged and self.in_flight > 0:
            self._on_duplicate()
        self._fill()

    def _on_progress(self, expected: int) -> None:
        new = expected - self._acknowledged
        self._acknowledged = expected
        self._next = max(self._next, expected)
        self._duplicates = 0
        if not self._recovering:
            # Appropriate byte counting (RFC 3465): an acknowledgement that repairs a hole covers many segments.
            self.window += min(new, 2) if self.window < self.threshold else 1.0 / self.window
            self._restart_timer()
        elif expected >= self._recover:
            self._recovering = False
            self.window = min(self.threshold, max(self.in_flight, 1) + 1.0)
            self._restart_timer()
        else:
            self.window = max(self.window - new + 1.0, 1.0)
            self._transmit(self._acknowledged)
            self._restart_timer()
        if self.in_flight == 0:
            self._deadline = None
            self._finish()

    def _on_duplicate(self) -> None:
        self._duplicates += 1
        if self._recovering:
            self.window += 1.0
        elif self._duplicates == DUPLICATES and self._acknowledged >= self._recover:
            self.recoveries += 1
            self._recovering = True
            self._recover = self._highest
            self.threshold = max(self.in_flight / 2, 2.0)
            self.window = self.threshold + DUPLICATES
            self._transmit(self._acknowledged)
            self._restart_timer()

    def _finish(self) -> None:
        if self._limit is not None and self._acknowledged >= self._limit and self.done_at is None:
            self.done_at = self._simulator.now
            if self._on_done is not None:
                self._on_done()

    def _measure(self, sample_s: float) -> None:
        if self.round_trip_s is None:
            self.round_trip_s, self._round_trip_var_s = sample_s, sample_s / 2
        else:
            self._round_trip_var_s += (abs(self.round_trip_s - sample_s) - self._round_trip_var_s) / 4
            self.round_trip_s += (sample_s - self.round_trip_s) / 8
        self._rto_s = min(max(self.round_trip_s + 4 * self._round_trip_var_s, MIN_RTO_S), MAX_RTO_S)

    def _restart_timer(self) -> None:
        self._deadline = self._simulator.now + self._rto_s
        if self._timer_at is None or self._deadline < self._timer_at:
            self._arm(self._deadline)

    def _arm(self, at: float) -> None:
        self._timer_at = at
        self._simulator.at(at, lambda: self._on_timer(at))

    def _on_timer(self, at: float) -> None:
        if at != self._timer_at:  # an earlier one has taken its place
            return
        self._timer_at = None
        if self._deadline is None:
            return
        if self._deadline > at:  # moved on meanwhile
            self._arm(self._deadline)
            return
        self.timeouts += 1
        self.threshold = max(self.in_flight / 2, 2.0)
        self.window = 1.0
        self._recovering = False
        self._recover = self._highest
        self._duplicates = 0
        self._next = self._acknowledged
        self._rto_s = min(self._rto_s * 2, MAX_RTO_S)
        self._deadline = None
        self._fill()
