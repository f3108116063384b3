"""Tables of records."""

from __future__ import annotations

import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from court.database.base import ID_LENGTH, Base


class Recording(Base):
    """One run of the recorder, with the integrity value of what it made. Defective ones are kept, too."""

    __tablename__ = "recordings"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    hearing_id: Mapped[str] = mapped_column(ForeignKey("hearings.id"), index=True)
    started: Mapped[datetime.datetime]
    ended: Mapped[datetime.datetime | None]
    head: Mapped[str] = mapped_column(String(64))
    """Hash of the record's last line; empty while it runs, or where it could not be closed."""
    folders: Mapped[list[Any]] = mapped_column(JSON)
    """The main record's, then its mirrors'."""
    fault: Mapped[bool]
    explanation: Mapped[str] = mapped_column(String(1000))
    explained_by: Mapped[str | None] = mapped_column(ForeignKey("accounts.id"))
    explanation_signature: Mapped[dict[str, Any]]
    """The presiding judge's: statement, key (PEM), signature (DER, base64) and certificate; empty: not explained."""


class Alert(Base):
    """Something that the officer, or the judge, has to look at until somebody ticks it off by name."""

    __tablename__ = "alerts"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    hearing_id: Mapped[str] = mapped_column(ForeignKey("hearings.id"), index=True)
    person_id: Mapped[str | None] = mapped_column(ForeignKey("persons.id"))
    kind: Mapped[str] = mapped_column(String(30))
    """media_blocked, disconnected, self_test_failed or recording_lost."""
    detail: Mapped[str] = mapped_column(String(500))
    at: Mapped[datetime.datetime]
    acknowledged: Mapped[datetime.datetime | None]
    acknowledged_by: Mapped[str | None] = mapped_column(ForeignKey("accounts.id"))


class Seal(Base):
    """A sealed hearing: what it consisted of, by hash, signed with the court's key."""

    __tablename__ = "seals"

    hearing_id: Mapped[str] = mapped_column(ForeignKey("hearings.id"), primary_key=True)
    at: Mapped[datetime.datetime]
    by: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    manifest: Mapped[dict[str, Any]] = mapped_column(JSON)
    folder: Mapped[str] = mapped_column(String(500))
