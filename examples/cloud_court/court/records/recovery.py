"""After the end of a process, by a crash or not: hearings go on, each with a record that follows the one that broke
off, and that one is closed.
"""

from __future__ import annotations

from sqlalchemy import select

from court.court import Court
from court.errors import Refusal
from court.hearings.entry_api import note_attendance
from court.hearings.models import Hearing, Person
from court.hearings.rules import SITTING
from court.records.alerts import raise_alert
from court.records.keeping import note_recording
from court.records.models import Recording

CAUSE = "restarted"


async def go_on(court: Court) -> list[str]:
    """Before anybody comes in: nobody is there, and where the court sits it is recorded. Returns what broke off, for
    `recover_records`.
    """
    async with court.work() as work:
        for person in await work.db.scalars(select(Person).where(Person.present)):
            person.present = False
            note_attendance(work, person.hearing_id, person.id, "leave", cause=CAUSE)
            work.audit("person", "leave", None, hearing=person.hearing_id, person=person.id, cause=CAUSE)
        unsealed = select(Recording).join(Hearing, Hearing.id == Recording.hearing_id).where(Hearing.state != "sealed")
        open_ones = list(await work.db.scalars(unsealed.where(Recording.head == "").order_by(Recording.started)))
        broken = {each.hearing_id: each.id for each in open_ones if each.ended is None}
        for each in open_ones:
            each.fault, each.ended = True, each.ended or work.now
        for hearing in list(await work.db.scalars(select(Hearing).where(Hearing.state.in_(SITTING)))):
            await raise_alert(work, hearing.id, "recording_lost", CAUSE)
            try:
                await note_recording(work, hearing, None, broken.get(hearing.id))
            except Refusal as refusal:  # the judge is told that nothing is recorded, and may try again
                work.audit("recording", "missing", None, hearing=hearing.id, reason=str(refusal))
    court.recovering.update(each.id for each in open_ones)
    return [each.id for each in open_ones]


async def recover_records(court: Court, ids: list[str]) -> None:
    """Close them, one after the other, while the court sits: that takes as long as reading them."""
    for id in ids:
        async with court.database.read() as db:
            folders = (await db.get_one(Recording, id)).folders
        made = await court.media.recover(folders, court.now())
        async with court.work() as work:
            recording = await work.db.get_one(Recording, id)
            recording.head = made[0].head if made else ""
            problems = [each.problem for each in made if each.problem]
            fields = {"recording": id, "head": recording.head, "problems": problems}
            work.audit("recording", "recover", None, hearing=recording.hearing_id, **fields)
            work.tell("recording", recording.hearing_id, "recovered", hearing=recording.hearing_id)
        court.recovering.discard(id)
