"""Where a connection belongs, and who is told of what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from sfu.media.encoding import Encoding
from sfu.media.subscription import Subscription
from sfu.media.track import Track
from sfu.shard.environment import Environment
from sfu.shard.shard import Shard

if TYPE_CHECKING:
    from sfu.session.connection import Connection


class Listener(Protocol):
    """Who is told of a connection's changes: its Peer."""

    def check_tracks(self, added: int) -> None:
        """Raise LimitError if the Peer may not publish `added` more Tracks."""
        ...

    def handle_state(self, connection: Connection, reason: str) -> None:
        """`connection.state` has changed; the first change makes a client-offered connection known."""
        ...

    def handle_published(self, track: Track) -> None:
        """A Track is there."""
        ...

    def handle_ended(self, track: Track) -> None:
        """A Track has ended."""
        ...

    def handle_muted(self, track: Track) -> None:
        """A Track's `muted` has changed."""
        ...

    def handle_encoding(self, track: Track, encoding: Encoding) -> None:
        """An Encoding's `active` has changed."""
        ...

    def handle_wanted(self, track: Track, encoding: Encoding) -> None:
        """An Encoding's `wanted` has changed."""
        ...

    def handle_starved(self, subscription: Subscription) -> None:
        """A Subscription's `starved` has changed."""
        ...

    def handle_negotiation_needed(self, connection: Connection) -> None:
        """A server-offered connection has changes to offer."""
        ...


@dataclass(frozen=True)
class Home:
    """Where a connection belongs, and in whose name it publishes."""

    environment: Environment
    shard: Shard
    peer: str
    stream_id: str
    cname: str
    listener: Listener
