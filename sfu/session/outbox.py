"""The queue of events from a room's connections."""

from __future__ import annotations

import collections
from collections.abc import Callable
from types import TracebackType
from typing import Generic, TypeVar

Told_contra = TypeVar("Told_contra", contravariant=True)


class Outbox(Generic[Told_contra]):
    """A queue that all connections of a room share, so that events which one causes in another stay in order.

    A call into a connection runs within `with outbox:`. The events that it posts are handled in order when the
    outermost such call is over, also if it raised. So the handler never meets a connection in the middle of a call, and
    may call into any of them. Events that it causes in this way are handled next, before those that wait. An event that
    is posted outside of a call is handled at once.
    """

    def __init__(self, handle: Callable[[Told_contra], None]) -> None:
        """`handle` is called with each event; an error that it raises goes to the caller of the outermost call."""
        self._handle = handle
        self._waiting: collections.deque[Told_contra] = collections.deque()
        self._depth = 0

    def post(self, event: Told_contra) -> None:
        """Add an event."""
        self._waiting.append(event)
        if self._depth == 0:
            with self:
                pass

    def __enter__(self) -> None:
        self._depth += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._depth == 1:
                self._deliver()
        finally:
            self._depth -= 1

    def _deliver(self) -> None:
        while self._waiting:
            behind, self._waiting = self._waiting, collections.deque()
            event = behind.popleft()
            try:
                self._handle(event)
            except BaseException:
                self._waiting.extend(behind)
                self._deliver()  # a defect in handling one must not keep the others back
                raise
            self._waiting.extend(behind)
