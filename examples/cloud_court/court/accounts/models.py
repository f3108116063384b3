"""Tables of accounts."""

from __future__ import annotations

import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from court.database.base import ID_LENGTH, Base

STAFF = frozenset({"judge", "clerk", "technician"})


class Account(Base):
    """A person who can log in. `office` is that of the court's staff, or `lawyer`, `legal_worker`, `person`."""

    __tablename__ = "accounts"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    phone: Mapped[str | None] = mapped_column(String(20), unique=True)
    """None: made for an invitation, and entered by its code alone."""
    name: Mapped[str] = mapped_column(String(100))
    identity_number: Mapped[str] = mapped_column(String(18))
    password_hash: Mapped[str] = mapped_column(String(200))
    """Empty: there is no log-in by password."""
    office: Mapped[str] = mapped_column(String(20))
    created: Mapped[datetime.datetime]

    @property
    def is_staff(self) -> bool:
        """Whether it is of the court."""
        return self.office in STAFF


class Session(Base):
    """A log-in on one device."""

    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    csrf: Mapped[str] = mapped_column(String(ID_LENGTH))
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True)
    hearing_id: Mapped[str | None] = mapped_column(String(ID_LENGTH))
    """Of a log-in by hearing number and code: it reaches that hearing alone."""
    created: Mapped[datetime.datetime]
    expires: Mapped[datetime.datetime]


class OneTimeCode(Base):
    """The newest code that was sent to a phone for a purpose."""

    __tablename__ = "one_time_codes"

    phone: Mapped[str] = mapped_column(String(20), primary_key=True)
    purpose: Mapped[str] = mapped_column(String(20), primary_key=True)
    code_hash: Mapped[str] = mapped_column(String(64))
    expires: Mapped[datetime.datetime]
    attempts_left: Mapped[int]


class HandOff(Base):
    """A log-in on its way to another device."""

    __tablename__ = "handoffs"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id"))
    expires: Mapped[datetime.datetime]


class Attempts(Base):
    """How often something was tried since when."""

    __tablename__ = "attempts"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    count: Mapped[int]
    since: Mapped[datetime.datetime]


class SmsMessage(Base):
    """The outbox: one row for each message, whose `reason` is there once."""

    __tablename__ = "sms_outbox"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    reason: Mapped[str] = mapped_column(String(120), unique=True)
    phone: Mapped[str] = mapped_column(String(20), index=True)
    text: Mapped[str] = mapped_column(String(1000))
    created: Mapped[datetime.datetime]
    sent: Mapped[datetime.datetime | None]
    superseded: Mapped[datetime.datetime | None]
    attempts: Mapped[int]
