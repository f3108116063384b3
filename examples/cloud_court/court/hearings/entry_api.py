"""Coming in: identity checked again at each hearing, the declaration, the self-test, the token."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from court.accounts.attempts import spend_attempt
from court.accounts.login import Me, TheCourt
from court.court import Court, Work
from court.errors import Refusal
from court.hearings.acts import gather
from court.hearings.api import tell_hearing
from court.hearings.entering import decide_entry, tell_waiting
from court.hearings.models import Attendance, IdentityCheck
from court.hearings.people import list_screened
from court.hearings.schemas import HearingFull, IdentityAsked, JoinOut, SelfTest
from court.hearings.standing import build_seat, find_standing
from court.records.alerts import raise_alert

router = APIRouter(prefix="/api/hearings/{hearing_id}", tags=["entry"])

PASSING_SCORE = 60


def note_attendance(work: Work, hearing: str, person: str, kind: str, **detail: Any) -> None:
    """Write down that somebody came, went, was checked or warned; the judge rules on it, no software does."""
    work.db.add(
        Attendance(
            id=work.court.new_id(),
            hearing_id=hearing,
            person_id=person,
            at=work.now,
            kind=kind,
            detail=detail,
        )
    )


@router.post("/identity")
async def check_identity(court: TheCourt, me: Me, hearing_id: str, asked: IdentityAsked) -> HearingFull:
    """Confirm who one is, for this hearing and this session."""
    await spend_attempt(court, f"identity:{hearing_id}:{me.id}")
    async with court.database.read() as db:
        person = (await find_standing(db, me, hearing_id)).require_person()
    same = (asked.name, asked.identity_number) == (person.name, person.identity_number)
    good = same and await court.adapters.identity.check(asked.name, asked.identity_number, asked.picture_sha256)
    async with court.work() as work:
        note_attendance(work, hearing_id, person.id, "check", passed=good, picture=asked.picture_sha256)
        work.audit("person", "identity_check", me.id, hearing=hearing_id, person=person.id, passed=good)
        if good and await work.db.get(IdentityCheck, (hearing_id, me.session.id)) is None:
            work.db.add(IdentityCheck(hearing_id=hearing_id, session_id=me.session.id, account_id=me.id, at=work.now))
    if not good:
        raise Refusal("identity.failed")
    return await _tell(court, me, hearing_id)


@router.post("/declaration")
async def declare(court: TheCourt, me: Me, hearing_id: str) -> HearingFull:
    """Confirm the court's discipline, and that one will not record the hearing."""
    async with court.work() as work:
        person = (await find_standing(work.db, me, hearing_id)).require_person()
        if person.declared is None:
            person.declared = work.now
            work.audit("person", "declare", me.id, hearing=hearing_id, person=person.id)
            work.tell("people", hearing_id, "declared", hearing=hearing_id)
    return await _tell(court, me, hearing_id)


@router.post("/self-test")
async def note_self_test(court: TheCourt, me: Me, hearing_id: str, asked: SelfTest) -> HearingFull:
    """Tell the court how a self-test went; the officer sees its score."""
    async with court.work() as work:
        person = (await find_standing(work.db, me, hearing_id)).require_person()
        person.self_test = asked.camera + asked.microphone + asked.speaker + asked.network
        note_attendance(work, hearing_id, person.id, "self_test", **asked.model_dump())
        if person.self_test < PASSING_SCORE:
            await raise_alert(work, hearing_id, "self_test_failed", str(person.self_test), person.id)
        work.tell("people", hearing_id, "self_test", hearing=hearing_id)
    return await _tell(court, me, hearing_id)


async def _tell(court: Court, me: Me, hearing_id: str) -> HearingFull:
    async with court.database.read() as db:
        return await tell_hearing(court, db, await find_standing(db, me, hearing_id))


@router.post("/join")
async def join(court: TheCourt, me: Me, hearing_id: str) -> JoinOut:
    """Ask to come in: a token, or what the waiting room says. It may be asked as often as one likes."""
    async with court.work() as work:
        standing = await find_standing(work.db, me, hearing_id)
        hearing, person = standing.hearing, standing.require_person()
        decision = decide_entry(hearing, person, work.now, court.config.about_to_begin)
        if decision.what == "refuse":
            raise Refusal(decision.why)
        if not standing.checked:
            raise Refusal("identity.unchecked")
        if person.declared is None and not me.account.is_staff:
            raise Refusal("hearing.declaration")
        await gather(work, hearing_id)
        if not person.present:
            work.tell("people", hearing_id, "waits", hearing=hearing_id)
        waiting = tell_waiting(hearing, work.now, court.config.about_to_begin)
        if decision.what == "wait":
            return JoinOut(entry="wait", waiting=decision.why, identity=person.id)
        url = court.config.media_url or f"{court.config.base_url.replace('http', 'ws', 1)}/media"
        apart = await list_screened(work.db, hearing_id, person.id)
        ticket = court.media.issue(hearing.room, build_seat(hearing, person, apart), url)
        work.audit("person", "token", me.id, hearing=hearing_id, person=person.id)
        return JoinOut(
            entry="enter",
            waiting=waiting,
            url=ticket.url,
            token=ticket.token,
            room=ticket.room,
            identity=person.id,
            countdown_until=hearing.countdown_until,
        )
