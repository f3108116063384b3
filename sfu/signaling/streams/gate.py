"""How many event streams may be open at once."""

from __future__ import annotations

import collections
from collections.abc import Hashable
from typing import Literal

from sfu.signaling.http.options import SignalingOptions
from sfu.signaling.http.problem import Problem
from sfu.signaling.http.quotas import Holder

Purpose = Literal["room", "session"]


class StreamGate:
    """Counts open streams against `max_streams`, each room's streams of one purpose against its own limit, and those of
    each token and each address.

    A room's viewers cannot take the places of those who watch its roster, nor the other way round.
    """

    def __init__(self, options: SignalingOptions) -> None:
        self._options = options
        self._groups: collections.Counter[tuple[Purpose, str]] = collections.Counter()
        self._holders: collections.Counter[tuple[str, Hashable]] = collections.Counter()
        self.refused: collections.Counter[str] = collections.Counter()
        """Streams that were not opened, by reason."""
        self._count = 0
        self._closed = False

    def __len__(self) -> int:
        return self._count

    def enter(self, purpose: Purpose, room: str, holder: Holder) -> None:
        """Take a place; raise a Problem if there is none, or the server is going down."""
        if self._closed:
            raise Problem(503, "Shutting down", "The server is shutting down.", headers={"Retry-After": "5"})
        if self._count >= self._options.max_streams:
            self.refused["server"] += 1
            raise _too_many("The server has as many event streams open as it may have.")
        if self._groups[purpose, room] >= self._options.max_streams_per_room:
            self.refused["room"] += 1
            raise _too_many("The room has as many event streams open as it may have.")
        most = {"token": self._options.max_streams_per_token, "address": self._options.max_streams_per_address}
        for part in holder.parts():
            if self._holders[part] >= most[part[0]]:
                self.refused[part[0]] += 1
                raise _too_many(f"This {part[0]} has as many event streams open as it may have.", 429)
        self._holders.update(holder.parts())
        self._groups[purpose, room] += 1
        self._count += 1

    def leave(self, purpose: Purpose, room: str, holder: Holder) -> None:
        """Give a place back."""
        for part in holder.parts():
            self._holders[part] -= 1
            if not self._holders[part]:
                del self._holders[part]
        self._count -= 1
        self._groups[purpose, room] -= 1
        if not self._groups[purpose, room]:
            del self._groups[purpose, room]

    def close(self) -> None:
        """Let nobody in any more."""
        self._closed = True


def _too_many(detail: str, status: int = 503) -> Problem:
    return Problem(status, "Too many event streams", detail, headers={"Retry-After": "10"})
