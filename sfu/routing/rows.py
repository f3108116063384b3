"""Which rows of a table are taken; the control side's book-keeping."""

from __future__ import annotations

from collections import deque

RESTING = 256
"""Number of freed rows that rest before the first of them is used again, so that late notices miss it."""


class CapacityError(RuntimeError):
    """A table of the plane is full: the node can take no more of that kind."""


class Rows:
    """Hands out row numbers: freed ones that have rested, then ones that were never used.

    A row costs memory from its first use on (`memory.py`), so clients that come and go must not use up all of them.
    """

    def __init__(self, name: str, size: int) -> None:
        self.name = name
        self._size = size
        self._unused = 0  # the first row that nobody had
        self._freed: deque[int] = deque()

    @property
    def taken(self) -> int:
        """Number of rows in use."""
        return self._unused - len(self._freed)

    def take(self) -> int:
        """Return a free row. Raises CapacityError if there is none."""
        if len(self._freed) > RESTING or (self._freed and self._unused == self._size):
            return self._freed.popleft()
        if self._unused == self._size:
            raise CapacityError(f"all {self._size} {self.name} of this shard are in use")
        self._unused += 1
        return self._unused - 1

    def give_back(self, row: int) -> None:
        """Free a row."""
        self._freed.append(row)
