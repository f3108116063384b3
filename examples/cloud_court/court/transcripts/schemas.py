"""What requests and answers about transcripts look like."""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from court.accounts.schemas import Asked, Sha256, Told
from court.hearings.schemas import Id

Speech = Annotated[str, StringConstraints(max_length=15_000)]
Key = Annotated[str, StringConstraints(max_length=400)]
Drawn = Annotated[str, StringConstraints(pattern=r"^(data:image/png;base64,[A-Za-z0-9+/=]+)?$", max_length=200_000)]


class SegmentAsked(Asked):
    """A segment: who speaks, and what."""

    text: Speech
    speaker_id: Id | None = None
    speaker: Annotated[str, StringConstraints(max_length=120)] = ""
    position: Annotated[int, Field(ge=0, le=1 << 30)] | None = None


class SegmentEdited(Asked):
    """A correction; `version` is what the editor saw."""

    text: Speech
    version: int


class ObjectionAsked(Asked):
    """An objection to a segment."""

    segment_id: Id
    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000)]


class ObjectionAnswered(Asked):
    """What the court says to it."""

    answer: Literal["accepted", "rejected"]
    reply: Annotated[str, StringConstraints(max_length=2000)] = ""


class SignAsked(Asked):
    """A signature over the statement, by WebCrypto: key as SPKI, signature as r and s, both in base64."""

    of: Literal["transcript", "recording"] = "transcript"
    sha256: Sha256
    public_key: Key
    signature: Annotated[str, StringConstraints(max_length=200)]
    drawn: Drawn = ""


class RefuseAsked(Asked):
    """A refusal to sign; the court can note that of somebody else."""

    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]
    person_id: Id | None = None


class SegmentOut(Told):
    """A segment."""

    id: str
    position: int
    speaker_id: str | None
    speaker: str
    text: str
    phase: str
    record_at: float | None
    created: datetime.datetime
    edited: datetime.datetime | None
    version: int


class ObjectionOut(Told):
    """An objection, with the record's moment."""

    id: str
    segment_id: str
    person_id: str
    text: str
    record_at: float | None
    created: datetime.datetime
    answer: str
    reply: str


class SignatureOut(Told):
    """Who signed what, or refused."""

    id: str
    person_id: str
    of: str
    revision: int
    sha256: str
    refused: bool
    reason: str
    certificate: str
    drawn: str
    at: datetime.datetime
    voided: datetime.datetime | None


class RevisionOut(Told):
    """A frozen revision; `statement` is what is to be signed."""

    number: int
    sha256: str
    frozen: datetime.datetime
    voided: datetime.datetime | None
    statement: str = ""


class IntegrityOut(BaseModel):
    """The recording's integrity value, which may be signed in place of a transcript."""

    sha256: str
    statement: str


class TranscriptOut(BaseModel):
    """All of a transcript."""

    state: Literal["live", "frozen"]
    segments: list[SegmentOut]
    revision: RevisionOut | None
    integrity: IntegrityOut | None
    objections: list[ObjectionOut]
    signatures: list[SignatureOut]
    unsigned: list[str]
