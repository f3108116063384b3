"""How much may be under way and when it counts as lost (RFC 9260 sections 6.3 and 7)."""

from __future__ import annotations

from sfu.transport.sctp.packet import MAX_PACKET_LENGTH

RTO_INITIAL, RTO_MIN, RTO_MAX = 1.0, 0.4, 5.0
"""Seconds. The least one covers acknowledgements that are delayed by 200 ms; with RFC 9260's maximum of a minute, a
path that was gone for five seconds would stay unused for as long again."""

_INITIAL_WINDOW = 10 * MAX_PACKET_LENGTH  # RFC 6928


class Congestion:
    """The congestion window and the time-out of one path, in octets and seconds."""

    def __init__(self) -> None:
        self.window = _INITIAL_WINDOW
        self.in_flight = 0
        self.rto = RTO_INITIAL
        self.recovery_end: int | None = None
        """The TSN whose acknowledgement ends fast recovery."""
        self._threshold = 1 << 62
        self._acknowledged = 0
        self._smoothed: float | None = None
        self._variation = 0.0
        self._last_sent = float("-inf")

    def note_sent(self, octets: int, now: float) -> None:
        """So much goes out. After a pause what the window has learned no longer counts (section 7.2.1)."""
        if self.in_flight == 0 and now - self._last_sent > self.rto:
            self.window = min(self.window, _INITIAL_WINDOW)
        self._last_sent = now
        self.in_flight += octets

    def note_round_trip(self, seconds: float) -> None:
        """Measured on what was sent once (section 6.3.1)."""
        if self._smoothed is None:
            self._smoothed, self._variation = seconds, seconds / 2
        else:
            self._variation += (abs(self._smoothed - seconds) - self._variation) / 4
            self._smoothed += (seconds - self._smoothed) / 8
        self.rto = min(max(self._smoothed + 4 * self._variation, RTO_MIN), RTO_MAX)

    def note_acknowledged(self, octets: int, *, was_full: bool) -> None:
        """The cumulative TSN has moved, and so much was acknowledged; `was_full`: the window was in use."""
        if self.recovery_end is not None or not was_full:
            return
        if self.window <= self._threshold:
            self.window += min(octets, MAX_PACKET_LENGTH)
            return
        self._acknowledged += octets
        if self._acknowledged >= self.window:
            self._acknowledged -= self.window
            self.window += MAX_PACKET_LENGTH

    def note_loss(self, highest: int) -> None:
        """Something is missing: once until all up to TSN `highest` is acknowledged (section 7.2.4)."""
        if self.recovery_end is None:
            self.recovery_end = highest
            self._halve()
            self.window = self._threshold

    def note_timeout(self) -> None:
        """Nothing came back in time: begin anew with one packet (section 7.2.3)."""
        self._halve()
        self.window = MAX_PACKET_LENGTH
        self.recovery_end = None
        self.rto = min(2 * self.rto, RTO_MAX)

    def _halve(self) -> None:
        self._threshold = max(self.window // 2, 4 * MAX_PACKET_LENGTH)
        self._acknowledged = 0
