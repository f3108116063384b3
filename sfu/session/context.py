"""The context of a connection: where it belongs, and whose it is."""

from __future__ import annotations

from dataclasses import dataclass

from sfu.session.events import SessionEvent
from sfu.session.outbox import Outbox
from sfu.session.track_quota import TrackQuota
from sfu.shard.environment import Environment
from sfu.shard.shard import Shard


@dataclass(frozen=True)
class ConnectionContext:
    """Where a connection belongs, and in whose name it publishes."""

    environment: Environment
    shard: Shard
    room: str
    peer: str
    stream_id: str
    cname: str
    outbox: Outbox[SessionEvent]
    """The queue that takes the connection's events."""
    quota: TrackQuota
