"""Who is there, as the media tell it: shown at once, written behind; a slow database holds nobody up."""

from __future__ import annotations

import asyncio
import logging

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from court.court import Court
from court.hearings.entry_api import note_attendance
from court.hearings.models import Hearing, Person
from court.media.bridge import Happening
from court.records.alerts import raise_alert, tell_staff
from court.records.keeping import find_running

MAX_QUEUED = 10_000
RETRY = 1.0
_log = logging.getLogger("court")


def follow_media(court: Court) -> None:
    """Write down what the media tell, one after the other."""
    queue: asyncio.Queue[Happening] = asyncio.Queue(MAX_QUEUED)

    def take(happening: Happening) -> None:
        if queue.full():
            _log.error("lost: %s of %s in %s", happening.kind, happening.identity, happening.room)
        else:
            queue.put_nowait(happening)

    court.media.watch(take)
    court.later(_write_behind(court, queue))


async def _write_behind(court: Court, queue: asyncio.Queue[Happening]) -> None:
    while True:
        happening = await queue.get()
        while True:
            try:
                await note_happening(court, happening)
                break
            except SQLAlchemyError:  # the database is away: the hearing goes on, and this waits for it
                _log.exception("not written yet: %s in %s", happening.kind, happening.room)
                await asyncio.sleep(RETRY)


async def note_happening(court: Court, happening: Happening) -> None:
    """Write one of them down."""
    async with court.work() as work:
        number = happening.room.removeprefix("h-")
        hearing = await work.db.scalar(select(Hearing).where(Hearing.number == number))
        if hearing is None:
            return
        match happening.kind:
            case "joined" | "left":
                person = await work.db.get(Person, happening.identity)
                if person is None or person.hearing_id != hearing.id:
                    return
                person.present = happening.kind == "joined"
                kind = "join" if person.present else "leave"
                note_attendance(work, hearing.id, person.id, kind, cause=happening.detail)
                work.audit("person", kind, None, hearing=hearing.id, person=person.id, cause=happening.detail)
                work.tell("people", hearing.id, kind, hearing=hearing.id)
                if happening.detail == "disconnected":
                    await raise_alert(work, hearing.id, "disconnected", person.name, person.id)
            case "recorder_lost" | "recording_ended":
                running = await find_running(work.db, hearing.id)
                if running is not None:
                    running.fault = True
                await raise_alert(work, hearing.id, "recording_lost", happening.detail)
                await tell_staff(work, "recording", hearing.id, "lost", hearing.id)
            case "recorder_back":
                work.audit("recording", "back", None, hearing=hearing.id, detail=happening.detail)
                await tell_staff(work, "recording", hearing.id, "back", hearing.id)
