"""Acts of the court: the one place where a hearing's state changes. Row and audit in one, then live, then media."""

from __future__ import annotations

import datetime
from collections.abc import Awaitable, Callable

from sqlalchemy import select

from court.court import Work
from court.errors import Refusal
from court.hearings.codes import GOOD, end_code, issue_code
from court.hearings.consultations import end_consultations
from court.hearings.entering import NOT_IN_CAMERA, sees_proceedings
from court.hearings.models import Hearing, Person
from court.hearings.rules import GROUNDS, find_move
from court.hearings.schemas import ActAsked
from court.hearings.standing import Standing, list_persons
from court.records.keeping import close_records, note_recording

Effect = Callable[[Work, Standing, ActAsked, str], Awaitable[None]]


async def perform(work: Work, standing: Standing, asked: ActAsked) -> None:
    """Do one act, or refuse it."""
    hearing = standing.hearing
    before = hearing.state
    move = find_move(asked.act, before, standing.role)
    hearing.state = move.to or before
    hearing.version += 1
    await EFFECTS.get(asked.act, _nothing)(work, standing, asked, before)
    fields = {key: value for key, value in (("phase", asked.phase), ("reason", asked.reason)) if value}
    work.audit("hearing", asked.act, standing.account, hearing=hearing.id, state=hearing.state, before=before, **fields)
    work.tell("hearing", hearing.id, asked.act, hearing=hearing.id, version=hearing.version)


async def _nothing(work: Work, standing: Standing, asked: ActAsked, before: str) -> None:
    """The state is all that changes."""


async def _reschedule(work: Work, standing: Standing, asked: ActAsked, before: str) -> None:
    if asked.start is None:
        raise Refusal("request.invalid")
    hearing = standing.hearing
    if before == "suspended":  # to another day, which has a record of its own
        await close_records(work, hearing, standing.account)
        work.order(lambda: work.court.media.close(hearing.room))
    hearing.start = asked.start
    hearing.schedule += 1
    for person in await list_persons(work.db, hearing.id):
        if person.code_state in GOOD:
            await issue_code(work, hearing, person)


async def _open(work: Work, standing: Standing, asked: ActAsked, before: str) -> None:
    """The judge opens: that starts the recording, and it does not begin without one."""
    hearing, court = standing.hearing, work.court
    hearing.opened = work.now
    _count_down(work, hearing)
    await end_consultations(work, hearing)
    await note_recording(work, hearing, standing.account)
    court.media.mark(hearing.room, "discipline", standing.account, {"text": list(court.config.discipline)})


async def _phase(work: Work, standing: Standing, asked: ActAsked, before: str) -> None:
    if not asked.phase:
        raise Refusal("request.invalid")
    hearing = standing.hearing
    hearing.phase = asked.phase
    media, account = work.court.media, standing.account
    work.order(_soon(lambda: media.phase(hearing.room, asked.phase, account)))


async def _break(work: Work, standing: Standing, asked: ActAsked, before: str) -> None:
    """A lawful break: not a byte is kept until it is over."""
    hearing, media, account = standing.hearing, work.court.media, standing.account
    hearing.countdown_until = None
    ground = GROUNDS[hearing.state]
    work.order(_soon(lambda: media.pause(hearing.room, ground, "presiding judge", account)))
    if hearing.state in ("in_camera", "mediation"):
        for person in await list_persons(work.db, hearing.id):
            if person.role in NOT_IN_CAMERA:
                person.called = False
                _put_out(work, hearing, person)


def _put_out(work: Work, hearing: Hearing, person: Person) -> None:
    court, id = work.court, person.id
    work.order(lambda: court.media.remove(hearing.room, id))
    if person.account_id is not None:
        account, sees = person.account_id, sees_proceedings(person)
        work.order(_soon(lambda: court.hub.admit(account, hearing.id, sees)))


async def _suspend(work: Work, standing: Standing, asked: ActAsked, before: str) -> None:
    """No lawful break: what was being recorded still is, and a break that ran ends."""
    standing.hearing.countdown_until = None
    if before in GROUNDS:
        _go_on(work, standing)


async def _resume(work: Work, standing: Standing, asked: ActAsked, before: str) -> None:
    _count_down(work, standing.hearing)
    await end_consultations(work, standing.hearing)
    if before in GROUNDS:
        _go_on(work, standing)


def _go_on(work: Work, standing: Standing) -> None:
    room, media, account = standing.hearing.room, work.court.media, standing.account
    work.order(_soon(lambda: media.resume(room, "presiding judge", account)))


async def _restart_recording(work: Work, standing: Standing, asked: ActAsked, before: str) -> None:
    broken = await close_records(work, standing.hearing, standing.account, fault=True)
    await note_recording(work, standing.hearing, standing.account, broken)


async def _close(work: Work, standing: Standing, asked: ActAsked, before: str) -> None:
    hearing, court = standing.hearing, work.court
    hearing.closed = work.now
    hearing.countdown_until = None
    for person in await list_persons(work.db, hearing.id):
        end_code(person, "expired")
    await end_consultations(work, hearing)
    await close_records(work, hearing, standing.account)
    work.order(lambda: court.media.close(hearing.room))


async def _request_signatures(work: Work, standing: Standing, asked: ActAsked, before: str) -> None:
    from court.transcripts.signing import request_signatures

    await request_signatures(work, standing)


async def _seal(work: Work, standing: Standing, asked: ActAsked, before: str) -> None:
    from court.records.sealing import seal_hearing

    await seal_hearing(work, standing)


EFFECTS: dict[str, Effect] = {
    "reschedule": _reschedule,
    "open": _open,
    "phase": _phase,
    "recess": _break,
    "in_camera": _break,
    "mediation": _break,
    "suspend": _suspend,
    "resume": _resume,
    "restart_recording": _restart_recording,
    "close": _close,
    "request_signatures": _request_signatures,
    "seal": _seal,
}
"""What an act does beside changing the state."""


def _count_down(work: Work, hearing: Hearing) -> None:
    hearing.countdown_until = work.now + datetime.timedelta(seconds=work.court.config.countdown)


def _soon(call: Callable[[], None]) -> Callable[[], Awaitable[None]]:
    async def order() -> None:
        call()

    return order


async def gather(work: Work, hearing_id: str) -> None:
    """The first person has come: the waiting room is open."""
    hearing = await work.db.scalar(select(Hearing).where(Hearing.id == hearing_id))
    if hearing is not None and hearing.state == "scheduled":
        hearing.state = "waiting"
        hearing.version += 1
        work.audit("hearing", "gather", None, hearing=hearing.id, state="waiting", before="scheduled")
        work.tell("hearing", hearing.id, "gather", hearing=hearing.id, version=hearing.version)
