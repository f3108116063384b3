"""What a connection's Tracks and Subscriptions know of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sfu.clock import Clock
from sfu.events import Event
from sfu.shard.shard import Shard


@dataclass(frozen=True, slots=True)
class MediaContext:
    """Where media come in or go out, and in whose name: the same for all of a connection, for as long as it lasts."""

    room: str
    peer: str
    """Name of the connection's Peer."""
    shard: Shard
    row: int
    """The connection's, in the plane of `shard`."""
    clock: Clock
    post: Callable[[Event], None]
    """Takes what happens; it is told of once the call under way is over (`session/outbox.py`)."""
