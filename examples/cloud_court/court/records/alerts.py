"""Alerts: shown on the officer's board until somebody ticks them off."""

from __future__ import annotations

from sqlalchemy import select

from court.accounts.models import Account
from court.court import Work
from court.hearings.models import Person
from court.records.models import Alert


async def raise_alert(work: Work, hearing_id: str, kind: str, detail: str, person_id: str | None = None) -> None:
    """Show an alert to hosts and officers, once while the same one is open."""
    same = select(Alert).where(
        Alert.hearing_id == hearing_id,
        Alert.kind == kind,
        Alert.person_id.is_(None) if person_id is None else Alert.person_id == person_id,
        Alert.acknowledged.is_(None),
    )
    if await work.db.scalar(same.limit(1)) is not None:
        return
    id = work.court.new_id()
    work.db.add(
        Alert(
            id=id,
            hearing_id=hearing_id,
            person_id=person_id,
            kind=kind,
            detail=detail,
            at=work.now,
            acknowledged=None,
            acknowledged_by=None,
        )
    )
    work.audit("alert", kind, None, hearing=hearing_id, detail=detail, person=person_id)
    await tell_staff(work, "alert", id, kind, hearing_id)


async def tell_staff(work: Work, topic: str, id: str, what: str, hearing_id: str) -> None:
    """Tell the hosts of a hearing and all officers."""
    hosts = select(Person.account_id).where(Person.hearing_id == hearing_id, Person.role.in_(("judge", "clerk")))
    officers = select(Account.id).where(Account.office == "technician")
    accounts = [*await work.db.scalars(hosts), *await work.db.scalars(officers)]
    work.tell(topic, id, what, hearing=hearing_id, to=frozenset(each for each in accounts if each is not None))
