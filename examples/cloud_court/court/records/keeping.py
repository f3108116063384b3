"""Recordings of a hearing: begun at its opening, ended at its close, watched in between."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from court.court import Work
from court.errors import Refusal
from court.hearings.models import Hearing
from court.records.models import Recording


async def note_recording(work: Work, hearing: Hearing, account: str) -> None:
    """Begin to record, or refuse: a hearing is not opened without."""
    facts = {"hearing": hearing.number, "title": hearing.title, "court": work.court.config.name}
    try:
        begun = work.court.media.start_recording(hearing.room, account, facts)
    except (OSError, ValueError) as error:
        raise Refusal("recording.missing", reason=str(error)) from error
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
    work.audit("recording", "start", account, hearing=hearing.id, recording=begun.id)
    work.tell("recording", hearing.id, "started", hearing=hearing.id)


async def find_running(db: AsyncSession, hearing_id: str) -> Recording | None:
    """The recording that runs, if one does."""
    query = select(Recording).where(Recording.hearing_id == hearing_id, Recording.ended.is_(None))
    found: Recording | None = await db.scalar(query.order_by(Recording.started.desc()).limit(1))
    return found


async def close_records(work: Work, hearing: Hearing, account: str, *, fault: bool = False) -> None:
    """End the recording and keep its integrity value; one that did not come to its end has a fault to be explained."""
    running = await find_running(work.db, hearing.id)
    if running is None:
        return
    made = await work.court.media.stop_recording(hearing.room, account)
    running.ended = work.now
    running.head = made[0].head if made else ""
    running.fault = running.fault or fault or not made
    work.audit(
        "recording", "stop", account, hearing=hearing.id, recording=running.id, head=running.head, fault=running.fault
    )
    work.tell("recording", hearing.id, "stopped", hearing=hearing.id)
