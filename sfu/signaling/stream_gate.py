"""How many event streams may be open at once."""

from __future__ import annotations

import collections
from typing import Literal

from sfu.signaling.options import SignalingOptions
from sfu.signaling.problem import Problem

Purpose = Literal["room", "session"]


class StreamGate:
    """Counts open streams against `max_streams`, and each room's streams of one purpose against its own limit.

    A room's viewers cannot take the places of those who watch its roster, nor the other way round.
    """

    def __init__(self, options: SignalingOptions) -> None:
        self._options = options
        self._groups: collections.Counter[tuple[Purpose, str]] = collections.Counter()
        self._count = 0
        self._closed = False

    def __len__(self) -> int:
        return self._count

    def enter(self, purpose: Purpose, room: str) -> None:
        """Take a place; a Problem when there is none, or the server is going down."""
        if self._closed:
            raise Problem(503, "Shutting down", "The server is shutting down.", headers={"Retry-After": "5"})
        if self._count >= self._options.max_streams:
            raise _too_many("The server has as many event streams open as it may have.")
        if self._groups[purpose, room] >= self._options.max_streams_per_room:
            raise _too_many("The room has as many event streams open as it may have.")
        self._groups[purpose, room] += 1
        self._count += 1

    def leave(self, purpose: Purpose, room: str) -> None:
        """Give a place back."""
        self._count -= 1
        self._groups[purpose, room] -= 1
        if not self._groups[purpose, room]:
            del self._groups[purpose, room]

    def close(self) -> None:
        """Let nobody in any more."""
        self._closed = True


def _too_many(detail: str) -> Problem:
    return Problem(503, "Too many event streams", detail, headers={"Retry-After": "10"})
