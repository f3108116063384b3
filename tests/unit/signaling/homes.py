"""Homes that a test decides on."""

from __future__ import annotations

from collections.abc import Sequence

from sfu.signaling.http.homes import Home, UnknownHomeError

AWAY = Home("https://b.sfu.test", "eu")


class FakeHomes:
    """All rooms are here, but those in `rooms`; those in `unknown` nobody can tell of."""

    def __init__(self) -> None:
        self.rooms: dict[str, Home] = {}
        self.unknown: set[str] = set()
        self.entered: list[str] = []
        self.us: Home | None = Home("https://a.sfu.test")
        self.others: Sequence[Home] = (AWAY,)

    async def enter(self, room: str) -> Home | None:
        self.entered.append(room)
        if room in self.unknown:
            raise UnknownHomeError("the directory does not answer")
        return self.rooms.get(room)

    async def find(self, room: str) -> Home | None:
        return self.rooms.get(room)
