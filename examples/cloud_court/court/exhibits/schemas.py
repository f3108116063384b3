"""What requests and answers about exhibits look like."""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints

from court.accounts.schemas import Asked, Line, Told

Stance = Literal["accepted", "disputed", "none"]


class NewExhibit(Asked):
    """A draft, which its owner alone sees."""

    title: Line
    purpose: Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000)] = ""
    part_count: Annotated[int, Field(ge=1, le=1000)] = 1
    """Into how many parts its file was split."""
    replaces: Annotated[str, StringConstraints(max_length=40)] | None = None
    """One's own submitted exhibit, of which this is to be a new edition."""


class ExhibitAct(Asked):
    """One act on an exhibit."""

    act: Literal["submit", "withdraw", "order_withdrawal", "present", "examine", "admit", "exclude"]
    reason: Annotated[str, StringConstraints(max_length=500)] = ""


class BatchFile(Asked):
    """A file that somebody would upload."""

    name: Line
    size: Annotated[int, Field(ge=0, le=1 << 50)]


class BatchOut(BaseModel):
    """What would become of it; `code` is that of the refusal, or empty."""

    name: str
    code: str
    detail: str
    parts: int


class PartOut(Told):
    """One file of an exhibit."""

    index: int
    name: str
    sha256: str
    size: int
    media_type: str


class EarlierOut(Told):
    """An edition that another has replaced, for whoever sees the newest."""

    edition: int
    joint_sha256: str
    submitted: datetime.datetime | None


class ExhibitOut(Told):
    """An exhibit, as its reader may see it."""

    id: str
    number: int | None
    person_id: str
    title: str
    purpose: str
    state: str
    replaces: str | None
    edition: int
    late: bool
    part_count: int
    joint_sha256: str
    created: datetime.datetime
    submitted: datetime.datetime | None
    withdrawn: datetime.datetime | None
    version: int
    parts: list[PartOut] = Field(default_factory=list)
    earlier: list[EarlierOut] = Field(default_factory=list)


class AnnotationAsked(Asked):
    """A W3C annotation: `body` and `target` as that model has them; who made it and when the court says."""

    body: Annotated[list[dict[str, Any]], Field(default_factory=list, max_length=20)]
    target: dict[str, Any]
    motivation: Literal["highlighting", "commenting", "describing", "questioning"] = "commenting"


class OpinionAsked(Asked):
    """What one says of an exhibit."""

    authenticity: Stance = "none"
    legality: Stance = "none"
    relevance: Stance = "none"
    text: Annotated[str, StringConstraints(strip_whitespace=True, max_length=4000)] = ""


class OpinionOut(Told):
    """The same, with whose it is."""

    person_id: str
    authenticity: str
    legality: str
    relevance: str
    text: str
    at: datetime.datetime
