"""Where rooms live, for a server that is one of several: asked of what a cluster, or an embedding program, puts here.

A room lives on one node, its home. Who comes to another one is led there: by a redirect over HTTP, by a word of the
protocol elsewhere. A server alone asks nobody, since all of its rooms are `Here`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sfu.errors import RemoteError


@dataclass(frozen=True, slots=True)
class Home:
    """Another node."""

    url: str
    """Where clients reach it, without a slash at the end."""
    region: str = ""


class UnknownHomeError(RemoteError):
    """Nobody can say now whose a room is, so it is not opened here: it could be open elsewhere already."""

    status = 503
    title = "Room not found yet"
    retry_after = 1.0


class Homes(Protocol):
    """Knows which node a room is to be entered at."""

    async def enter(self, room: str) -> Home | None:
        """Somebody with a good token is about to open the room, or to come into it: return where; None: here, and from
        now on no other node opens it. Who then does not come need not say so.

        Raises:
            UnknownHomeError: nobody can say.
        """
        ...

    async def find(self, room: str) -> Home | None:
        """Return which other node has the room open; None: we have it, or nobody has, as far as is known."""
        ...

    @property
    def us(self) -> Home | None:
        """As other nodes send clients to this one; None: it is no node of a cluster."""
        ...

    @property
    def others(self) -> Sequence[Home]:
        """All other nodes that clients can be sent to, the nearest first."""
        ...


class Here:
    """The homes of a server alone."""

    us: Home | None = None
    others: Sequence[Home] = ()

    async def enter(self, room: str) -> Home | None:
        """Return None: it is here."""
        return None

    async def find(self, room: str) -> Home | None:
        """Return None: it is here."""
        return None
