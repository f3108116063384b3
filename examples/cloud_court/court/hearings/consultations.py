"""Consultation rooms: invite, accept, decline, no answer after two minutes, lock. They are private: no byte is left.

Who is linked (interpreter, lawyer) is asked in together, and goes in once all of them have accepted.
"""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import select

from court.accounts.login import Me, TheCourt
from court.accounts.schemas import Asked
from court.court import Court, Work
from court.errors import Refusal, not_found
from court.hearings.consultation_models import Consultation, ConsultationMember
from court.hearings.entering import HOSTS, PUBLISH_SCREEN
from court.hearings.models import Hearing, Person
from court.hearings.people import list_linked, list_screened
from court.hearings.rules import BEFORE
from court.hearings.schemas import Id, JoinOut
from court.hearings.standing import Standing, find_standing, list_persons
from court.media.bridge import Seat

router = APIRouter(prefix="/api/hearings/{hearing_id}/consultations", tags=["consultations"])

NEVER = frozenset({"gallery", "technician", "courtroom"})
"""Observers are in no consultation."""
POSSIBLE = BEFORE | {"recess", "suspended", "mediation"}


class ConsultationAsked(Asked):
    """Whom to ask in."""

    kind: Literal["private", "judges"] = "private"
    persons: Annotated[list[Id], Field(default_factory=list, max_length=20)]


class ConsultationAct(Asked):
    """What a member does."""

    act: Literal["accept", "decline", "leave", "lock", "unlock", "end"]


class MemberOut(BaseModel):
    """Somebody who was asked in."""

    person_id: str
    name: str
    role: str
    state: Literal["invited", "accepted", "declined", "no_answer", "left"]


class ConsultationOut(BaseModel):
    """A consultation, as its members see it."""

    id: str
    kind: str
    host_id: str
    locked: bool
    created: datetime.datetime
    ended: datetime.datetime | None
    members: list[MemberOut]
    waits_for: list[str]
    """Who is linked to the reader and has not accepted: until then she does not go in."""


def tell_member(member: ConsultationMember, now: datetime.datetime, patience: float) -> str:
    """Who has not answered in time has given no answer."""
    waited = (now - member.invited).total_seconds()
    return "no_answer" if member.state == "invited" and waited >= patience else member.state


async def _tell(work: Work, consultation: Consultation, reader: str) -> ConsultationOut:
    patience = work.court.config.consultation_timeout
    persons = {each.id: each for each in await list_persons(work.db, consultation.hearing_id)}
    members = [
        MemberOut.model_validate(
            {
                "person_id": each.person_id,
                "name": persons[each.person_id].name,
                "role": persons[each.person_id].role,
                "state": tell_member(each, work.now, patience),
            }
        )
        for each in await _list_members(work, consultation.id)
    ]
    linked = set() if reader == consultation.host_id else list_linked(persons.values(), reader)
    answered = ("accepted", "left")
    return ConsultationOut(
        id=consultation.id,
        kind=consultation.kind,
        host_id=consultation.host_id,
        locked=consultation.locked,
        created=consultation.created,
        ended=consultation.ended,
        members=members,
        waits_for=[each.person_id for each in members if each.person_id in linked and each.state not in answered],
    )


async def _list_members(work: Work, id: str) -> list[ConsultationMember]:
    query = select(ConsultationMember).where(ConsultationMember.consultation_id == id)
    return list(await work.db.scalars(query.order_by(ConsultationMember.invited, ConsultationMember.person_id)))


async def _notify(work: Work, consultation: Consultation, what: str) -> None:
    ids = [each.person_id for each in await _list_members(work, consultation.id)]
    accounts = await work.db.scalars(select(Person.account_id).where(Person.id.in_(ids)))
    to = frozenset(each for each in accounts if each is not None)
    work.tell("consultation", consultation.id, what, hearing=consultation.hearing_id, to=to)


