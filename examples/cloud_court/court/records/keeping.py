"""Recordings of a hearing: begun at its opening, ended at its close, watched in between."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from court.court import Work
from court.errors import Refusal
from court.hearings.models import Hearing
from court.hearings.rules import GROUNDS
from court.records.models import Recording


async def note_recording(work: Work, hearing: Hearing, account: str | None, follows: str | None = None) -> None:
    """Begin to record, in the phase and off the record as the hearing is, or refuse: it is not opened without.

    `follows`: the recording that broke off.
    """
    facts = {"hearing": hearing.number, "title": hearing.title, "court": work.court.config.name}
    media, room = work.court.media, hearing.room
    try:
        begun = media.start_recording(room, account, facts, follows)
    except (OSError, ValueError) as error:
        raise Refusal("recording.missing", reason=str(error)) from error
    work.take_back(lambda: media.stop_recording(room, begun.id, account))
    if hearing.phase:
        media.phase(room, hearing.phase, account)
    if hearing.state in GROUNDS:
        media.pause(room, GROUNDS[hearing.state], "presiding judge", account)
    work.db.add(
        Recording(
            id=begun.id,
            hearing_id=hearing.id,
            started=work.now,
            ended=None,
            head="",
            folders=list(begun.folders),
            fault=False,
            explanation="",
            explained_by=None,
            explanation_signature={},
        )
    )
    work.audit("recording", "start", account, hearing=hearing.id, recording=begun.id, follows=follows)
    work.tell("recording", hearing.id, "started", hearing=hearing.id)


async def find_running(db: AsyncSession, hearing_id: str) -> Recording | None:
    """The recording that runs, if one does."""
    query = select(Recording).where(Recording.hearing_id == hearing_id, Recording.ended.is_(None))
    found: Recording | None = await db.scalar(query.order_by(Recording.started.desc()).limit(1))
    return found


async def close_records(work: Work, hearing: Hearing, account: str, *, fault: bool = False) -> str | None:
    """End the recording and keep its integrity value; one that did not come to its end has a fault to be explained.

    Returns its id; None where none ran.
    """
    running = await find_running(work.db, hearing.id)
    if running is None:
        return None
    made = await work.court.media.stop_recording(hearing.room, running.id, account)
    running.ended = work.now
    running.head = made[0].head if made else ""
    running.fault = running.fault or fault or not made
    work.audit(
        "recording", "stop", account, hearing=hearing.id, recording=running.id, head=running.head, fault=running.fault
    )
    work.tell("recording", hearing.id, "stopped", hearing=hearing.id)
    return running.id
