"""What one process hands to the next: its sockets, its rooms, and its recordings, which go on."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sfu.node.restart.channel import MOST_SOCKETS

VERSION = 2
"""Of the message. A successor that does not take it is refused before anything ends."""

DESCRIPTOR = "_SFU_PREDECESSOR"
"""Environment variable: the descriptor by which a successor speaks to its predecessor."""


class HandoverError(Exception):
    """What was handed over cannot be used; the message says why."""


@dataclass(slots=True, kw_only=True)
class Handover:
    """All of it."""

    http: socket.socket
    """The listener for HTTP and all else that comes by TCP."""
    metrics: socket.socket | None = None
    """The one for operators."""
    udp: list[socket.socket] = field(default_factory=list)
    """The shards'."""
    accepted: list[socket.socket] = field(default_factory=list)
    """Connections of the first listener, of which nothing has been read."""
    state: dict[str, Any] = field(default_factory=dict)
    """JSON: `dev_secret`, `turn_secret`, and what `hand_over_rooms` returns."""

    def pack(self) -> tuple[dict[str, Any], list[socket.socket]]:
        """Return the message, and the sockets in the order in which it names them."""
        listeners = [self.http, *([] if self.metrics is None else [self.metrics])]
        accepted = self.accepted[: MOST_SOCKETS - len(listeners) - len(self.udp)]
        counts = {"metrics": len(listeners) - 1, "udp": len(self.udp), "accepted": len(accepted)}
        sockets = [*listeners, *self.udp, *accepted]
        return {"version": VERSION, "sockets": counts, "state": self.state}, sockets

    @classmethod
    def unpack(cls, message: dict[str, Any], sockets: Sequence[socket.socket]) -> Handover:
        """Read what `pack` has made. Raises HandoverError."""
        try:
            metrics, udp, accepted = (int(message["sockets"][each]) for each in ("metrics", "udp", "accepted"))
            state = message["state"]
        except (KeyError, TypeError, ValueError) as error:
            raise HandoverError("this is no handover") from error
        if message.get("version") != VERSION or not isinstance(state, dict) or metrics not in (0, 1):
            raise HandoverError("the process before is of another version: stop it, and start anew")
        if min(udp, accepted) < 0 or len(sockets) != 1 + metrics + udp + accepted:
            raise HandoverError(f"{len(sockets)} sockets have come instead of {1 + metrics + udp + accepted}")
        return cls(
            http=sockets[0],
            metrics=sockets[1] if metrics else None,
            udp=list(sockets[1 + metrics : 1 + metrics + udp]),
            accepted=list(sockets[1 + metrics + udp :]),
            state=state,
        )

    def close(self) -> None:
        """Close the sockets here."""
        for each in (self.http, self.metrics, *self.udp, *self.accepted):
            if each is not None:
                each.close()
