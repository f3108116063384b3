"""Who holds which name in a room: nobody else can have the name that a client's credentials give it."""

from __future__ import annotations

from collections.abc import Container, Mapping
from types import MappingProxyType

from sfu.errors import NameHeldError
from sfu.rooms.lookalikes import appearances


class NameHolders:
    """The names that are held in a room, with the subject that holds each, also after it has left."""

    def __init__(self, most: int) -> None:
        """Hold about `most` names; beyond that, the absent subject's name that was used least lately becomes free."""
        self._most = most
        self._subjects: dict[str, str] = {}
        self._by_appearance: dict[str, str] = {}

    @property
    def subjects(self) -> Mapping[str, str]:
        """Who holds each name, those used least lately first."""
        return MappingProxyType(self._subjects)

    def check(self, name: str, subject: str | None) -> None:
        """Raise NameHeldError if `name`, or one that looks like it, is held by a subject other than `subject`."""
        for appearance in appearances(name):
            held = self._by_appearance.get(appearance)
            if held is None or self._subjects[held] == subject:
                continue
            if held == name:
                raise NameHeldError(f"The name {name!r} belongs to someone else here; choose another one.")
            raise NameHeldError(f"The name {name!r} looks like {held!r}, which is someone else's; choose another one.")

    def hold(self, name: str, subject: str, present: Container[str]) -> None:
        """Let `subject` hold `name`, which `check` has passed. A name in `present` never becomes free for it."""
        self._subjects.pop(name, None)
        self._subjects[name] = subject
        for appearance in appearances(name):
            self._by_appearance[appearance] = name
        if len(self._subjects) > self._most:
            longest = next((held for held in self._subjects if held not in present and held != name), None)
            if longest is not None:
                self._forget(longest)

    def _forget(self, name: str) -> None:
        del self._subjects[name]
        for appearance in appearances(name):
            if self._by_appearance.get(appearance) == name:
                del self._by_appearance[appearance]
