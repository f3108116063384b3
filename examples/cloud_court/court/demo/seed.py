"""The demonstration: a civil case, its parties, a hearing in a quarter of an hour. Told is who can log in, and how."""

from __future__ import annotations

import datetime

from sqlalchemy import select

from court.accounts.models import Account
from court.cases.api import note_progress, open_case
from court.cases.binding import bind
from court.cases.models import Party
from court.cases.schemas import NewCase, NewParty
from court.court import Court, Work
from court.demo.people import PASSWORD, PEOPLE, STAFF
from court.hearings.models import Consent, Hearing, Person
from court.hearings.people import add_person
from court.hearings.schemas import Invited

NUMBER = "(2026)京0491民初1号"


async def seed(court: Court) -> list[str]:
    """Fill an empty court; returns the lines that are to be printed. One that is not empty is left as it is."""
    await court.database.migrate()
    async with court.work() as work:
        if await work.db.scalar(select(Account.id).limit(1)) is None:
            await _seed(work)
    lines = [f"{court.config.name}: everybody's password is {PASSWORD}"]
    lines += [f"  {role:<12} {name:<12} {phone}" for role, name, phone, _ in STAFF]
    lines += [f"  {role:<12} {name:<12} {phone}  {number}" for role, name, phone, number, _ in PEOPLE]
    lines += [f"  {court.config.base_url}/#/demo/{role}" for role in ("judge", "clerk", "plaintiff", "defendant")]
    return lines


async def _seed(work: Work) -> None:
    court, accounts = work.court, {}
    hashed = court.passwords.hash(PASSWORD)
    everybody = [(role, name, phone, number, role) for role, name, phone, number in STAFF] + list(PEOPLE)
    for role, name, phone, number, office in everybody:
        account = Account(
            id=court.new_id(),
            phone=phone,
            name=name,
            identity_number=number,
            password_hash=hashed,
            office=office,
            created=work.now,
        )
        work.db.add(account)
        accounts[role] = account
    await work.db.flush()
    parties = [
        NewParty(side=role, name=accounts[role].name, phone=phone, identity_number=number)  # type: ignore[arg-type]
        for role, _, phone, number, _ in PEOPLE[:2]
    ]
    new = NewCase(
        number=NUMBER,
        title="张三诉李四买卖合同纠纷",
        cause="买卖合同纠纷",
        judge_id=accounts["judge"].id,
        parties=parties,
    )
    case, _ = await open_case(work, new, accounts["clerk"].id)
    sides = list(await work.db.scalars(select(Party).where(Party.case_id == case.id)))
    for party in sides:
        await bind(work, case, accounts[party.side], party, party.side)
    plaintiff = next(each for each in sides if each.side == "plaintiff")
    await bind(work, case, accounts["lawyer"], plaintiff, "lawyer")
    hearing = Hearing(
        id=court.new_id(),
        number=court.draw("0123456789", 9) if court.config.practice else "100200300",
        case_id=case.id,
        title="第一次开庭",
        start=work.now + datetime.timedelta(minutes=15),
        schedule=1,
        public=True,
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
    persons: dict[str, Person] = {}
    for role, account in accounts.items():
        if role == "technician":
            continue
        asked = Invited.model_construct(
            role=role,
            name=account.name,
            phone=account.phone or "",
            identity_number=account.identity_number,
            party_id=next((each.id for each in sides if each.side == role), None),
            language="en" if role == "interpreter" else "",
            linked_to=None,
        )
        persons[role] = add_person(work.db, court, hearing, asked, account_id=account.id)
    persons["interpreter"].linked_to = persons["witness"].id
    persons["lawyer"].linked_to = persons["plaintiff"].id
    for party in sides:
        work.db.add(
            Consent(
                id=court.new_id(),
                hearing_id=hearing.id,
                party_id=party.id,
                stage="hearing",
                given=True,
                channel="phone",
                person=party.name,
                note="电话征求意见，同意在线开庭",
                logged_by=accounts["clerk"].id,
                at=work.now,
                withdrawn=None,
            )
        )
    note_progress(work, case.id, "hearing", "排期开庭：第一次开庭")
    work.audit("hearing", "schedule", accounts["clerk"].id, hearing=hearing.id, case=case.id)
