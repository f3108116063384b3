"""The persons of a hearing and the host's hand: consents, invitations, admit, call, mute, spotlight, dismiss, warn."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import StringConstraints
from sqlalchemy import select

from court.accounts.login import Me, TheCourt
from court.accounts.schemas import Asked
from court.cases.models import Party
from court.court import Court, Work
from court.errors import Refusal, not_found
from court.hearings.codes import end_code, issue_code
from court.hearings.consultations import end_consultations
from court.hearings.entering import NOT_IN_CAMERA
from court.hearings.entry_api import note_attendance
from court.hearings.models import Attendance, Consent, Person, Screened
from court.hearings.people import add_person, list_screened
from court.hearings.rules import BEFORE, OVER
from court.hearings.schemas import (
    AttendanceOut,
    ConsentLogged,
    ConsentOut,
    Id,
    Invited,
    PersonOut,
    StaffPersonOut,
)
from court.hearings.standing import Standing, build_seat, find_standing, list_persons, refresh_seat

router = APIRouter(prefix="/api/hearings/{hearing_id}", tags=["people"])


class PersonAct(Asked):
    """What a host does with somebody."""

    act: Literal["admit", "call", "release", "mute", "unmute", "spotlight", "unspotlight", "dismiss", "readmit", "warn"]
    reason: Annotated[str, StringConstraints(max_length=500)] = ""


class ScreenAsked(Asked):
    """A protected person, and one whom she must not meet."""

    protected_id: Id
    from_id: Id


@router.get("/people")
async def list_people(court: TheCourt, me: Me, hearing_id: str) -> list[StaffPersonOut | PersonOut]:
    """Who takes part; one does not see whom one must not meet."""
    async with court.database.read() as db:
        standing = await find_standing(db, me, hearing_id)
        persons = await list_persons(db, hearing_id)
        if me.account.is_staff:
            return [StaffPersonOut.model_validate(each) for each in persons]
        own = standing.require_person()
        hidden = await list_screened(db, hearing_id, own.id)
        seen = [each for each in persons if each.id not in hidden]
        if not standing.sees_proceedings:
            seen = [own]
        return [PersonOut.model_validate(each) for each in seen]


async def _find_host(work: Work, me: Me, hearing_id: str) -> Standing:
    standing = await find_standing(work.db, me, hearing_id)
    standing.require_host()
    return standing


async def _find_person(work: Work, hearing_id: str, person_id: str) -> Person:
    person = await work.db.get(Person, person_id)
    if person is None or person.hearing_id != hearing_id:
        raise not_found()
    return person


@router.post("/people", status_code=201)
async def add(court: TheCourt, me: Me, hearing_id: str, asked: Invited) -> StaffPersonOut:
    """Add somebody, also after the booking. A linked person (interpreter, lawyer) names whom it belongs to."""
    async with court.work() as work:
        standing = await _find_host(work, me, hearing_id)
        if standing.hearing.state in OVER:
            raise Refusal("hearing.closed")
        if asked.linked_to is not None:
            await _find_person(work, hearing_id, asked.linked_to)
        if asked.party_id is not None:
            party = await work.db.get(Party, asked.party_id)
            if party is None or party.case_id != standing.hearing.case_id:
                raise not_found()
        person = add_person(work.db, court, standing.hearing, asked)
        await work.db.flush()
        work.audit("person", "add", me.id, hearing=hearing_id, person=person.id, role=person.role)
        work.tell("people", hearing_id, "added", hearing=hearing_id)
        return StaffPersonOut.model_validate(person)


@router.get("/consents")
async def list_consents(court: TheCourt, me: Me, hearing_id: str) -> list[ConsentOut]:
    """What was said of a hearing online, stage by stage: the court sees all, a party and its lawyer their own."""
    async with court.database.read() as db:
        standing = await find_standing(db, me, hearing_id)
        query = select(Consent).where(Consent.hearing_id == hearing_id)
        if not standing.is_host:
            query = query.where(Consent.party_id == _find_party(standing))
        return [ConsentOut.model_validate(each) for each in await db.scalars(query.order_by(Consent.at, Consent.id))]


def _find_party(standing: Standing) -> str:
    """Whose word somebody gives; refuses who speaks for no party."""
    party = standing.require_person().party_id
    if party is None:
        raise Refusal("role.denied")
    return party


def _check_own(standing: Standing, party_id: str) -> None:
    """A party says for itself, and until the opening; what comes later it says to the court."""
    if _find_party(standing) != party_id:
        raise not_found()
    if standing.hearing.state not in BEFORE:
        raise Refusal("act.impossible", act="consent", state=standing.hearing.state)


@router.post("/consents", status_code=201)
async def log_consent(court: TheCourt, me: Me, hearing_id: str, asked: ConsentLogged) -> ConsentOut:
    """The clerk writes down what a party said on the phone, or the party says it here (`platform`)."""
    async with court.work() as work:
        standing = await find_standing(work.db, me, hearing_id)
        if not standing.is_host:
            _check_own(standing, asked.party_id)
            asked = asked.model_copy(update={"channel": "platform", "person": me.account.name})
        party = await work.db.get(Party, asked.party_id)
        if party is None or party.case_id != standing.hearing.case_id:
            raise not_found()
        consent = Consent(
            id=court.new_id(),
            hearing_id=hearing_id,
            logged_by=me.id,
            at=work.now,
            withdrawn=None,
            **asked.model_dump(),
        )
        work.db.add(consent)
        work.audit("consent", "log", me.id, hearing=hearing_id, **asked.model_dump())
        work.tell("people", hearing_id, "consent", hearing=hearing_id)
        return ConsentOut.model_validate(consent)


@router.post("/consents/{consent_id}/withdraw")
async def withdraw_consent(court: TheCourt, me: Me, hearing_id: str, consent_id: str) -> ConsentOut:
    """A party, or the clerk for it, takes its consent to a stage back; that to the hearing itself revokes its codes."""
    async with court.work() as work:
        standing = await find_standing(work.db, me, hearing_id)
        consent = await work.db.get(Consent, consent_id)
        if consent is None or consent.hearing_id != hearing_id:
            raise not_found()
        if not standing.is_host:
            _check_own(standing, consent.party_id)
        if consent.withdrawn is None:
            consent.withdrawn = work.now
            for person in await list_persons(work.db, hearing_id):
                if person.party_id == consent.party_id and consent.stage == "hearing":
                    end_code(person, "revoked")
            work.audit("consent", "withdraw", me.id, hearing=hearing_id, party=consent.party_id, stage=consent.stage)
            work.tell("people", hearing_id, "consent_withdrawn", hearing=hearing_id)
        return ConsentOut.model_validate(consent)


async def list_missing_consents(work: Work, standing: Standing) -> list[str]:
    """The parties that have not agreed to the hearing online."""
    parties = list(await work.db.scalars(select(Party).where(Party.case_id == standing.hearing.case_id)))
    consents = await work.db.scalars(
        select(Consent)
        .where(Consent.hearing_id == standing.hearing.id, Consent.stage == "hearing")
        .order_by(Consent.at, Consent.id)
    )
    latest = {consent.party_id: consent.given and consent.withdrawn is None for consent in consents}
    return [party.name for party in parties if not latest.get(party.id, False)]


@router.post("/invitations", status_code=201)
async def invite(court: TheCourt, me: Me, hearing_id: str) -> list[StaffPersonOut]:
    """Give a code to everybody who has none yet, and send it. None is given before both sides have agreed."""
    async with court.work() as work:
        standing = await _find_host(work, me, hearing_id)
        if standing.hearing.state in OVER:
            raise Refusal("hearing.closed")
        missing = await list_missing_consents(work, standing)
        if missing:
            raise Refusal("consent.missing", missing="、".join(missing))
        persons = await list_persons(work.db, hearing_id)
        for person in persons:
            if person.role not in ("judge", "clerk") and person.code_state in ("none", "revoked"):
                await issue_code(work, standing.hearing, person)
        work.audit("code", "issue", me.id, hearing=hearing_id, persons=[each.id for each in persons])
        return [StaffPersonOut.model_validate(each) for each in persons]


@router.post("/people/{person_id}/code", status_code=201)
async def renew_code(court: TheCourt, me: Me, hearing_id: str, person_id: str) -> StaffPersonOut:
    """A new code for one person; the one before is revoked."""
    async with court.work() as work:
        standing = await _find_host(work, me, hearing_id)
        person = await _find_person(work, hearing_id, person_id)
        if standing.hearing.state in OVER:
            raise Refusal("hearing.closed")
        missing = await list_missing_consents(work, standing)
        if missing:
            raise Refusal("consent.missing", missing="、".join(missing))
        await issue_code(work, standing.hearing, person)
        work.audit("code", "renew", me.id, hearing=hearing_id, person=person_id)
        return StaffPersonOut.model_validate(person)


@router.post("/screening", status_code=204)
async def screen(court: TheCourt, me: Me, hearing_id: str, asked: ScreenAsked) -> None:
    """Keep two persons apart: never in one consultation, nor on each other's lists."""
    async with court.work() as work:
        hearing = (await _find_host(work, me, hearing_id)).hearing
        for id in (asked.protected_id, asked.from_id):
            await _find_person(work, hearing_id, id)
        key = (hearing_id, asked.protected_id, asked.from_id)
        if asked.protected_id != asked.from_id and await work.db.get(Screened, key) is None:
            work.db.add(Screened(hearing_id=hearing_id, protected_id=asked.protected_id, from_id=asked.from_id))
            work.audit("person", "screen", me.id, hearing=hearing_id, **asked.model_dump())
            work.tell("people", hearing_id, "screened", hearing=hearing_id)
            await end_consultations(work, hearing, frozenset({asked.protected_id, asked.from_id}))
            work.order(lambda: court.media.keep_apart(hearing.room, asked.protected_id, asked.from_id))


