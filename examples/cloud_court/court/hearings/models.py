"""Tables of hearings."""

from __future__ import annotations

import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from court.database.base import ID_LENGTH, Base


class Hearing(Base):
    """A session of the court in a case."""

    __tablename__ = "hearings"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    number: Mapped[str] = mapped_column(String(9), unique=True)
    case_id: Mapped[str] = mapped_column(ForeignKey("cases.id"), index=True)
    title: Mapped[str] = mapped_column(String(200))
    start: Mapped[datetime.datetime] = mapped_column(index=True)
    schedule: Mapped[int]
    """Counts the dates that it had."""
    public: Mapped[bool]
    state: Mapped[str] = mapped_column(String(20))
    phase: Mapped[str] = mapped_column(String(20))
    """statement, evidence, argument, closing; empty before the first."""
    countdown_until: Mapped[datetime.datetime | None]
    opened: Mapped[datetime.datetime | None]
    closed: Mapped[datetime.datetime | None]
    spotlight: Mapped[str | None] = mapped_column(String(ID_LENGTH))
    version: Mapped[int]
    """Counts its changes."""

    @property
    def room(self) -> str:
        """Its room on the media server."""
        return f"h-{self.number}"


class Person(Base):
    """Somebody who takes part: invited, with a role, by an account or by a code."""

    __tablename__ = "persons"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    hearing_id: Mapped[str] = mapped_column(ForeignKey("hearings.id"), index=True)
    account_id: Mapped[str | None] = mapped_column(ForeignKey("accounts.id"), index=True)
    party_id: Mapped[str | None] = mapped_column(ForeignKey("parties.id"))
    role: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(100))
    phone: Mapped[str] = mapped_column(String(20))
    identity_number: Mapped[str] = mapped_column(String(18))
    language: Mapped[str] = mapped_column(String(20))
    """That an interpreter speaks, or that somebody needs; empty: the court's."""
    linked_to: Mapped[str | None] = mapped_column(String(ID_LENGTH))
    """Whom an interpreter interprets for, whose lawyer one is: an invitation needs both."""
    code_hash: Mapped[str | None] = mapped_column(String(64))
    code_state: Mapped[str] = mapped_column(String(20))
    """none, issued, claimed, revoked, expired."""
    called: Mapped[bool]
    """A witness who may be in the room."""
    admitted: Mapped[bool]
    """Let in by a host before the opening."""
    dismissed: Mapped[bool]
    locked: Mapped[bool]
    """Muted by a host, who alone can undo it."""
    declared: Mapped[datetime.datetime | None]
    """When the declaration not to record was confirmed."""
    self_test: Mapped[int | None]
    """Score of 100."""
    present: Mapped[bool]


class Screened(Base):
    """A protected person, and one whom she must not meet."""

    __tablename__ = "screened"

    hearing_id: Mapped[str] = mapped_column(ForeignKey("hearings.id"), primary_key=True)
    protected_id: Mapped[str] = mapped_column(ForeignKey("persons.id"), primary_key=True)
    from_id: Mapped[str] = mapped_column(ForeignKey("persons.id"), primary_key=True)


class Consent(Base):
    """A party's word on a stage online, as the clerk logged it; withdrawn by a later time."""

    __tablename__ = "consents"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    hearing_id: Mapped[str] = mapped_column(ForeignKey("hearings.id"), index=True)
    party_id: Mapped[str] = mapped_column(ForeignKey("parties.id"))
    stage: Mapped[str] = mapped_column(String(20))
    """mediation, evidence, hearing or service."""
    given: Mapped[bool]
    channel: Mapped[str] = mapped_column(String(20))
    person: Mapped[str] = mapped_column(String(100))
    """Who was spoken to."""
    note: Mapped[str] = mapped_column(String(500))
    logged_by: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    at: Mapped[datetime.datetime]
    withdrawn: Mapped[datetime.datetime | None]


class IdentityCheck(Base):
    """That a session's person was checked for a hearing."""

    __tablename__ = "identity_checks"

    hearing_id: Mapped[str] = mapped_column(ForeignKey("hearings.id"), primary_key=True)
    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id"), primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    at: Mapped[datetime.datetime]


class Attendance(Base):
    """What happened to a person's presence: check, join, leave with its cause, warning."""

    __tablename__ = "attendance"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    hearing_id: Mapped[str] = mapped_column(ForeignKey("hearings.id"), index=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("persons.id"))
    at: Mapped[datetime.datetime]
    kind: Mapped[str] = mapped_column(String(20))
    detail: Mapped[dict[str, Any]] = mapped_column(JSON)
