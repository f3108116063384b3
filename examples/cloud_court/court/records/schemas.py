"""What requests and answers about records look like."""

from __future__ import annotations

import datetime
from typing import Annotated

from pydantic import BaseModel, StringConstraints

from court.accounts.schemas import Asked, Told
from court.transcripts.schemas import Key


class ExplanationAsked(Asked):
    """What the presiding judge says to a fault, signed by the judge's key as a transcript is by its signers'."""

    explanation: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]
    public_key: Key
    signature: Annotated[str, StringConstraints(max_length=200)]


class RecordingOut(Told):
    """One run of the recorder."""

    id: str
    started: datetime.datetime
    ended: datetime.datetime | None
    head: str
    fault: bool
    explanation: str


class SpanOut(BaseModel):
    """From when to when, in seconds of the record."""

    begin: float
    end: float


class SourceOut(BaseModel):
    """One person's picture or sound."""

    number: int
    kind: str
    label: str
    person_id: str
    spans: list[SpanOut]


class PauseOut(SpanOut):
    """A lawful break, of which nothing was kept."""

    ground: str


class PlaybackOut(BaseModel):
    """A record to be played, as far as it had come; its media stand below `key`."""

    key: str
    closed: bool
    duration: float
    sources: list[SourceOut]
    pauses: list[PauseOut]


class VerdictOut(BaseModel):
    """What the verifier says of one part of what a hearing left."""

    part: str
    good: bool
    problem: str
    file: str = ""
    """Within a record's folder, or a package."""
    line: int | None = None
    """Of the audit, or of the record's ledger, from 1."""
    fragment: int | None = None
    """Of the file, from 1."""


class SealOut(BaseModel):
    """A sealed hearing."""

    at: datetime.datetime
    manifest: dict[str, object]
