"""Tables of cases."""

from __future__ import annotations

import datetime

from sqlalchemy import BigInteger, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from court.database.base import ID_LENGTH, Base


class Case(Base):
    """A civil case."""

    __tablename__ = "cases"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    number: Mapped[str] = mapped_column(String(60), unique=True)
    """As `(2026)京0491民初100号`."""
    title: Mapped[str] = mapped_column(String(200))
    cause: Mapped[str] = mapped_column(String(100))
    judge_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    password_hash: Mapped[str] = mapped_column(String(64))
    created: Mapped[datetime.datetime]


class Party(Base):
    """A party whom the court registered; `account_id` once somebody is bound to it."""

    __tablename__ = "parties"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    case_id: Mapped[str] = mapped_column(ForeignKey("cases.id"), index=True)
    side: Mapped[str] = mapped_column(String(20))
    """plaintiff, defendant or third_party."""
    name: Mapped[str] = mapped_column(String(100))
    phone: Mapped[str] = mapped_column(String(20), index=True)
    identity_number: Mapped[str] = mapped_column(String(18))
    account_id: Mapped[str | None] = mapped_column(ForeignKey("accounts.id"), index=True)


class CaseBinding(Base):
    """An account that may see a case."""

    __tablename__ = "case_bindings"

    case_id: Mapped[str] = mapped_column(ForeignKey("cases.id"), primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True, index=True)
    party_id: Mapped[str | None] = mapped_column(ForeignKey("parties.id"))
    """Whose side it is on."""
    role: Mapped[str] = mapped_column(String(20))
    created: Mapped[datetime.datetime]


class Progress(Base):
    """Something that happened in a case, dated."""

    __tablename__ = "progress"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    case_id: Mapped[str] = mapped_column(ForeignKey("cases.id"), index=True)
    at: Mapped[datetime.datetime]
    kind: Mapped[str] = mapped_column(String(40))
    text: Mapped[str] = mapped_column(String(500))


class Message(Base):
    """To the judge of a case, or the judge's answer."""

    __tablename__ = "messages"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    case_id: Mapped[str] = mapped_column(ForeignKey("cases.id"), index=True)
    sender_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    recipient_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    text: Mapped[str] = mapped_column(String(4000))
    sent: Mapped[datetime.datetime]
    delivered: Mapped[datetime.datetime | None]
    read: Mapped[datetime.datetime | None]


class Material(Base):
    """A document that was handed in, with its receipt."""

    __tablename__ = "materials"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    case_id: Mapped[str] = mapped_column(ForeignKey("cases.id"), index=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    title: Mapped[str] = mapped_column(String(200))
    name: Mapped[str] = mapped_column(String(200))
    sha256: Mapped[str] = mapped_column(String(64))
    size: Mapped[int] = mapped_column(BigInteger)
    receipt: Mapped[str] = mapped_column(String(30), unique=True)
    received: Mapped[datetime.datetime]
