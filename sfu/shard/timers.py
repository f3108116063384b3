"""All deadlines of a shard in one heap, sans-IO."""

from __future__ import annotations

import heapq
import itertools
from typing import Generic, TypeVar

Key = TypeVar("Key")


class Timers(Generic[Key]):
    """One deadline per key.

    Most deadlines move to a later time before they are reached, as each consent check makes one do. So this touches
    only a dictionary: the heap keeps the early entry, which is corrected when it comes to the top.
    """

    def __init__(self) -> None:
        self._deadlines: dict[Key, float] = {}
        self._queued: dict[Key, float] = {}  # the one entry of the heap that counts for the key
        self._heap: list[tuple[float, int, Key]] = []
        self._order = itertools.count()

    def schedule(self, key: Key, deadline: float | None) -> None:
        """Set the key's deadline (absolute seconds); None removes it."""
        if deadline is None:
            self._deadlines.pop(key, None)
            return
        self._deadlines[key] = deadline
        queued = self._queued.get(key)
        if queued is None or deadline < queued:
            self._push(key, deadline)

    def poll_timeout(self) -> float | None:
        """Return when to call `pop_due` next (absolute seconds), perhaps too early, never too late; None: no deadline
        is set.
        """
        while self._heap:
            queued, _, key = self._heap[0]
            if self._queued.get(key) == queued and key in self._deadlines:
                return queued
            self._drop_top()
        return None

    def pop_due(self, now: float) -> list[Key]:
        """Return the keys whose deadline has come, and forget those deadlines."""
        due: list[Key] = []
        while self._heap and self._heap[0][0] <= now:
            key = self._drop_top()
            if key is None or key not in self._deadlines:
                continue
            if self._deadlines[key] <= now:
                del self._deadlines[key]
                due.append(key)
            else:
                self._push(key, self._deadlines[key])
        return due

    def __len__(self) -> int:
        return len(self._deadlines)

    def _push(self, key: Key, deadline: float) -> None:
        self._queued[key] = deadline
        heapq.heappush(self._heap, (deadline, next(self._order), key))

    def _drop_top(self) -> Key | None:
        """Remove the top entry; return its key, unless the entry is stale."""
        queued, _, key = heapq.heappop(self._heap)
        if self._queued.get(key) != queued:
            return None
        del self._queued[key]
        return key
