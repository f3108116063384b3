"""The hearing as a state machine: which act is possible in which state, whose it is, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from court.errors import Refusal

Ground = Literal["recess", "closed_evidence", "mediation"]

STATES = (
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
)
PHASES = ("statement", "evidence", "argument", "closing")
BEFORE = frozenset({"scheduled", "waiting"})
SITTING = frozenset({"open", "recess", "in_camera", "mediation", "suspended"})
OVER = frozenset({"closed", "signing", "sealed"})

GROUNDS: dict[str, Ground] = {"recess": "recess", "in_camera": "closed_evidence", "mediation": "mediation"}
"""The states in which the recording pauses, and why that is lawful: no others are (Recording Provisions, 2017)."""


@dataclass(frozen=True, slots=True)
class Move:
    """One allowed move. `to` None: the state stays."""

    act: str
    origins: frozenset[str]
    to: str | None
    who: frozenset[str]


def _move(act: str, origins: str, to: str | None, who: str) -> Move:
    return Move(act, frozenset(origins.split()), to, frozenset(who.split()))


MOVES = {
    move.act: move
    for move in (
        _move("gather", "scheduled", "waiting", "judge clerk system"),
        _move("reschedule", "scheduled waiting suspended", "scheduled", "judge clerk"),
        _move("open", "scheduled waiting", "open", "judge"),
        _move("phase", "open in_camera", None, "judge"),
        _move("recess", "open", "recess", "judge"),
        _move("in_camera", "open", "in_camera", "judge"),
        _move("mediation", "open", "mediation", "judge"),
        _move("suspend", "open recess in_camera mediation", "suspended", "judge"),
        _move("resume", "recess in_camera mediation suspended", "open", "judge"),
        _move("close", "open recess mediation suspended", "closed", "judge"),
        _move("restart_recording", "open recess in_camera mediation suspended", None, "judge technician"),
        _move("request_signatures", "closed signing", "signing", "judge"),
        _move("seal", "closed signing", "sealed", "judge"),
    )
}
"""By act. Guards that need rows stand where the act is performed."""


def find_move(act: str, state: str, role: str) -> Move:
    """The move that this is; raises Refusal for an act that is unknown, another's, or impossible now."""
    move = MOVES.get(act)
    if move is None:
        raise Refusal("act.unknown", act=act)
    if role not in move.who:
        raise Refusal("role.denied")
    if state not in move.origins:
        raise Refusal("act.impossible", act=act, state=state)
    return move
