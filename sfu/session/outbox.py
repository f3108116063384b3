"""What has happened in a room's connections, on its way out."""

from __future__ import annotations

import collections
from collections.abc import Callable
from types import TracebackType
from typing import Generic, TypeVar

Told_contra = TypeVar("Told_contra", contravariant=True)


class Outbox(Generic[Told_contra]):
    """A queue that all connections of a room share, so that what one causes in another stays in order.

    A call into a connection runs within `with outbox:`. What it posts is handled in order when the outermost such call
    is over, also if it raised: so the handler never meets a connection in the middle of something, and may call into
    any. What it causes thereby is handled next, before what waits. What is posted outside of a call is handled at once.
    """

    def __init__(self, handle: Callable[[Told_contra], None]) -> None:
        """`handle` takes all that is posted; an error of its goes to who made the outermost call."""
        self._handle = handle
        self._waiting: collections.deque[Told_contra] = collections.deque()
        self._depth = 0

    def post(self, event: Told_contra) -> None:
        """Add what has happened."""
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
