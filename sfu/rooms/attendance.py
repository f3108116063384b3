"""Which rooms are in use, how many Peers are in and for how long, by tenant; and who has just left."""

from __future__ import annotations

import collections
from dataclasses import dataclass

from sfu.clock import Clock

RETURN_S = 60.0
"""Whoever comes again so soon after leaving is returning."""
_MOST_LEFT = 4096


@dataclass(slots=True)
class _Opened:
    tenant: str
    holds: int = 0


class Attendance:
    """Those of one server. A tenant is whose key has signed a client's token; empty: not known."""

    def __init__(self, clock: Clock) -> None:
        """`clock`: the server's."""
        self._clock = clock
        self._opened: dict[str, _Opened] = {}
        self._rooms: collections.Counter[str] = collections.Counter()
        self._peers: collections.Counter[str] = collections.Counter()
        self._seconds: dict[str, tuple[float, float]] = {}  # those of all Peers of a tenant, and until when
        self._left: dict[tuple[str, str], float] = {}  # until when each is returning, the oldest first

    def find_opener(self, room: str) -> str | None:
        """The tenant who opened a room and has it until nobody uses it any more; None: it is not open."""
        opened = self._opened.get(room)
        return None if opened is None else opened.tenant

    def count_rooms(self, tenant: str) -> int:
        """How many rooms that the tenant opened are in use."""
        return self._rooms[tenant]

    def count_peers(self, tenant: str) -> int:
        """How many Peers are in by the tenant's key, in whatever rooms."""
        return self._peers[tenant]

    def count_seconds(self, tenant: str) -> float:
        """The time that all Peers of the tenant together have spent in rooms so far."""
        now = self._clock()
        seconds, since = self._seconds.get(tenant, (0.0, now))
        return seconds + self._peers[tenant] * (now - since)

    def is_returning(self, room: str, peer: str) -> bool:
        """Whether a Peer of that name would come back to where it was a moment ago."""
        now = self._clock()
        return self._left.get((room, peer), now) > now

    def expect(self, room: str, peer: str) -> None:
        """Take who comes to the room under that name, within a minute, for a Peer that returns."""
        now = self._clock()
        self._left.pop((room, peer), None)
        self._left[room, peer] = now + RETURN_S
        oldest = next(iter(self._left))
        if len(self._left) > _MOST_LEFT or self._left[oldest] <= now:
            del self._left[oldest]

    def hold_room(self, room: str, tenant: str) -> None:
        """Count a room as in use, until it is released as often as it was held."""
        opened = self._opened.setdefault(room, _Opened(tenant))
        if not opened.holds:
            self._rooms[opened.tenant] += 1
        opened.holds += 1

    def release_room(self, room: str) -> None:
        """Undo one `hold_room`."""
        opened = self._opened[room]
        opened.holds -= 1
        if not opened.holds:
            del self._opened[room]
            _count_down(self._rooms, opened.tenant)

    def enter(self, room: str, peer: str, tenant: str) -> None:
        """Count a Peer that has joined; it holds its room."""
        self.hold_room(room, tenant)
        self._seconds[tenant] = self.count_seconds(tenant), self._clock()
        self._peers[tenant] += 1
        self._left.pop((room, peer), None)

    def leave(self, room: str, peer: str, tenant: str) -> None:
        """Count a Peer no more, since it has left."""
        self.release_room(room)
        self._seconds[tenant] = self.count_seconds(tenant), self._clock()
        _count_down(self._peers, tenant)
        self.expect(room, peer)


def _count_down(counter: collections.Counter[str], tenant: str) -> None:
    counter[tenant] -= 1
    if not counter[tenant]:
        del counter[tenant]