def check_time(hearing: Hearing, now: datetime.datetime, closed_before: int) -> None:
    """Refuse in the last minutes before the start, and while the court sits."""
    left = (hearing.start - now).total_seconds()
    if hearing.state not in POSSIBLE or (hearing.state in BEFORE and 0 <= left < closed_before):
        raise Refusal("consultation.closed")


async def _add(work: Work, standing: Standing, consultation: Consultation, wanted: list[str]) -> None:
    """Ask persons in, with those who are linked to them; refuse who must not meet, and who only observes."""
    persons = {each.id: each for each in await list_persons(work.db, standing.hearing.id)}
    ids = dict.fromkeys(wanted)
    for id in list(ids):
        if id not in persons:
            raise not_found()
        ids |= dict.fromkeys(list_linked(persons.values(), id) & persons.keys())
    there = {
        each.person_id for each in await _list_members(work, consultation.id) if each.state in ("invited", "accepted")
    }
    everybody = there | set(ids)
    for id in everybody:
        role = persons[id].role
        if role in NEVER or (consultation.kind == "judges" and role not in HOSTS):
            raise Refusal("consultation.denied")
        if role == "witness" and not persons[id].called:  # nobody prepares a witness before she is heard
            own = {id, *list_linked(persons.values(), id)}
            if any(each not in own and persons[each].role not in HOSTS for each in everybody):
                raise Refusal("consultation.denied")
        if everybody & await list_screened(work.db, standing.hearing.id, id):
            raise Refusal("consultation.denied")
    for id in ids:
        known = await work.db.get(ConsultationMember, (consultation.id, id))
        if known is None or known.state != "accepted":
            state = "accepted" if id == consultation.host_id else "invited"
            await work.db.merge(
                ConsultationMember(consultation_id=consultation.id, person_id=id, state=state, invited=work.now)
            )
    await work.db.flush()


async def end_consultations(work: Work, hearing: Hearing, of: frozenset[str] = frozenset()) -> None:
    """The court sits: whoever consults comes back. `of`: end those alone in which all of these were asked in."""
    running = select(Consultation).where(Consultation.hearing_id == hearing.id, Consultation.ended.is_(None))
    for each in list(await work.db.scalars(running)):
        if of <= {member.person_id for member in await _list_members(work, each.id)}:
            await _end(work, each)
            await _notify(work, each, "end")


async def _end(work: Work, consultation: Consultation) -> None:
    room = consultation.room
    consultation.ended = work.now
    work.order(lambda: work.court.media.close(room))


@router.post("", status_code=201)
async def begin(court: TheCourt, me: Me, hearing_id: str, asked: ConsultationAsked) -> ConsultationOut:
    """Open a private room, and ask persons in."""
    async with court.work() as work:
        standing = await find_standing(work.db, me, hearing_id)
        person = standing.require_person()
        check_time(standing.hearing, work.now, court.config.consultation_closed)
        if not standing.checked:
            raise Refusal("identity.unchecked")
        consultation = Consultation(
            id=court.new_id(),
            hearing_id=hearing_id,
            kind=asked.kind,
            host_id=person.id,
            locked=False,
            created=work.now,
            ended=None,
        )
        work.db.add(consultation)
        await work.db.flush()
        await _add(work, standing, consultation, [person.id, *asked.persons])
        room = consultation.room

        async def keep_private() -> None:
            court.media.set_private(room)

        work.order(keep_private)
        work.audit(
            "consultation", "begin", me.id, hearing=hearing_id, consultation=consultation.id, with_=asked.persons
        )
        await _notify(work, consultation, "invited")
        return await _tell(work, consultation, person.id)


async def _find(work: Work, me: Me, hearing_id: str, id: str) -> tuple[Standing, Consultation, ConsultationMember]:
    standing = await find_standing(work.db, me, hearing_id)
    person = standing.require_person()
    consultation = await work.db.get(Consultation, id)
    member = await work.db.get(ConsultationMember, (id, person.id))
    if consultation is None or consultation.hearing_id != hearing_id or member is None:
        raise not_found()
    return standing, consultation, member


