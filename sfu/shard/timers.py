"""All deadlines of a shard in one heap, sans-IO."""

from __future__ import annotations

import heapq
import itertools
from typing import Generic, TypeVar

Key = TypeVar("Key")


class Timers(Generic[Key]):
    """One deadline per key.

    Most deadlines move to a later time before they are reached, as each consent check makes one do. So this touches
    only a dictionary: the heap keeps the early entry, which is corrected when it comes to the top. Entries name keys by
    a number, so that a key whose deadline is removed is held by nothing here, whenever its entry comes to the top.
    """

    def __init__(self) -> None:
        self._deadlines: dict[Key, float] = {}
        self._queued: dict[Key, tuple[float, int]] = {}  # the one entry of the heap that counts for the key
        self._keys: dict[int, Key] = {}  # by the numbers of those entries
        self._heap: list[tuple[float, int]] = []
        self._numbers = itertools.count()

    def schedule(self, key: Key, deadline: float | None) -> None:
        """Set the key's deadline (absolute seconds); None removes it."""
        if deadline is None:
            if self._deadlines.pop(key, None) is not None:
                del self._keys[self._queued.pop(key)[1]]
            return
        self._deadlines[key] = deadline
        queued = self._queued.get(key)
        if queued is None or deadline < queued[0]:
            self._push(key, deadline)

    def poll_timeout(self) -> float | None:
        """Return when to call `pop_due` next (absolute seconds), perhaps too early, never too late; None: no deadline
        is set.
        """
        while self._heap:
            queued, number = self._heap[0]
            if number in self._keys:
                return queued
            heapq.heappop(self._heap)
        return None

    def pop_due(self, now: float) -> list[Key]:
        """Return the keys whose deadline has come, and forget those deadlines."""
        due: list[Key] = []
        while self._heap and self._heap[0][0] <= now:
            key = self._keys.pop(heapq.heappop(self._heap)[1], None)
            if key is None:
                continue  # its deadline was removed, or came forward
            del self._queued[key]
            if self._deadlines[key] <= now:
                del self._deadlines[key]
                due.append(key)
            else:
                self._push(key, self._deadlines[key])
        return due

    def __len__(self) -> int:
        return len(self._deadlines)

    def _push(self, key: Key, deadline: float) -> None:
        former = self._queued.get(key)
        if former is not None:
            del self._keys[former[1]]
        number = next(self._numbers)
        self._queued[key] = deadline, number
        self._keys[number] = key
        heapq.heappush(self._heap, (deadline, number))