@router.post("/people/{person_id}/acts")
async def act_on(court: TheCourt, me: Me, hearing_id: str, person_id: str, asked: PersonAct) -> StaffPersonOut:
    """The host's hand: admit, call a witness, release, mute and lock, spotlight, dismiss, warn."""
    async with court.work() as work:
        standing = await _find_host(work, me, hearing_id)
        person = await _find_person(work, hearing_id, person_id)
        if person.role == "judge":
            raise Refusal("role.denied")
        if asked.act in ("call", "release", "warn") and standing.role != "judge":
            raise Refusal("role.denied")
        _do(work, court, standing, person, asked)
        standing.hearing.version += 1
        work.audit("person", asked.act, me.id, hearing=hearing_id, person=person_id, reason=asked.reason)
        work.tell("people", hearing_id, asked.act, hearing=hearing_id, version=standing.hearing.version)
        work.order(_refresh(court, person))
        return StaffPersonOut.model_validate(person)


def _do(work: Work, court: Court, standing: Standing, person: Person, asked: PersonAct) -> None:
    hearing = standing.hearing
    match asked.act:
        case "admit":
            person.admitted = True
        case "call":
            if person.role not in NOT_IN_CAMERA or hearing.state not in ("open", "in_camera"):
                raise Refusal("act.impossible", act="call", state=hearing.state)
            person.called = True
            work.order(_mark(court, hearing.room, f"called:{person.name}", standing.account, person.id))
        case "mute" | "unmute":
            person.locked = asked.act == "mute"
            seat = build_seat(hearing, person)
            work.order(lambda: court.media.change(hearing.room, seat))
        case "spotlight":
            hearing.spotlight = person.id
        case "unspotlight":
            hearing.spotlight = None
        case "readmit":
            person.dismissed = False
        case "warn":
            note_attendance(work, hearing.id, person.id, "warning", reason=asked.reason, by=standing.account)
            work.order(_mark(court, hearing.room, f"warning:{person.name}", standing.account, person.id))
        case "release" | "dismiss":
            person.called = False
            person.dismissed = person.dismissed or asked.act == "dismiss"
            work.order(lambda: court.media.remove(hearing.room, person.id))


def _refresh(court: Court, person: Person) -> Callable[[], Awaitable[None]]:
    async def order() -> None:
        refresh_seat(court, person)

    return order


def _mark(court: Court, room: str, name: str, subject: str, person: str) -> Callable[[], Awaitable[None]]:
    async def order() -> None:
        court.media.mark(room, name, subject, {"person": person})

    return order


@router.get("/attendance")
async def list_attendance(court: TheCourt, me: Me, hearing_id: str) -> list[AttendanceOut]:
    """Who was there when, checks, warnings and causes: what a ruling on a no-show or a drop-out rests on."""
    async with court.database.read() as db:
        (await find_standing(db, me, hearing_id)).require_host()
        found = select(Attendance).where(Attendance.hearing_id == hearing_id).order_by(Attendance.at, Attendance.id)
        return [AttendanceOut.model_validate(each) for each in await db.scalars(found)]
