"""What requests and answers about records look like."""

from __future__ import annotations

import datetime
from typing import Annotated

from pydantic import BaseModel, StringConstraints

from court.accounts.schemas import Asked, Told


class ExplanationAsked(Asked):
    """What the presiding judge says to a fault."""

    explanation: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]


class RecordingOut(Told):
    """One run of the recorder."""

    id: str
    started: datetime.datetime
    ended: datetime.datetime | None
    head: str
    fault: bool
    explanation: str


class VerdictOut(BaseModel):
    """What the verifier says of one part of what a hearing left."""

    part: str
    good: bool
    problem: str
    line: int | None = None


class SealOut(BaseModel):
    """A sealed hearing."""

    at: datetime.datetime
    manifest: dict[str, object]
