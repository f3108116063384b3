"""What the court wants of the media, as a protocol; `live_media` does it by sfu."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from court.errors import Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """Somebody's place in a room: what his token says."""

    identity: str
    name: str
    attributes: Mapping[str, str]
    publishes: frozenset[str]
    """Sources, as `camera`; none: he watches."""
    hidden: bool = False
    apart: frozenset[str] = frozenset()
    """Whom he must not meet: they hear each other, and that is all."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a client enters with."""

    url: str
    token: str
    room: str


@dataclass(frozen=True, slots=True)
class Happening:
    """What the media tell: `joined`, `left`, `recorder_lost`, `recorder_back`, `recording_ended`."""

    kind: str
    room: str
    identity: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class RecordState:
    """A recording as it is now."""

    id: str
    state: str
    """recording, paused, stopped or failed."""
    ground: str
    alarms: tuple[str, ...]
    written_bytes: int


@dataclass(frozen=True, slots=True)
class BegunRecord:
    """A record that is being made."""

    id: str
    folders: tuple[str, ...]
    """The main record's, then its mirrors'."""


@dataclass(frozen=True, slots=True)
class MadeRecord:
    """A record that was closed."""

    folder: str
    head: str
    """Hash of its last line: stands for every byte, and is the integrity value that parties sign; empty: not closed."""
    problem: str = ""
    """Why it could not be closed."""


class Media(Protocol):
    """Rooms, tokens, permissions, recordings. Nothing of it asks the database."""

    def issue(self, room: str, seat: Seat, url: str) -> Ticket:
        """A ticket for one person."""
        ...

    async def change(self, room: str, seat: Seat) -> None:
        """Somebody who is in the room may publish something else from now on."""
        ...

    async def remove(self, room: str, identity: str) -> None:
        """Put somebody out, if he is there."""
        ...

    async def keep_apart(self, room: str, one: str, other: str) -> None:
        """Two do not meet from now on, also where both are in the room."""
        ...

    async def close(self, room: str) -> None:
        """Put everybody out."""
        ...

    def set_private(self, room: str) -> None:
        """Nothing of this room can be recorded."""
        ...

    def start_recording(
        self, room: str, subject: str | None, metadata: Mapping[str, Any], follows: str | None = None
    ) -> BegunRecord:
        """Begin to record; `follows`: id of a record that broke off. Raises OSError or ValueError where it cannot."""
        ...

    def mark(self, room: str, name: str, subject: str, data: Mapping[str, Any]) -> None:
        """Note something in the record."""
        ...

    def phase(self, room: str, name: str, subject: str | None) -> None:
        """A phase begins."""
        ...

    def pause(self, room: str, ground: str, authoriser: str, subject: str | None) -> None:
        """Go off the record, for a lawful ground."""
        ...

    def resume(self, room: str, authoriser: str, subject: str) -> None:
        """Go on."""
        ...

    async def stop_recording(self, room: str, id: str, subject: str | None) -> tuple[MadeRecord, ...]:
        """End this recording, if that is not done, and tell what it made: the main record comes first, then mirrors."""
        ...

    async def recover(self, folders: Sequence[str], now: datetime.datetime) -> tuple[MadeRecord, ...]:
        """Close what a process that ended has left open, if it did; the main record comes first, then mirrors."""
        ...

    def recording(self, room: str) -> RecordState | None:
        """How the recording fares; None: there is none."""
        ...

    def position(self, room: str) -> float | None:
        """Seconds since the record began; None: nothing is recorded."""
        ...

    def watch(self, listener: Callable[[Happening], None]) -> None:
        """Tell a listener what happens."""
        ...

    async def end(self) -> None:
        """End what was begun for one court: its rooms and recordings."""
        ...


class NoMedia:
    """A court without a media server: pages work, rooms do not."""

    def issue(self, room: str, seat: Seat, url: str) -> Ticket:
        """There are no rooms."""
        raise Refusal("media.unavailable")

    async def change(self, room: str, seat: Seat) -> None:
        """There is nobody."""

    async def remove(self, room: str, identity: str) -> None:
        """There is nobody."""

    async def keep_apart(self, room: str, one: str, other: str) -> None:
        """There is nobody."""

    async def close(self, room: str) -> None:
        """There is nobody."""

    def set_private(self, room: str) -> None:
        """There are no rooms."""

    def start_recording(
        self, room: str, subject: str | None, metadata: Mapping[str, Any], follows: str | None = None
    ) -> BegunRecord:
        """There is nothing to record."""
        raise Refusal("media.unavailable")

    def mark(self, room: str, name: str, subject: str, data: Mapping[str, Any]) -> None:
        """Nothing is recorded."""

    def phase(self, room: str, name: str, subject: str | None) -> None:
        """Nothing is recorded."""

    def pause(self, room: str, ground: str, authoriser: str, subject: str | None) -> None:
        """Nothing is recorded."""

    def resume(self, room: str, authoriser: str, subject: str) -> None:
        """Nothing is recorded."""

    async def stop_recording(self, room: str, id: str, subject: str | None) -> tuple[MadeRecord, ...]:
        """Nothing is recorded."""
        return ()

    async def recover(self, folders: Sequence[str], now: datetime.datetime) -> tuple[MadeRecord, ...]:
        """Nothing was recorded."""
        return ()

    def recording(self, room: str) -> RecordState | None:
        """Nothing is recorded."""
        return None

    def position(self, room: str) -> float | None:
        """Nothing is recorded."""
        return None

    def watch(self, listener: Callable[[Happening], None]) -> None:
        """Nothing happens."""

    async def end(self) -> None:
        """There is nothing."""
