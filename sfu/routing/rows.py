"""Which rows of a table are taken; the control side's book-keeping."""

from __future__ import annotations

from collections import deque


class CapacityError(RuntimeError):
    """A table of the plane is full: the node carries no more of that kind."""


class Rows:
    """Hands out row numbers; a freed one is used again as late as possible, so that late notices miss it."""

    def __init__(self, name: str, size: int) -> None:
        self.name = name
        self._size = size
        self._free = deque(range(size))

    @property
    def taken(self) -> int:
        """Number of rows in use."""
        return self._size - len(self._free)

    def take(self) -> int:
        """A free row. Raises CapacityError when there is none."""
        if not self._free:
            raise CapacityError(f"all {self._size} {self.name} of this shard are in use")
        return self._free.popleft()

    def give_back(self, row: int) -> None:
        """Free a row."""
        self._free.append(row)
