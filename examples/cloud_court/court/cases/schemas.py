"""What requests and answers about cases look like."""

from __future__ import annotations

import datetime
from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from court.accounts.schemas import Asked, IdentityNumber, Line, Name, Phone, Text, Told
from court.hearings.schemas import HearingOut, Id, Side


class NewParty(Asked):
    """A party whom the court registers."""

    side: Side
    name: Name
    phone: Phone
    identity_number: IdentityNumber


class NewCase(Asked):
    """A case that the registry opens."""

    number: Annotated[str, StringConstraints(strip_whitespace=True, min_length=4, max_length=60)]
    title: Line
    cause: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
    judge_id: Id
    parties: Annotated[list[NewParty], Field(min_length=2, max_length=50)]


class PartyOut(Told):
    """A party, without its number and phone."""

    id: str
    side: str
    name: str


class CaseOut(Told):
    """A case in a list."""

    id: str
    number: str
    title: str
    cause: str
    created: datetime.datetime


class CaseMade(CaseOut):
    """A new case; its password is told here and never again."""

    password: str


class ProgressOut(Told):
    """Something that happened, dated."""

    id: str
    at: datetime.datetime
    kind: str
    text: str


class MessageOut(Told):
    """A message with its delivery and read state."""

    id: str
    sender_id: str
    recipient_id: str
    text: str
    sent: datetime.datetime
    delivered: datetime.datetime | None
    read: datetime.datetime | None


class MaterialOut(Told):
    """What was handed in, with its receipt."""

    id: str
    title: str
    name: str
    sha256: str
    size: int
    receipt: str
    received: datetime.datetime


class CaseFull(CaseOut):
    """All of a case on one page."""

    role: str
    judge_name: str
    parties: list[PartyOut]
    hearings: list[HearingOut]
    progress: list[ProgressOut]
    messages: list[MessageOut]
    materials: list[MaterialOut]


class BindingAsked(Asked):
    """One case to bind, by its password; a lawyer says for which side."""

    number: Annotated[str, StringConstraints(strip_whitespace=True, max_length=60)]
    password: Annotated[str, StringConstraints(strip_whitespace=True, to_upper=True, max_length=20)]
    side: Side | None = None


class BindingsAsked(Asked):
    """One case, or a batch."""

    cases: Annotated[list[BindingAsked], Field(min_length=1, max_length=50)]


class BindingOut(BaseModel):
    """What became of one of them; `code` is that of the refusal, or empty."""

    number: str
    case_id: str | None
    code: str


class MessageAsked(Asked):
    """A message to the judge; a judge answers to an account."""

    text: Text
    recipient_id: Id | None = None


class ProgressAsked(Asked):
    """An event that the registry enters."""

    kind: Annotated[str, StringConstraints(pattern="^[a-z_]{1,40}$")]
    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
