"""What a room's moderators have decided: who is kept out, for how long, and whose media nobody gets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from sfu.errors import ExcludedError, RoomClosedError

_MOST = 4096
"""Decisions of one kind; beyond them the oldest is forgotten."""


class Moderation:
    """Kept by a Room. Times are those of the server's clock."""

    def __init__(self, room: str) -> None:
        self._room = room
        self._closed_until = float("-inf")
        self._excluded: dict[str, float] = {}
        self._excluded_names: dict[str, float] = {}
        self._blocked: dict[tuple[str, str], str | None] = {}

    def close(self, until: float) -> None:
        """Keep everyone out until then; a time that has passed opens the room again."""
        self._closed_until = until

    def exclude(self, name: str, subjects: Iterable[str], until: float) -> None:
        """Keep these subjects out until then; where there is none, whoever comes with the name."""
        known = tuple(subjects)
        held = self._excluded if known else self._excluded_names
        for key in known or (name,):
            held.pop(key, None)
            held[key] = until
            if len(held) > _MOST:
                del held[next(iter(held))]

    def check(self, subject: str | None, now: float, name: str = "") -> None:
        """Raise RoomClosedError or ExcludedError if who comes as `subject`, by that `name`, may not be here now."""
        if now < self._closed_until:
            raise RoomClosedError(f"room {self._room!r} is closed for {self._closed_until - now:.0f} s more")
        until = self._excluded_names.get(name, now) if subject is None else self._excluded.get(subject, now)
        if now < until:
            raise ExcludedError(f"you were removed from room {self._room!r}; try again in {until - now:.0f} s")

    def is_over(self, now: float) -> bool:
        """Whether nobody is kept out any more."""
        until = [self._closed_until, *self._excluded.values(), *self._excluded_names.values()]
        return max(until) <= now

    @property
    def blocked(self) -> Mapping[tuple[str, str], str | None]:
        """By name and kind what nobody shall have, and the subject of who ordered that first."""
        return MappingProxyType(self._blocked)

    def block(self, name: str, kind: str, subject: str | None) -> bool:
        """Let nobody have what the peer publishes of a kind, now or later; return whether that is news."""
        if (name, kind) in self._blocked:
            return False
        self._blocked[name, kind] = subject
        if len(self._blocked) > _MOST:
            del self._blocked[next(iter(self._blocked))]
        return True

    def unblock(self, name: str, kind: str) -> bool:
        """Let everybody have it again; return whether that is news."""
        known = (name, kind) in self._blocked
        self._blocked.pop((name, kind), None)
        return known

    def is_blocked(self, name: str, kind: str) -> bool:
        """Whether nobody shall have what the peer publishes of a kind."""
        return (name, kind) in self._blocked