@router.get("")
async def list_consultations(court: TheCourt, me: Me, hearing_id: str) -> list[ConsultationOut]:
    """Those that I am in, or was asked into."""
    async with court.work() as work:
        person = (await find_standing(work.db, me, hearing_id)).require_person()
        mine = select(ConsultationMember.consultation_id).where(ConsultationMember.person_id == person.id)
        query = select(Consultation).where(
            Consultation.id.in_(mine), Consultation.hearing_id == hearing_id, Consultation.ended.is_(None)
        )
        return [
            await _tell(work, each, person.id)
            for each in list(await work.db.scalars(query.order_by(Consultation.created)))
        ]


@router.post("/{consultation_id}/invitations")
async def invite(
    court: TheCourt, me: Me, hearing_id: str, consultation_id: str, asked: ConsultationAsked
) -> ConsultationOut:
    """Ask more persons in."""
    async with court.work() as work:
        standing, consultation, member = await _find(work, me, hearing_id, consultation_id)
        check_time(standing.hearing, work.now, court.config.consultation_closed)
        if consultation.ended is not None or member.state != "accepted":
            raise Refusal("consultation.over")
        if consultation.locked:
            raise Refusal("consultation.locked")
        await _add(work, standing, consultation, list(asked.persons))
        await _notify(work, consultation, "invited")
        return await _tell(work, consultation, member.person_id)


@router.post("/{consultation_id}/acts")
async def act(
    court: TheCourt, me: Me, hearing_id: str, consultation_id: str, asked: ConsultationAct
) -> ConsultationOut:
    """Accept, decline, leave, lock, unlock, end."""
    async with court.work() as work:
        _, consultation, member = await _find(work, me, hearing_id, consultation_id)
        if consultation.ended is not None:
            raise Refusal("consultation.over")
        await _do(work, court, consultation, member, asked.act)
        work.audit("consultation", asked.act, me.id, hearing=hearing_id, consultation=consultation_id)
        await _notify(work, consultation, asked.act)
        return await _tell(work, consultation, member.person_id)


async def _do(work: Work, court: Court, consultation: Consultation, member: ConsultationMember, act: str) -> None:
    state = tell_member(member, work.now, court.config.consultation_timeout)
    room, id = consultation.room, member.person_id
    match act:
        case "accept":
            if state not in ("invited", "left"):
                raise Refusal("act.impossible", act=act, state=state)
            if consultation.locked:
                raise Refusal("consultation.locked")
            member.state = "accepted"
        case "decline":
            if state != "invited":
                raise Refusal("act.impossible", act=act, state=state)
            member.state = "declined"
        case "leave":
            member.state = "left"
            work.order(lambda: court.media.remove(room, id))
        case _:
            if state != "accepted":
                raise Refusal("role.denied")
            consultation.locked = act == "lock" if act != "end" else consultation.locked
            if act == "end":
                await _end(work, consultation)


@router.post("/{consultation_id}/join")
async def join(court: TheCourt, me: Me, hearing_id: str, consultation_id: str) -> JoinOut:
    """A token for the room, for who has accepted."""
    async with court.work() as work:
        standing, consultation, member = await _find(work, me, hearing_id, consultation_id)
        if consultation.ended is not None:
            raise Refusal("consultation.over")
        if member.state != "accepted":
            raise Refusal("act.impossible", act="join", state=member.state)
        person = standing.require_person()
        told = await _tell(work, consultation, person.id)
        if names := [each.name for each in told.members if each.person_id in told.waits_for]:
            raise Refusal("consultation.linked", missing="、".join(names))
        seat = Seat(
            identity=person.id,
            name=person.name,
            attributes={"role": person.role},
            publishes=PUBLISH_SCREEN,
            hidden=False,
        )
        url = court.config.media_url or f"{court.config.base_url.replace('http', 'ws', 1)}/media"
        ticket = court.media.issue(consultation.room, seat, url)
    return JoinOut(
        entry="enter", waiting="open", url=ticket.url, token=ticket.token, room=ticket.room, identity=person.id
    )
