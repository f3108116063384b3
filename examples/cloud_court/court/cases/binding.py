"""Who is bound to which case, and who may see it."""

from __future__ import annotations

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from court.accounts.models import Account
from court.cases.models import Case, CaseBinding, Party
from court.court import Work
from court.errors import Refusal, not_found
from court.hearings.models import Hearing, Person

STAGES = ("mediation", "evidence", "hearing", "service")


def may_see(account: Account) -> ColumnElement[bool]:
    """The cases that an account sees: a clerk all, a judge his own, others those they are bound to."""
    if account.office == "clerk":
        return Case.id.is_not(None)
    bound = select(CaseBinding.case_id).where(CaseBinding.account_id == account.id)
    return or_(Case.judge_id == account.id, Case.id.in_(bound))


async def find_case(db: AsyncSession, account: Account, id: str) -> Case:
    """A case that an account may see; another's is not found."""
    case = await db.scalar(select(Case).where(Case.id == id, may_see(account)))
    if case is None:
        raise not_found()
    return case


async def bind(work: Work, case: Case, account: Account, party: Party | None, role: str) -> None:
    """Let an account see a case for good, and take its party's place in hearings."""
    if await work.db.get(CaseBinding, (case.id, account.id)) is not None:
        return
    work.db.add(
        CaseBinding(
            case_id=case.id,
            account_id=account.id,
            party_id=None if party is None else party.id,
            role=role,
            created=work.now,
        )
    )
    if party is not None and role == party.side:
        party.account_id = account.id
        ours = select(Person).where(Person.party_id == party.id, Person.account_id.is_(None))
        for person in await work.db.scalars(ours):
            if person.identity_number == account.identity_number:
                person.account_id = account.id
    work.audit("case", "bind", account.id, case=case.id, role=role)


async def bind_parties(work: Work, account: Account) -> list[str]:
    """Bind an account to the parties whom the court registered as this very person: phone and identity number."""
    ours = (
        select(Party, Case)
        .join(Case, Case.id == Party.case_id)
        .where(
            Party.account_id.is_(None),
            Party.phone == account.phone,
            Party.identity_number == account.identity_number,
        )
    )
    found = (await work.db.execute(ours)).all()
    for party, case in found:
        await bind(work, case, account, party, party.side)
    invited = select(Person).where(
        Person.account_id.is_(None),
        Person.phone == account.phone,
        Person.identity_number == account.identity_number,
    )
    for person in await work.db.scalars(invited):
        person.account_id = account.id
    return [case.id for _, case in found]


async def bind_by_password(work: Work, case: Case | None, secret: str, account: Account, side: str | None) -> None:
    """Bind an account by a case's password: a party by its identity number, a lawyer to the side it names."""
    if case is None or case.password_hash != secret:
        raise Refusal("code.wrong")
    if await work.db.get(CaseBinding, (case.id, account.id)) is not None:
        raise Refusal("case.bound")
    parties = list(await work.db.scalars(select(Party).where(Party.case_id == case.id)))
    own = next((each for each in parties if each.identity_number == account.identity_number), None)
    if own is not None:
        await bind(work, case, account, own, own.side)
        return
    if account.office not in ("lawyer", "legal_worker"):
        raise Refusal("identity.failed")
    theirs = next((each for each in parties if each.side == side), None)
    if theirs is None:
        raise Refusal("request.invalid")
    await bind(work, case, account, theirs, account.office)


def sees_hearing(account: Account) -> ColumnElement[bool]:
    """The hearings that an account sees: its own, and for the registry all."""
    if account.office in ("clerk", "technician"):
        return Hearing.id.is_not(None)
    return Hearing.id.in_(select(Person.hearing_id).where(Person.account_id == account.id))
