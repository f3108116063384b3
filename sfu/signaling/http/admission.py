"""Whether somebody who would come new is let in: asked of what an operator, or an embedding program, has put here.

`Authorizer` says who may do what; an `Admission` says whether there is room for it now. It is asked once a token was
found good, and only for what is new: who is in stays, negotiates anew and restarts ICE without being asked of.
"""

from __future__ import annotations

import collections
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

from sfu import Server
from sfu.errors import RemoteError

Wanted = Literal["room", "peer", "recording"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What somebody with a good token asks for."""

    wants: frozenset[Wanted]
    """All that this would make: a Peer in a room that is open is `peer`, one who opens it is `room` and `peer`, a room
    that is made before anybody is in it is `room` alone.
    """
    room: str
    """The room's name."""
    tenant: str = ""
    """Whose key has signed the token (`Grants.tenant`); empty: not known."""
    returning: bool = False
    """Whether it is a Peer that was in this room a moment ago, and comes back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why it is refused, as clients are told."""

    reason: str
    """One word of a few, such as `plane_load`: metrics count by it, and programs go by it."""
    title: str
    """A short, constant summary for people."""
    detail: str
    """What is the matter, and what to do about it."""
    retry_after: float
    """Seconds after which to try again."""
    status: int = 503
    """503: the server cannot now; 429: the tenant has as much as it may have (RFC 6585 section 4)."""
    limit: float | None = None
    """The bound that was met, and how much is used of it; for programs."""
    used: float | None = None


class Admission(Protocol):
    """Has room for what comes new, or not."""

    def check(self, demand: Demand) -> Refusal | None:
        """Return why a demand is refused; None: it is not. Must return at once, since it is called on the event loop
        for each request that would make something; what it lets pass may still fail for another reason.
        """
        ...


class Admissions:
    """Several of them: what any refuses is refused, for the reason of the first. Counts what is refused."""

    def __init__(self, asked: Iterable[Admission] = ()) -> None:
        self._asked = list(asked)
        self.refused: collections.Counter[str] = collections.Counter()
        """Demands, by the reason for which they were refused."""

    def add(self, admission: Admission) -> None:
        """Ask one more, after all others."""
        self._asked.append(admission)

    def check(self, demand: Demand) -> Refusal | None:
        """See `Admission.check`."""
        for admission in self._asked:
            refusal = admission.check(demand)
            if refusal is not None:
                self.refused[refusal.reason] += 1
                return refusal
        return None


class NotAdmittedError(RemoteError):
    """There is no room for what a client asks for; `refusal` says why, and when to ask again."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.detail)
        self.status = refusal.status
        self.title = refusal.title
        self.retry_after = refusal.retry_after
        self.refusal = refusal


def admit(admission: Admission, server: Server, wanted: Wanted, room: str, *, tenant: str = "", peer: str = "") -> None:
    """Raise NotAdmittedError if there is no room for what is wanted, and for the room itself if it is not open yet.

    `peer`: the name of who would come. Who is in the room already is not asked of.
    """
    present = server.rooms.get(room)
    if peer and present is not None and peer in present.peers:
        return
    wants = {wanted}
    is_open = server.attendance.find_opener(room) is not None
    if wanted == "room" and is_open:
        return
    if wanted == "peer" and not is_open:
        wants.add("room")
    returning = bool(peer) and server.attendance.is_returning(room, peer)
    refusal = admission.check(Demand(wants=frozenset(wants), room=room, tenant=tenant, returning=returning))
    if refusal is not None:
        raise NotAdmittedError(refusal)
