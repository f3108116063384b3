"""Who speaks is looked for ten times a second in the rooms that have a microphone, and in no others."""

from __future__ import annotations

import asyncio
from typing import Protocol

from sfu.audio.speakers import INTERVAL
from sfu.clock import Clock


class Listened(Protocol):
    """A room."""

    def update_speakers(self, now: float) -> None:
        """Find who speaks now."""
        ...


class Listening:
    """Of one server. It holds the rooms that it is told to look at; without any it sleeps."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rooms: dict[Listened, None] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look at rooms by this event loop; before that nobody is looked at."""
        self._loop = loop

    def follow(self, room: Listened, heard: bool) -> None:
        """Look at a room from now on, or not any more."""
        if not heard:
            self._rooms.pop(room, None)
            return
        self._rooms[room] = None
        if self._timer is None:
            self._arm()

    def stop(self) -> None:
        """Look at nothing more."""
        self._rooms.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        if self._loop is not None:
            self._timer = self._loop.call_later(INTERVAL, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._rooms:
            self._arm()
            for room in list(self._rooms):
                room.update_speakers(self._clock())
