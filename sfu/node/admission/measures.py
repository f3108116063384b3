"""What is measured again and again, and held against a bound."""

from __future__ import annotations

import math

_SMOOTH_S = 5.0
"""Time constant: after a jump from nothing to a whole core it takes eleven seconds to 0.9."""
_RELIEF = 0.9
"""Part of a bound below which it is no longer met: who was turned away is not let in just to be the next too many."""


class Share:
    """The share of a core that a thread has taken lately, from readings of its clock."""

    def __init__(self) -> None:
        self.value = 0.0
        self._last: tuple[float, float] | None = None

    def update(self, cpu_s: float | None, now: float) -> float:
        """Take a reading: processor time so far, in seconds, or None where it cannot be told; return the share."""
        if cpu_s is None:
            self.value, self._last = 0.0, None
            return self.value
        if self._last is not None and now > self._last[1]:
            passed = now - self._last[1]
            share = max(0.0, cpu_s - self._last[0]) / passed
            self.value += (share - self.value) * -math.expm1(-passed / _SMOOTH_S)
        self._last = cpu_s, now
        return self.value


class Bound:
    """A measure, and whether it is at its bound: from there on, until it has fallen well below it."""

    def __init__(self, most: float) -> None:
        """`most`: the bound; 1, a whole of whatever it is a share of, means none."""
        self.most = most
        self.value = 0.0
        self.met = False

    def update(self, value: float) -> None:
        """Take what was measured."""
        self.value = value
        self.met = self.most < 1.0 and value >= self.most * (_RELIEF if self.met else 1.0)
