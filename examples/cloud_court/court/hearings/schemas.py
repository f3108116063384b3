"""What requests and answers about hearings look like."""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, Field, StringConstraints

from court.accounts.schemas import Asked, IdentityNumber, Line, Name, Phone, Sha256, Told

Side = Literal["plaintiff", "defendant", "third_party"]
Role = Literal[
    "judge",
    "clerk",
    "courtroom",
    "gallery",
    "plaintiff",
    "defendant",
    "third_party",
    "lawyer",
    "legal_worker",
    "witness",
    "interpreter",
]
State = Literal[
    "scheduled",
    "waiting",
    "open",
    "recess",
    "in_camera",
    "mediation",
    "suspended",
    "closed",
    "signing",
    "sealed",
]
Phase = Literal["", "statement", "evidence", "argument", "closing"]
Act = Literal[
    "gather",
    "reschedule",
    "open",
    "phase",
    "recess",
    "in_camera",
    "mediation",
    "suspend",
    "resume",
    "close",
    "restart_recording",
    "request_signatures",
    "seal",
]
Id = Annotated[str, StringConstraints(pattern=r"^[0-9a-z]{1,22}$")]


class NewHearing(Asked):
    """A hearing that a clerk schedules; its parties are invited, unless `persons` says whom."""

    case_id: Id
    title: Line
    start: AwareDatetime
    public: bool = True


class Invited(Asked):
    """Somebody who is to take part."""

    role: Role
    name: Name
    phone: Phone
    identity_number: IdentityNumber
    party_id: Id | None = None
    language: Annotated[str, StringConstraints(max_length=20)] = ""
    linked_to: Id | None = None


class ConsentLogged(Asked):
    """What the clerk writes down of a call."""

    party_id: Id
    stage: Literal["mediation", "evidence", "hearing", "service"] = "hearing"
    given: bool
    channel: Literal["phone", "in_person", "platform"] = "phone"
    person: Name
    note: Annotated[str, StringConstraints(max_length=500)] = ""


class ActAsked(Asked):
    """One act; the other fields are those of some acts."""

    act: Act
    phase: Phase = ""
    start: AwareDatetime | None = None
    reason: Annotated[str, StringConstraints(max_length=500)] = ""


class IdentityAsked(Asked):
    """What identity is checked by, again at each hearing."""

    name: Name
    identity_number: IdentityNumber
    picture_sha256: Sha256 | Literal[""] = ""


class SelfTest(Asked):
    """Outcome of a self-test: each step with its points."""

    camera: Annotated[int, Field(ge=0, le=25)]
    microphone: Annotated[int, Field(ge=0, le=25)]
    speaker: Annotated[int, Field(ge=0, le=25)]
    network: Annotated[int, Field(ge=0, le=25)]
    browser: Annotated[str, StringConstraints(max_length=200)] = ""


class ConsentOut(Told):
    """A party's word."""

    id: str
    party_id: str
    stage: str
    given: bool
    channel: str
    person: str
    note: str
    at: datetime.datetime
    withdrawn: datetime.datetime | None


class PersonOut(Told):
    """Somebody in a hearing, as all of it see him."""

    id: str
    role: str
    name: str
    language: str
    linked_to: str | None
    present: bool
    called: bool
    admitted: bool
    dismissed: bool
    locked: bool


class StaffPersonOut(PersonOut):
    """The same, as the court sees him."""

    account_id: str | None
    party_id: str | None
    phone: str
    code_state: str
    declared: datetime.datetime | None
    self_test: int | None


class RecordingOut(BaseModel):
    """How the recording fares."""

    state: str
    ground: str
    alarms: list[str]


class HearingOut(Told):
    """A hearing, as it stands."""

    id: str
    number: str
    case_id: str
    title: str
    start: datetime.datetime
    public: bool
    state: State
    phase: Phase
    countdown_until: datetime.datetime | None
    opened: datetime.datetime | None
    closed: datetime.datetime | None
    version: int


class AttendanceOut(Told):
    """Something that happened to a person's presence."""

    id: str
    person_id: str
    at: datetime.datetime
    kind: str
    detail: dict[str, Any]


class HearingFull(HearingOut):
    """A hearing with what its reader is in it and may do now."""

    case_number: str
    spotlight: str | None
    """Whom the court has put into the light, unless the reader must not meet him."""
    me: PersonOut | None
    role: str
    party_id: str | None
    """For whom the reader speaks."""
    checked: bool
    """Whether this session's identity was checked for it."""
    declared: bool
    waiting: str
    """What the waiting room says: early, about_to_begin, delayed, paused, suspended, closed, open."""
    waiting_until: datetime.datetime | None
    """When that changes by itself."""
    entry: str
    """enter, wait or refuse."""
    acts: list[str]
    """Those that are possible now, by the reader."""
    recording: RecordingOut | None
    warnings: list[AttendanceOut]
    """Those that the court has given the reader."""
    now: datetime.datetime
    """The court's time."""


class JoinOut(BaseModel):
    """How one enters: with `url` and `token` as LiveKit's clients take them, or not yet."""

    entry: Literal["enter", "wait"]
    waiting: str
    url: str = ""
    token: str = ""
    room: str = ""
    identity: str = ""
    countdown_until: datetime.datetime | None = None
