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

    def __init__(self) -> None:
        self.handler: Callable[[Told_contra], None] | None = None
        """Is called with each event; an error that it raises goes to the caller of the outermost call. None: nobody is
        there whom an event could be about, and one is forgotten.
        """
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
        if self.handler is None:
            self._waiting.clear()
        else:
            self._hand_out(self.handler)  # which also gets what waits behind the event by which it is taken away

    def _hand_out(self, handle: Callable[[Told_contra], None]) -> None:
        while self._waiting:
            behind, self._waiting = self._waiting, collections.deque()
            event = behind.popleft()
            try:
                handle(event)
            except BaseException:
                self._waiting.extend(behind)
                self._hand_out(handle)  # a defect in handling one must not keep the others back
                raise
            self._waiting.extend(behind)
