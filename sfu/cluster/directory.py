"""The one interface to where nodes find each other and their rooms; media and the state of rooms never go by it."""

from __future__ import annotations

import time
from collections import Counter
from typing import Protocol, TypeVar

from sfu.cluster.memory_store import Hint, MemoryStore
from sfu.cluster.requests import Request
from sfu.cluster.timing import ALONE, Timing
from sfu.errors import SfuError

Reply = TypeVar("Reply")


class DirectoryUnavailableError(SfuError):
    """The directory gave no answer that can be used, and whether it did what was asked is not known.

    `reason` is a constant for counting; the message says what to do.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Directory(Protocol):
    """What all nodes of a cluster share."""

    @property
    def failures(self) -> Counter[str]:
        """How often which `reason` of `DirectoryUnavailableError` has come up."""

    async def ask(self, request: Request[Reply]) -> Reply:
        """Have it done in one step.

        Raises:
            DirectoryUnavailableError: there is no usable answer.
        """

    def listen(self, hint: Hint) -> None:
        """Have somebody told `nodes` when some have changed, `doubt` when that may have been missed.

        Nothing depends on its being told.
        """

    async def close(self) -> None:
        """Let go of its connections."""


class MemoryDirectory:
    """The directory of a node alone: in its own memory, gone with it."""

    def __init__(self, store: MemoryStore | None = None, *, timing: Timing = ALONE) -> None:
        self._store = store or MemoryStore(time.time, timing.lease_ms)
        self.failures: Counter[str] = Counter()

    async def ask(self, request: Request[Reply]) -> Reply:
        """Have it done in one step."""
        return request.read(self._store.ask(request.script, request.arguments()))

    def listen(self, hint: Hint) -> None:
        """Have somebody told when something has changed."""
        self._store.listen(hint)

    async def close(self) -> None:
        """Nothing is open."""
