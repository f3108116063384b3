"""Who enters the room of a hearing, and when: decided here and nowhere else, from values alone."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from court.hearings.models import Hearing, Person
from court.hearings.rules import BEFORE, OVER

HOSTS = frozenset({"judge", "clerk"})
PREPARE = HOSTS | {"courtroom", "technician"}
"""They enter before the opening."""
WATCH_ONLY = frozenset({"gallery", "technician"})
SIDES = frozenset({"plaintiff", "defendant", "third_party"})
ROLES = frozenset(
    {*PREPARE, *WATCH_ONLY, *SIDES, "lawyer", "legal_worker", "witness", "interpreter"},
)
INVITED = ROLES - {"technician"}
NOT_IN_CAMERA = frozenset({"gallery", "witness"})
"""They leave when the public is excluded; a witness is called again."""
PROCEEDINGS = ROLES - {"witness"}

PUBLISH = frozenset({"camera", "microphone"})
PUBLISH_SCREEN = PUBLISH | {"screen_share", "screen_share_audio"}


@dataclass(frozen=True, slots=True)
class Decision:
    """`enter`, `wait` with a text that the waiting room shows, or `refuse` with a code."""

    what: str
    why: str = ""


ENTER = Decision("enter")


def decide_entry(hearing: Hearing, person: Person, now: datetime.datetime, about_to_begin: int) -> Decision:
    """Whether somebody enters now."""
    state, role = hearing.state, person.role
    if state in OVER:
        return Decision("refuse", "hearing.closed")
    if person.dismissed:
        return Decision("refuse", "hearing.dismissed")
    if role in PREPARE:
        return ENTER
    if role == "witness":
        called = person.called and state in ("open", "in_camera")
        return ENTER if called else Decision("wait", tell_waiting(hearing, now, about_to_begin))
    if role == "gallery":
        if not hearing.public or state in ("in_camera", "mediation"):
            return Decision("refuse", "hearing.in_camera")
        return ENTER if state not in BEFORE else Decision("wait", tell_waiting(hearing, now, about_to_begin))
    if state in BEFORE and not person.admitted:
        return Decision("wait", tell_waiting(hearing, now, about_to_begin))
    return ENTER


def tell_waiting(hearing: Hearing, now: datetime.datetime, about_to_begin: int) -> str:
    """How things stand: early, about_to_begin, delayed, paused, suspended, closed, or open (one is not let in yet)."""
    match hearing.state:
        case "scheduled" | "waiting":
            left = (hearing.start - now).total_seconds()
            if left > about_to_begin:
                return "early"
            return "about_to_begin" if left >= 0 else "delayed"
        case "recess":
            return "paused"
        case "suspended":
            return "suspended"
        case "closed" | "signing" | "sealed":
            return "closed"
        case _:
            return "open"


def find_change(hearing: Hearing, now: datetime.datetime, about_to_begin: int) -> datetime.datetime | None:
    """When what the waiting room says changes by itself; None: it waits for the court."""
    moments = (hearing.start - datetime.timedelta(seconds=about_to_begin), hearing.start)
    return next((each for each in moments if hearing.state in BEFORE and each >= now), None)


def sees_proceedings(person: Person) -> bool:
    """Whether somebody may know what is said and shown: a witness only once called."""
    return not person.dismissed and (person.role in PROCEEDINGS or person.called)


def list_sources(hearing: Hearing, person: Person) -> frozenset[str]:
    """What somebody may publish now, in the words of tokens."""
    if person.role in WATCH_ONLY:
        return frozenset()
    sources = PUBLISH_SCREEN if person.role in HOSTS | SIDES | {"lawyer", "legal_worker", "courtroom"} else PUBLISH
    return sources - {"microphone", "screen_share_audio"} if person.locked else sources
