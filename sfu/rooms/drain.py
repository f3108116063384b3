"""A server that is to stop lets the rooms that are there go on, and opens no others."""

from __future__ import annotations

from collections.abc import Iterable

from sfu.clock import Clock
from sfu.errors import DrainingError


class Drain:
    """Whether a server drains, and which rooms it had when that began."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: float | None = None
        self._rooms: frozenset[str] = frozenset()

    @property
    def left(self) -> float | None:
        """Seconds until the server is to stop, at least 0; None: it does not drain."""
        return None if self._until is None else max(self._until - self._clock(), 0.0)

    def begin(self, seconds: float, rooms: Iterable[str]) -> None:
        """Drain from now on for `seconds`. `rooms` may be entered, also once they were empty; if the server drains
        already, it stays with those of the beginning.
        """
        if self._until is None:
            self._rooms = frozenset(rooms)
        self._until = self._clock() + seconds

    def end(self) -> bool:
        """Open new rooms again; return whether it was draining."""
        drained = self._until is not None
        self._until, self._rooms = None, frozenset()
        return drained

    def check(self, room: str) -> None:
        """Raise DrainingError if a room may not open now: it is new, or the time is over."""
        left = self.left
        if left is not None and (left <= 0.0 or room not in self._rooms):
            raise DrainingError(left)
