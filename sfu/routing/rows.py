"""Which rows of a table are taken; the control side's book-keeping."""

from __future__ import annotations

from collections import deque

RESTING = 256
"""So many freed rows rest before the first of them is used again, so that late notices miss it."""


class CapacityError(RuntimeError):
    """A table of the plane is full: the node carries no more of that kind."""


class Rows:
    """Hands out row numbers: freed ones that have rested, then ones that nobody had.

    A row costs memory from its first use on (`memory.py`), so who comes and goes must not have all of them used.
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
        """A free row. Raises CapacityError when there is none."""
        if len(self._freed) > RESTING or (self._freed and self._unused == self._size):
            return self._freed.popleft()
        if self._unused == self._size:
            raise CapacityError(f"all {self._size} {self.name} of this shard are in use")
        self._unused += 1
        return self._unused - 1

    def give_back(self, row: int) -> None:
        """Free a row."""
        self._freed.append(row)
