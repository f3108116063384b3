"""What a connection's Tracks and Subscriptions know of the connection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sfu.clock import Clock
from sfu.events import Event
from sfu.shard.shard import Shard


@dataclass(frozen=True, slots=True)
class MediaContext:
    """Where a connection's media come in or go out, and in whose name; it never changes."""

    room: str
    peer: str
    """Name of the connection's Peer."""
    shard: Shard
    row: int
    """The connection's row in the plane of `shard`."""
    clock: Clock
    post: Callable[[Event], None]
    """Takes events, which are handled once the call under way is over (`session/outbox.py`)."""
