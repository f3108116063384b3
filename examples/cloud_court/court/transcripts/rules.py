"""The transcript as a state machine, and who has to sign it."""

from __future__ import annotations

from court.errors import Refusal
from court.hearings.entering import SIDES
from court.hearings.models import Person

MOVES: dict[str, tuple[frozenset[str], str | None, frozenset[str]]] = {
    "type": (frozenset({"live"}), None, frozenset({"clerk"})),
    "correct": (frozenset({"live", "frozen"}), "live", frozenset({"clerk"})),
    "freeze": (frozenset({"live"}), "frozen", frozenset({"judge"})),
    "object": (frozenset({"live", "frozen"}), None, SIDES | {"lawyer", "legal_worker", "witness"}),
    "answer": (frozenset({"live", "frozen"}), None, frozenset({"judge", "clerk"})),
    "sign": (frozenset({"frozen"}), None, SIDES | {"lawyer", "legal_worker", "witness"}),
    "refuse": (frozenset({"frozen"}), None, SIDES | {"lawyer", "legal_worker", "witness", "judge", "clerk"}),
}
"""By act: the states in which it is possible, the state that it leads to (None: the same), and whose it is."""

WRITABLE = frozenset({"open", "recess", "in_camera", "mediation", "suspended", "closed", "signing"})
"""States of the hearing in which there is a transcript to work on."""


def check_move(act: str, state: str, hearing_state: str, role: str) -> str:
    """The state after an act; refuses one that is another's, or impossible now."""
    origins, to, who = MOVES[act]
    if role not in who:
        raise Refusal("role.denied")
    if hearing_state not in WRITABLE:
        raise Refusal("act.impossible", act=act, state=hearing_state)
    if state not in origins:
        raise Refusal("act.impossible", act=act, state=state)
    return to or state


def has_to_sign(person: Person) -> bool:
    """Parties and those who speak for them."""
    return person.role in SIDES | {"lawyer", "legal_worker"} and not person.dismissed
