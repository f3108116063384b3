"""Who somebody is in a hearing: the one place that decides whether he may know of it at all."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from court.accounts.login import Login
from court.cases.binding import sees_hearing
from court.court import Court
from court.errors import Refusal, not_found
from court.hearings.entering import HOSTS, list_sources, sees_proceedings
from court.hearings.models import Hearing, IdentityCheck, Person
from court.media.bridge import Seat


@dataclass(frozen=True)
class Standing:
    """An account in a hearing. `person` None: the registry's clerk or technician, who is not in it himself."""

    login: Login
    hearing: Hearing
    person: Person | None
    checked: bool
    """Whether this session's person was checked for this hearing."""

    @property
    def account(self) -> str:
        """The account's id."""
        return self.login.id

    @property
    def role(self) -> str:
        """In this hearing."""
        return self.login.account.office if self.person is None else self.person.role

    @property
    def is_host(self) -> bool:
        """Judge or clerk."""
        return self.role in HOSTS

    @property
    def sees_proceedings(self) -> bool:
        """Whether transcript and exhibits are there for him."""
        if self.person is None:
            return self.role == "clerk"
        if self.login.session.hearing_id is not None and not self.checked:  # a code that may be stolen
            return False
        return sees_proceedings(self.person)

    def require_host(self) -> None:
        """Refuse who is neither judge nor clerk."""
        if not self.is_host:
            raise Refusal("role.denied")

    def require_role(self, *roles: str) -> None:
        """Refuse who has none of these."""
        if self.role not in roles:
            raise Refusal("role.denied")

    def require_proceedings(self) -> None:
        """Refuse a witness who waits, as if there were nothing."""
        if not self.sees_proceedings:
            raise not_found()

    def require_person(self) -> Person:
        """Who is in the hearing himself; refuses others."""
        if self.person is None:
            raise Refusal("role.denied")
        return self.person


async def find_standing(db: AsyncSession, me: Login, hearing_id: str) -> Standing:
    """Who somebody is in a hearing; another's is not found, and a log-in by code reaches its own alone."""
    if me.session.hearing_id not in (None, hearing_id):
        raise not_found()
    hearing = await db.scalar(select(Hearing).where(Hearing.id == hearing_id, sees_hearing(me.account)))
    if hearing is None:
        raise not_found()
    person = await db.scalar(select(Person).where(Person.hearing_id == hearing_id, Person.account_id == me.id))
    return Standing(me, hearing, person, await is_checked(db, me, hearing_id))


async def is_checked(db: AsyncSession, me: Login, hearing_id: str) -> bool:
    """Whether this session's person was checked for this hearing; the court's staff is known."""
    return me.account.is_staff or await db.get(IdentityCheck, (hearing_id, me.session.id)) is not None


async def list_persons(db: AsyncSession, hearing_id: str) -> list[Person]:
    """All of a hearing."""
    query = select(Person).where(Person.hearing_id == hearing_id).order_by(Person.role, Person.name, Person.id)
    return list(await db.scalars(query))


def build_seat(hearing: Hearing, person: Person, apart: frozenset[str] = frozenset()) -> Seat:
    """Somebody's place in the room; role and name are the court's word, not his. `apart`: whom he must not meet."""
    attributes = {"role": person.role, "person": person.id}
    if person.language:
        attributes["language"] = person.language
    if person.linked_to:
        attributes["linked_to"] = person.linked_to
    return Seat(
        identity=person.id,
        name=person.name,
        attributes=attributes,
        publishes=list_sources(hearing, person),
        hidden=person.role == "technician",
        apart=apart,
    )


def refresh_seat(court: Court, person: Person) -> None:
    """Tell the hub what somebody may know by now."""
    if person.account_id is not None:
        court.hub.admit(person.account_id, person.hearing_id, sees_proceedings(person))
