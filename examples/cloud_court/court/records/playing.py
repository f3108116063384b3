"""Records as they are heard again: each as far as it had come when somebody asked, and the newest few are kept open."""

from __future__ import annotations

import asyncio
import datetime
from dataclasses import dataclass

from court.errors import not_found
from court.hearings.entering import HOSTS, SIDES
from court.records.models import Recording
from sfu.node.player import Player
from sfu.recording import Record, read_record

HEAR = HOSTS | SIDES | {"lawyer", "legal_worker"}
"""Who may hear a hearing again; a witness must not be influenced by it, and nobody else is to spread it."""
MOST = 32
FRESH = datetime.timedelta(seconds=5)


@dataclass(frozen=True)
class Opened:
    """A record that is open for playing."""

    key: str
    recording: str
    record: Record
    player: Player
    at: datetime.datetime


class Players:
    """All that are open, the one that was asked for last at the end."""

    def __init__(self) -> None:
        self._opened: dict[str, Opened] = {}

    async def open(self, recording: Recording, key: str, now: datetime.datetime) -> Opened:
        """Open one under `key`, or one that is still good. Raises RecordError where its folder cannot be read."""
        for each in self._opened.values():
            if each.recording == recording.id and (each.record.closed or now < each.at + FRESH):
                return each
        record = await asyncio.to_thread(read_record, recording.folders[0])
        opened = self._opened[key] = Opened(key, recording.id, record, Player(record), now)
        while len(self._opened) > MOST:
            await self._opened.pop(next(iter(self._opened))).player.close()
        return opened

    def find(self, recording: str, key: str) -> Player:
        """One that is open."""
        opened = self._opened.pop(key, None)
        if opened is None:
            raise not_found()
        self._opened[key] = opened
        if opened.recording != recording:
            raise not_found()
        return opened.player

    async def close(self) -> None:
        """Close all."""
        while self._opened:
            await self._opened.popitem()[1].player.close()
