"""The persons of a hearing: added, linked, screened, listed for whoever may see them."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from court.court import Court
from court.hearings.models import Hearing, Person, Screened
from court.hearings.schemas import Invited


def add_person(
    db: AsyncSession, court: Court, hearing: Hearing, asked: Invited, *, account_id: str | None = None
) -> Person:
    """Let somebody take part."""
    person = Person(
        id=court.new_id(),
        hearing_id=hearing.id,
        account_id=account_id,
        party_id=asked.party_id,
        role=asked.role,
        name=asked.name,
        phone=asked.phone,
        identity_number=asked.identity_number,
        language=asked.language,
        linked_to=asked.linked_to,
        code_hash=None,
        code_state="none",
        called=False,
        admitted=False,
        dismissed=False,
        locked=False,
        declared=None,
        self_test=None,
        present=False,
    )
    db.add(person)
    return person


LINKED = frozenset({"interpreter", "lawyer", "legal_worker"})


def list_linked(persons: Iterable[Person], id: str) -> set[str]:
    """Who is asked in with somebody, and nobody without the others: interpreter and the one interpreted for, lawyer and
    client.
    """
    pairs = [{each.id, each.linked_to} for each in persons if each.role in LINKED and each.linked_to]
    found = {id}
    while more := {each for pair in pairs if pair & found for each in pair} - found:
        found |= more
    return found - {id}


async def list_screened(db: AsyncSession, hearing_id: str, person_id: str) -> frozenset[str]:
    """Whom somebody must not meet, and is not shown: in both directions."""
    pairs = select(Screened).where(
        Screened.hearing_id == hearing_id,
        or_(Screened.protected_id == person_id, Screened.from_id == person_id),
    )
    found = list(await db.scalars(pairs))
    return frozenset(each for pair in found for each in (pair.protected_id, pair.from_id)) - {person_id}
