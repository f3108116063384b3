"""So many a second."""

from __future__ import annotations

import time
from collections.abc import Callable

_MOST_BEHIND_S = 0.1


class Pace:
    """How many are due. Who comes late makes up for 0.1 s at most: a rate, not a sum, is what was asked for."""

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._paid_s = clock()

    def take(self) -> int:
        """All that are due now."""
        now = self._clock()
        self._paid_s = max(self._paid_s, now - _MOST_BEHIND_S)
        due = int((now - self._paid_s) * self._rate)
        self._paid_s += due / self._rate
        return due
