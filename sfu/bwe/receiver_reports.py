"""What receiver reports alone say of a path: the loss-based half of the Google congestion control
(draft-ietf-rmcat-gcc-02 section 6), for clients that send nothing better.
"""

from __future__ import annotations

from collections import deque

_INTERVAL = 1.0
"""Seconds between two updates of the bound; reports come about as often."""
_LOW, _HIGH = 0.02, 0.10
_REPORTS = 3
_RISE = 1.05
_FREE = 3.0
"""The bound is dropped once it is this many times the rate that is sent."""


class ReportedLoss:
    """Lowers a bound while much is lost, raises it while little is, and drops it once it is far away.

    Much is what even the best of the last reports tells: a path that loses one packet in twenty loses one in ten of
    some second's few dozen.
    """

    def __init__(self) -> None:
        self.bound_bps: float | None = None
        """None: there is none."""
        self._due = float("-inf")
        self._recent: deque[float] = deque(maxlen=_REPORTS)

    def handle_report(self, fraction_lost: float, sent_bps: float, now: float) -> bool:
        """Take the share (0..1) of `sent_bps` that did not arrive lately; return whether the bound has moved."""
        if now < self._due or sent_bps <= 0.0:
            return False
        self._due = now + _INTERVAL
        before = self.bound_bps
        self._recent.append(min(fraction_lost, 1.0))
        least = min(self._recent)
        if least > _HIGH and len(self._recent) == _REPORTS:
            start = sent_bps if before is None else min(before, sent_bps)
            self.bound_bps = start * (1.0 - 0.5 * least)
        elif before is not None and fraction_lost < _LOW:
            raised = before * _RISE
            self.bound_bps = raised if raised < _FREE * sent_bps else None
        return self.bound_bps != before
