"""How many Tracks a Peer may publish, over all its connections."""

from __future__ import annotations

from collections.abc import Sized

from sfu.errors import LimitError


class TrackQuota:
    """Shared by a Peer's connections, each of which counts from `add` to `discard`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.replaced: frozenset[str] = frozenset()
        """Ids of connections whose place another one takes; their Tracks count no more."""
        self._published: dict[str, Sized] = {}

    def add(self, connection: str, tracks: Sized) -> None:
        """A connection is there; `tracks` are its Tracks, also those to come."""
        self._published[connection] = tracks

    def discard(self, connection: str) -> None:
        """A connection has ended."""
        self._published.pop(connection, None)

    def check(self, added: int) -> None:
        """Raise LimitError if the Peer may not publish `added` more Tracks."""
        have = sum(len(tracks) for id, tracks in self._published.items() if id not in self.replaced)
        if have + added > self._most:
            raise LimitError(
                "max_tracks_per_peer",
                f"{have} Tracks and {added} more; a Peer may publish {self._most}, end some first",
            )
