"""Hearings: scheduled by the clerk, seen by their persons, changed by acts of the court."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from court.accounts.login import Me, TheCourt
from court.accounts.schemas import Page
from court.cases.binding import find_case, sees_hearing
from court.cases.models import Case, CaseBinding, Party, Progress
from court.court import Court
from court.errors import Refusal
from court.hearings.acts import perform
from court.hearings.entering import decide_entry, find_change, tell_waiting
from court.hearings.models import Attendance, Hearing, Person
from court.hearings.people import add_person, list_screened
from court.hearings.rules import MOVES
from court.hearings.schemas import (
    ActAsked,
    AttendanceOut,
    HearingFull,
    HearingOut,
    Invited,
    NewHearing,
    PersonOut,
    RecordingOut,
)
from court.hearings.standing import Standing, find_standing, list_persons, refresh_seat

router = APIRouter(prefix="/api/hearings", tags=["hearings"])

Offset = Annotated[int, Query(ge=0, le=1_000_000)]
Limit = Annotated[int, Query(ge=1, le=100)]


@router.get("")
async def list_hearings(court: TheCourt, me: Me, offset: Offset = 0, limit: Limit = 50) -> Page[HearingOut]:
    """My hearings, the next first."""
    mine = select(Hearing).where(sees_hearing(me.account))
    if me.session.hearing_id is not None:
        mine = mine.where(Hearing.id == me.session.hearing_id)
    async with court.database.read() as db:
        total = await db.scalar(select(func.count()).select_from(mine.subquery())) or 0
        found = await db.scalars(mine.order_by(Hearing.start, Hearing.id).offset(offset).limit(limit))
        return Page(items=[HearingOut.model_validate(each) for each in found], total=total)


@router.post("", status_code=201)
async def schedule(court: TheCourt, me: Me, asked: NewHearing) -> HearingFull:
    """Schedule a hearing in a case: its judge, the clerk, the parties and their lawyers take part."""
    if me.account.office != "clerk":
        raise Refusal("role.denied")
    async with court.work() as work:
        case = await find_case(work.db, me.account, asked.case_id)
        hearing = Hearing(
            id=court.new_id(),
            number=court.draw("0123456789", 9),
            case_id=case.id,
            title=asked.title,
            start=asked.start,
            schedule=1,
            public=asked.public,
            state="scheduled",
            phase="",
            countdown_until=None,
            opened=None,
            closed=None,
            spotlight=None,
            version=1,
        )
        work.db.add(hearing)
        await work.db.flush()
        await _seat_all(work.db, court, hearing, case, me.id)
        await work.db.flush()
        for person in await list_persons(work.db, hearing.id):
            refresh_seat(court, person)
        work.tell("hearing", hearing.id, "scheduled", hearing=hearing.id)
        work.db.add(
            Progress(id=court.new_id(), case_id=case.id, at=work.now, kind="hearing", text=f"排期开庭：{asked.title}")
        )
        work.audit("hearing", "schedule", me.id, hearing=hearing.id, case=case.id, start=asked.start.isoformat())
        await work.db.flush()
        return await tell_hearing(court, work.db, await find_standing(work.db, me, hearing.id))


async def _seat_all(db: AsyncSession, court: Court, hearing: Hearing, case: Case, clerk_id: str) -> None:
    from court.accounts.models import Account

    for role, id in (("judge", case.judge_id), ("clerk", clerk_id)):
        account = await db.get_one(Account, id)
        add_person(
            db,
            court,
            hearing,
            Invited.model_construct(
                role=role,
                name=account.name,
                phone=account.phone or "",
                identity_number=account.identity_number,
                party_id=None,
                language="",
                linked_to=None,
            ),
            account_id=id,
        )
    sides: dict[str, str] = {}
    for party in await db.scalars(select(Party).where(Party.case_id == case.id)):
        asked = Invited.model_construct(
            role=party.side,
            name=party.name,
            phone=party.phone,
            identity_number=party.identity_number,
            party_id=party.id,
            language="",
            linked_to=None,
        )
        sides[party.id] = add_person(db, court, hearing, asked, account_id=party.account_id).id
    bound = select(CaseBinding, Account).join(Account, Account.id == CaseBinding.account_id)
    for binding, account in (await db.execute(bound.where(CaseBinding.case_id == case.id))).all():
        if binding.role in ("lawyer", "legal_worker"):
            asked = Invited.model_construct(
                role=binding.role,
                name=account.name,
                phone=account.phone or "",
                identity_number=account.identity_number,
                party_id=binding.party_id,
                language="",
                linked_to=sides.get(binding.party_id or ""),
            )
            add_person(db, court, hearing, asked, account_id=account.id)


async def tell_hearing(court: Court, db: AsyncSession, standing: Standing) -> HearingFull:
    """A hearing as its reader sees it."""
    hearing, person, config = standing.hearing, standing.person, court.config
    entry = "wait"
    if person is not None:
        entry = decide_entry(hearing, person, court.now(), config.about_to_begin).what
    hidden = frozenset() if person is None else await list_screened(db, hearing.id, person.id)
    state = court.media.recording(hearing.room) if standing.login.account.is_staff else None
    case = await db.get_one(Case, hearing.case_id)
    possible = [move.act for move in MOVES.values() if hearing.state in move.origins and standing.role in move.who]
    return HearingFull(
        **HearingOut.model_validate(hearing).model_dump(),
        case_number=case.number,
        spotlight=None if hearing.spotlight in hidden else hearing.spotlight,
        me=None if person is None else PersonOut.model_validate(person),
        role=standing.role,
        party_id=None if person is None else person.party_id,
        checked=standing.checked,
        declared=person is not None and person.declared is not None,
        waiting=tell_waiting(hearing, court.now(), config.about_to_begin),
        waiting_until=find_change(hearing, court.now(), config.about_to_begin),
        entry=entry,
        acts=possible,
        recording=None
        if state is None
        else RecordingOut(state=state.state, ground=state.ground, alarms=list(state.alarms)),
        warnings=[] if person is None else await _list_warnings(db, person),
        now=court.now(),
    )


async def _list_warnings(db: AsyncSession, person: Person) -> list[AttendanceOut]:
    query = select(Attendance).where(Attendance.person_id == person.id, Attendance.kind == "warning")
    return [AttendanceOut.model_validate(each) for each in await db.scalars(query.order_by(Attendance.at))]


@router.get("/{hearing_id}")
async def get_hearing(court: TheCourt, me: Me, hearing_id: str) -> HearingFull:
    """One of my hearings; another's is not found."""
    async with court.database.read() as db:
        return await tell_hearing(court, db, await find_standing(db, me, hearing_id))


@router.post("/{hearing_id}/acts")
async def act(court: TheCourt, me: Me, hearing_id: str, asked: ActAsked) -> HearingFull:
    """One act of the court: open, phase, recess, resume, in_camera, mediation, suspend, close, seal ..."""
    async with court.work() as work:
        standing = await find_standing(work.db, me, hearing_id)
        await perform(work, standing, asked)
    async with court.database.read() as db:
        return await tell_hearing(court, db, await find_standing(db, me, hearing_id))


async def find_judge(db: AsyncSession, hearing_id: str) -> Person | None:
    """Who presides."""
    found: Person | None = await db.scalar(
        select(Person).where(Person.hearing_id == hearing_id, Person.role == "judge").limit(1)
    )
    return found
