"""What a room's moderators have decided: who is kept out, for how long, and whose media are blocked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from sfu.errors import ExcludedError, RoomClosedError
from sfu.rooms.room_state import RoomState

_MOST = 4096
"""Most decisions of one kind; beyond that the oldest is forgotten."""


class Moderation:
    """The decisions of one Room's moderators. Times are seconds of the server's clock."""

    def __init__(self, room: str) -> None:
        self._room = room
        self._closed_until = float("-inf")
        self._excluded: dict[str, float] = {}
        self._excluded_names: dict[str, float] = {}
        self._blocked: dict[tuple[str, str], str | None] = {}

    def close(self, until: float) -> None:
        """Keep everyone out until the time `until`; one that has passed opens the room again."""
        self._closed_until = until

    def exclude(self, name: str, subjects: Iterable[str], until: float) -> None:
        """Keep these subjects out until the time `until`; if there are none, keep out who brings the name and no
        subject.
        """
        known = tuple(subjects)
        held = self._excluded if known else self._excluded_names
        for key in known or (name,):
            held.pop(key, None)
            held[key] = until
            if len(held) > _MOST:
                del held[next(iter(held))]

    def check(self, subject: str | None, now: float, name: str = "") -> None:
        """Raise RoomClosedError or ExcludedError if a client with that `subject` and `name` is kept out now."""
        if now < self._closed_until:
            raise RoomClosedError(f"room {self._room!r} is closed for {self._closed_until - now:.0f} s more")
        until = self._excluded_names.get(name, now) if subject is None else self._excluded.get(subject, now)
        if now < until:
            raise ExcludedError(f"you were removed from room {self._room!r}; try again in {until - now:.0f} s")

    def is_over(self, now: float) -> bool:
        """Whether nobody is kept out any more."""
        until = [self._closed_until, *self._excluded.values(), *self._excluded_names.values()]
        return max(until) <= now

    def export(self, now: float) -> tuple[float, dict[str, float], dict[str, float], list[tuple[str, str, str | None]]]:
        """Return the decisions, as `RoomState` has them from `closed_for` to `blocked`."""

        def left(held: Mapping[str, float]) -> dict[str, float]:
            return {key: until - now for key, until in held.items() if until > now}

        blocked = [(name, kind, by) for (name, kind), by in self._blocked.items()]
        return max(self._closed_until - now, 0.0), left(self._excluded), left(self._excluded_names), blocked

    def restore(self, state: RoomState, now: float) -> None:
        """Take over what another server has decided."""
        self._closed_until = now + state.closed_for
        self._excluded = {key: now + left for key, left in state.excluded.items()}
        self._excluded_names = {key: now + left for key, left in state.excluded_names.items()}
        self._blocked = {(name, kind): by for name, kind, by in state.blocked}

    @property
    def blocked(self) -> Mapping[tuple[str, str], str | None]:
        """The blocks in force: (Peer name, kind) to the subject of the moderator who ordered it first."""
        return MappingProxyType(self._blocked)

    def block(self, name: str, kind: str, subject: str | None) -> bool:
        """Block what the Peer publishes of a kind, now or later; return whether it was not blocked before."""
        if (name, kind) in self._blocked:
            return False
        self._blocked[name, kind] = subject
        if len(self._blocked) > _MOST:
            del self._blocked[next(iter(self._blocked))]
        return True

    def unblock(self, name: str, kind: str) -> bool:
        """Lift a block; return whether there was one."""
        known = (name, kind) in self._blocked
        self._blocked.pop((name, kind), None)
        return known

    def is_blocked(self, name: str, kind: str) -> bool:
        """Whether what the Peer publishes of a kind is blocked."""
        return (name, kind) in self._blocked
