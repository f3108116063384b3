"""The exhibit as a state machine: draft > submitted > presented > examined > admitted or excluded; or withdrawn, or
replaced by a new edition.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, or_

from court.errors import Refusal
from court.exhibits.models import Exhibit
from court.hearings.rules import BEFORE, OVER
from court.hearings.standing import Standing

STATES = ("draft", "submitted", "presented", "examined", "admitted", "excluded", "withdrawn", "replaced")
SUBMITTED = ("submitted", "presented", "examined", "admitted", "excluded")
PRESENTED = SUBMITTED[1:]
OWNER, JUDGE, CLERK = "owner", "judge", "clerk"


@dataclass(frozen=True, slots=True)
class Move:
    """One allowed move."""

    act: str
    origins: frozenset[str]
    to: str
    who: frozenset[str]
    during: str
    """`before` the opening, while it is `open` to be worked on, `any` time until the close."""


def _move(act: str, origins: str, to: str, who: str, during: str) -> Move:
    return Move(act, frozenset(origins.split()), to, frozenset(who.split()), during)


MOVES = {
    move.act: move
    for move in (
        _move("submit", "draft", "submitted", OWNER, "any"),
        _move("withdraw", "submitted", "withdrawn", OWNER, "before"),
        _move("replace", "submitted", "replaced", OWNER, "before"),
        _move("order_withdrawal", "submitted presented examined", "withdrawn", JUDGE, "any"),
        _move("present", "submitted", "presented", "judge clerk owner", "open"),
        _move("examine", "presented", "examined", JUDGE, "open"),
        _move("admit", "examined", "admitted", JUDGE, "any"),
        _move("exclude", "examined", "excluded", JUDGE, "any"),
    )
}


def find_move(act: str, exhibit_state: str, hearing_state: str, roles: frozenset[str]) -> Move:
    """The move that this is; refuses one that is unknown, another's, or impossible now."""
    move = MOVES.get(act)
    if move is None:
        raise Refusal("act.unknown", act=act)
    if not roles & move.who:
        raise Refusal("role.denied")
    during = {
        "before": hearing_state in BEFORE,
        "open": hearing_state in ("open", "in_camera"),
        "any": hearing_state not in OVER,
    }
    if exhibit_state not in move.origins or not during[move.during]:
        raise Refusal("act.impossible", act=act, state=exhibit_state if during[move.during] else hearing_state)
    return move


def visible_to(standing: Standing) -> ColumnElement[bool]:
    """The exhibits that somebody sees: his own; the court all but drafts; the sides what was submitted; others what was
    presented. A witness who waits sees none.
    """
    own = None if standing.person is None else standing.person.id
    here = Exhibit.hearing_id == standing.hearing.id
    if not standing.sees_proceedings:
        return and_(here, Exhibit.id.is_(None))
    if standing.is_host:
        return and_(here, Exhibit.state != "draft")
    states = PRESENTED if standing.role in ("gallery", "witness", "technician") else SUBMITTED
    return and_(here, or_(Exhibit.person_id == own, Exhibit.state.in_(states)))
