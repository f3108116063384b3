"""Tables of exhibits and files."""

from __future__ import annotations

import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from court.database.base import ID_LENGTH, Base


class Exhibit(Base):
    """A piece of evidence. Its number is given at submission, and never again."""

    __tablename__ = "exhibits"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    hearing_id: Mapped[str] = mapped_column(ForeignKey("hearings.id"), index=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("persons.id"))
    number: Mapped[int | None]
    title: Mapped[str] = mapped_column(String(200))
    purpose: Mapped[str] = mapped_column(String(2000))
    """What it is to prove."""
    state: Mapped[str] = mapped_column(String(20))
    replaces: Mapped[str | None] = mapped_column(ForeignKey("exhibits.id"))
    """The submitted one of which this is a new edition."""
    edition: Mapped[int]
    """1 for the first; a new one has the number of the one before."""
    late: Mapped[bool]
    """Submitted once the hearing was open."""
    part_count: Mapped[int]
    """Files that it has once it is complete: one, or as many as a large one was split into."""
    joint_sha256: Mapped[str] = mapped_column(String(64))
    """Of all its parts' bytes in order, which is that of the file that was split; empty: a draft."""
    created: Mapped[datetime.datetime]
    submitted: Mapped[datetime.datetime | None]
    withdrawn: Mapped[datetime.datetime | None]
    version: Mapped[int]


class Part(Base):
    """One file of an exhibit, by its hash."""

    __tablename__ = "exhibit_parts"

    exhibit_id: Mapped[str] = mapped_column(ForeignKey("exhibits.id"), primary_key=True)
    index: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(String(200))
    sha256: Mapped[str] = mapped_column(String(64))
    size: Mapped[int] = mapped_column(BigInteger)
    media_type: Mapped[str] = mapped_column(String(100))


class Upload(Base):
    """A file on its way; its bytes so far stand in the folder of uploads under its id."""

    __tablename__ = "uploads"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True)
    purpose: Mapped[str] = mapped_column(String(20))
    """exhibit, material or filing."""
    target_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    """The exhibit's, case's or filing's."""
    index: Mapped[int]
    """Which part; 0: the first, or the only one."""
    name: Mapped[str] = mapped_column(String(200))
    size: Mapped[int] = mapped_column(BigInteger)
    announced_sha256: Mapped[str] = mapped_column(String(64))
    created: Mapped[datetime.datetime]
    sha256: Mapped[str] = mapped_column(String(64))
    """Once it is complete."""


class Annotation(Base):
    """A W3C annotation over a part: the original is not touched."""

    __tablename__ = "annotations"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    exhibit_id: Mapped[str] = mapped_column(ForeignKey("exhibits.id"), index=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("persons.id"))
    created: Mapped[datetime.datetime]
    modified: Mapped[datetime.datetime]
    deleted: Mapped[datetime.datetime | None]
    body: Mapped[dict[str, Any]] = mapped_column(JSON)


class Opinion(Base):
    """What somebody says of an exhibit (质证): authenticity, legality, relevance."""

    __tablename__ = "opinions"

    exhibit_id: Mapped[str] = mapped_column(ForeignKey("exhibits.id"), primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("persons.id"), primary_key=True)
    authenticity: Mapped[str] = mapped_column(String(10))
    legality: Mapped[str] = mapped_column(String(10))
    relevance: Mapped[str] = mapped_column(String(10))
    text: Mapped[str] = mapped_column(String(4000))
    at: Mapped[datetime.datetime]
