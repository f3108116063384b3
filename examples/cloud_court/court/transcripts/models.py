"""Tables of transcripts."""

from __future__ import annotations

import datetime

from sqlalchemy import ForeignKey, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from court.database.base import ID_LENGTH, Base


class Segment(Base):
    """What one person said, as the clerk typed it."""

    __tablename__ = "segments"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    hearing_id: Mapped[str] = mapped_column(ForeignKey("hearings.id"), index=True)
    position: Mapped[int]
    speaker_id: Mapped[str | None] = mapped_column(ForeignKey("persons.id"))
    speaker: Mapped[str] = mapped_column(String(120))
    text: Mapped[str] = mapped_column(Text)
    phase: Mapped[str] = mapped_column(String(20))
    record_at: Mapped[float | None]
    """Seconds into the recording when it was begun."""
    created: Mapped[datetime.datetime]
    edited: Mapped[datetime.datetime | None]
    version: Mapped[int]


class Revision(Base):
    """A frozen transcript: its bytes, which the hash is of. Voided by any later edit."""

    __tablename__ = "revisions"

    hearing_id: Mapped[str] = mapped_column(ForeignKey("hearings.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    content: Mapped[bytes] = mapped_column(LargeBinary)
    sha256: Mapped[str] = mapped_column(String(64))
    frozen: Mapped[datetime.datetime]
    frozen_by: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    voided: Mapped[datetime.datetime | None]


class Objection(Base):
    """Somebody says that a segment is not what was said; it carries the record's moment."""

    __tablename__ = "objections"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    hearing_id: Mapped[str] = mapped_column(ForeignKey("hearings.id"), index=True)
    segment_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    person_id: Mapped[str] = mapped_column(ForeignKey("persons.id"))
    text: Mapped[str] = mapped_column(String(4000))
    record_at: Mapped[float | None]
    created: Mapped[datetime.datetime]
    answer: Mapped[str] = mapped_column(String(20))
    """open, accepted or rejected."""
    reply: Mapped[str] = mapped_column(String(2000))


class Signature(Base):
    """A signature, or a refusal with its reason. `voided` when what was signed was changed afterwards."""

    __tablename__ = "signatures"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    hearing_id: Mapped[str] = mapped_column(ForeignKey("hearings.id"), index=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("persons.id"))
    of: Mapped[str] = mapped_column(String(20))
    """`transcript`, or `recording`: its integrity value in place of a transcript."""
    revision: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64))
    refused: Mapped[bool]
    reason: Mapped[str] = mapped_column(String(1000))
    statement: Mapped[str] = mapped_column(String(300))
    public_key: Mapped[str] = mapped_column(String(400))
    """PEM."""
    signature: Mapped[str] = mapped_column(String(200))
    """DER, in base64."""
    certificate: Mapped[str] = mapped_column(String(64))
    drawn: Mapped[str] = mapped_column(Text)
    """The drawn name, as a data URL of a PNG."""
    at: Mapped[datetime.datetime]
    noted_by: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    voided: Mapped[datetime.datetime | None]
