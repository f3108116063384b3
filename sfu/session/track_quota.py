"""How many Tracks a Peer may publish, over all its connections."""

from __future__ import annotations

from collections.abc import Sized

from sfu.errors import LimitError


class TrackQuota:
    """The limit on a Peer's Tracks, shared by its connections, each of which counts from `add` to `discard`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.replaced: frozenset[str] = frozenset()
        """Ids of the connections that another one replaces; their Tracks do not count."""
        self._published: dict[str, Sized] = {}

    def add(self, connection: str, tracks: Sized) -> None:
        """Count a new connection; `tracks` is the live collection of its Tracks."""
        self._published[connection] = tracks

    def discard(self, connection: str) -> None:
        """Count a connection no more, since it has ended."""
        self._published.pop(connection, None)

    def check(self, added: int) -> None:
        """Raise LimitError if the Peer may not publish `added` more Tracks."""
        have = sum(len(tracks) for id, tracks in self._published.items() if id not in self.replaced)
        if have + added > self._most:
            raise LimitError(
                "max_tracks_per_peer",
                f"{have} Tracks and {added} more; a Peer may publish {self._most}, end some first",
            )
