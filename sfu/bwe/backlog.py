"""The backlog of one connection's pacer that lasts: the packets of a key frame are gone again soon."""

from __future__ import annotations

_WINDOW_S = 0.5


class Backlog:
    """Finds the lasting part of the readings: the least one of the last one to two windows."""

    def __init__(self) -> None:
        self._least = 0
        self._least_before = 0
        self._since = float("-inf")

    def update(self, queued_bytes: int, now: float) -> float:
        """Take a reading in bytes; return the bits that have waited throughout."""
        if now - self._since >= _WINDOW_S or now < self._since:
            self._least_before = self._least
            self._least = queued_bytes
            self._since = now
        self._least = min(self._least, queued_bytes)
        return 8.0 * min(self._least, self._least_before)
