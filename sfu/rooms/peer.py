"""One remote client in a room: it publishes, subscribes, or both, over one or more connections."""

from __future__ import annotations

import collections
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sfu.errors import ConnectionClosedError, LimitError, LocalError
from sfu.media.subscription import Subscription
from sfu.media.track import Track
from sfu.negotiation import Kind
from sfu.negotiation.types import is_msid_id
from sfu.session.answering import Answered
from sfu.session.client_offered import ClientOffered
from sfu.session.connection import Connection, Msid
from sfu.session.context import ConnectionContext
from sfu.session.events import SessionEvent
from sfu.session.outbox import Outbox
from sfu.session.selection import ALL, Selection, choose_tracks
from sfu.session.server_offered import ServerOffered
from sfu.session.steered import Steered
from sfu.session.track_quota import TrackQuota
from sfu.shard.environment import Environment
from sfu.shard.shard import Shard

_MOST_SUBJECTS = 16


@dataclass(frozen=True)
class Departed:
    """A Peer has closed its connections and leaves the room."""

    peer: Peer
    reason: str


class PeerOwner(Protocol):
    """What a Peer asks its room."""

    @property
    def name(self) -> str:
        """The room's name."""
        ...

    @property
    def tracks(self) -> Sequence[Track]:
        """All Tracks in the room."""
        ...

    def check_publisher(self, selection: Selection) -> None:
        """Raise a RemoteError if `selection` names a Peer that is not there or publishes nothing."""
        ...

    def choose_shard(self) -> Shard:
        """Return the shard for one more connection."""
        ...


class Peer:
    """One client in a room; `Room.join` makes it."""

    def __init__(
        self,
        name: str,
        owner: PeerOwner,
        environment: Environment,
        outbox: Outbox[SessionEvent | Departed],
        *,
        subject: str | None = None,
        named: bool = False,
        tenant: str = "",
        leave_when_idle: bool,
        metadata: Mapping[str, Any],
    ) -> None:
        """`outbox` takes the events of the Peer's connections, and `Departed` when it leaves."""
        self.name = name
        self._subjects = collections.deque(() if subject is None else (subject,), maxlen=_MOST_SUBJECTS)
        self.named = named
        """Whether the client's credentials say its name, too."""
        self.tenant = tenant
        """Whose key let the client in; empty: not known."""
        self.metadata = metadata
        """Whatever the embedding program wants to remember here."""
        self.left = False
        self.stream_id = _stream_id(name)
        """The `msid` stream that its Tracks carry: its name where SDP allows that, else a digest of it."""
        self._cname = environment.new_id() + environment.new_id()[:8]  # 96 random bits, RFC 7022 section 4.2
        self._owner = owner
        self._environment = environment
        self._outbox = outbox
        self._quota = TrackQuota(environment.config.max_tracks_per_peer)
        self._leave_when_idle = leave_when_idle
        self._connections: dict[str, Connection] = {}

    def __repr__(self) -> str:
        return f"<Peer {self.name!r} in {self._owner.name!r}>"

    @property
    def subject(self) -> str | None:
        """Who the client is by its credentials; None: it came without."""
        return self._subjects[-1] if self._subjects else None

    @property
    def subjects(self) -> tuple[str, ...]:
        """The Peer's subjects so far, the newest last."""
        return tuple(self._subjects)

    @property
    def connections(self) -> tuple[Connection, ...]:
        """The Peer's open connections, oldest first."""
        return tuple(self._connections.values())

    @property
    def tracks(self) -> tuple[Track, ...]:
        """The Tracks that the Peer publishes."""
        return tuple(track for connection in self._connections.values() for track in connection.tracks)

    @property
    def subscriptions(self) -> tuple[Subscription, ...]:
        """The Subscriptions of the Peer, on all its connections."""
        return tuple(held for connection in self._connections.values() for held in connection.subscriptions)

    def answer(
        self,
        offer: str,
        *,
        subscribe: Selection = None,
        publish: bool = True,
        data: bool | None = None,
        replaces: Sequence[Connection] = (),
    ) -> Answered[ClientOffered]:
        """Open a connection from the client's SDP offer.

        Args:
            offer: the client's session description.
            subscribe: the Tracks for the media sections in which the client can receive.
            publish: whether the client may send.
            data: whether its data channels are taken (`Connection.data`); None: what `Config.data_channels` says.
            replaces: connections of this Peer that the caller closes once the new one stands. They and their Tracks
                do not count towards its limits.

        Raises:
            RemoteError: the client is at fault, or a limit is reached. Nothing stays behind, and a Peer with
                `leave_when_idle` and no other connection has left.
        """
        self._quota.replaced = frozenset(connection.id for connection in replaces)
        try:
            self._check_room_for_connection()
            self._owner.check_publisher(subscribe)
            with self._outbox:
                answered = ClientOffered.open(
                    self._context(),
                    offer,
                    publish=publish,
                    select=lambda: self._choose(subscribe),
                    data=self._environment.config.data_channels if data is None else data,
                )
                self._connections[answered.connection.id] = answered.connection
            return answered
        finally:
            self._quota.replaced = frozenset()
            self.leave_if_idle()

    def steer(
        self,
        offer: str,
        *,
        request: Mapping[Track, Msid | None] | None = None,
        prefer: Mapping[str, str] | None = None,
        publish: bool = True,
        data: bool | None = None,
    ) -> Answered[Steered]:
        """Open a connection from the client's SDP offer, on which you say Track by Track what it receives.

        Args:
            offer: the client's.
            request: what it receives at once; see `Steered.request`.
            prefer: in which codecs it sends what; see `Steered.prefer`.
            publish: whether the client may send.
            data: whether its data channels are taken (`Connection.data`); None: what `Config.data_channels` says.

        Raises:
            RemoteError: as `answer` does.
        """
        try:
            self._check_room_for_connection()
            taken = self._environment.config.data_channels if data is None else data
            with self._outbox:
                answered = Steered.open(
                    self._context(), offer, publish=publish, requested=request or {}, prefer=prefer or {}, data=taken
                )
                self._connections[answered.connection.id] = answered.connection
            return answered
        finally:
            self.leave_if_idle()

    def offer(
        self,
        *,
        subscribe: Selection = ALL,
        publish: Iterable[Kind] = (),
        data: bool | None = None,
        reuse_sections: bool = True,
    ) -> ServerOffered:
        """Open a connection on which we make the offers: give `connection.offer()` to the client, and its answer to
        `connection.accept`. Tracks published later are added by themselves if `subscribe` selects them.

        Args:
            subscribe: what the client receives.
            publish: kinds of media that the client is invited to send, one Track each.
            data: whether data channels are offered (`Connection.data`); None: what `Config.data_channels` says.
            reuse_sections: whether a media section that is free again carries another Track. A browser's receiver
                keeps the id of its first one, so a client that goes by the ids of Tracks needs new sections instead,
                as long as `Config.max_media_per_connection` leaves any.

        Raises:
            RemoteError: as `answer` does.
        """
        try:
            self._check_room_for_connection()
            self._owner.check_publisher(subscribe)
            taken = self._environment.config.data_channels if data is None else data
            connection = ServerOffered(
                self._context(), selection=subscribe, publish=publish, data=taken, reuse_sections=reuse_sections
            )
            self._connections[connection.id] = connection
            try:
                for track in self._choose(subscribe)[: self._environment.config.max_media_per_connection]:
                    connection.subscribe(track)
            except BaseException:
                connection.close("refused")
                raise
            return connection
        finally:
            self.leave_if_idle()

    def subscribe(self, track: Track) -> Subscription:
        """Receive `track` on the Peer's first server-offered connection; see `ServerOffered.subscribe`.

        Raises:
            LocalError: the Peer has no such connection.
        """
        for connection in self._connections.values():
            if isinstance(connection, ServerOffered):
                return connection.subscribe(track)
        raise LocalError(f"{self!r} has no server-offered connection; open one with Peer.offer")

    def renew_subject(self, subject: str) -> None:
        """Add a subject: the client has shown other credentials, which let it go on as this Peer."""
        if subject not in self._subjects:
            self._subjects.append(subject)

    def leave(self, reason: str = "left") -> None:
        """Close all connections and leave the room. Idempotent."""
        if self.left:
            return
        self.left = True
        for connection in self.connections:
            connection.close(reason)
        self._outbox.post(Departed(self, reason))

    # from its room

    def offer_track(self, track: Track) -> None:
        """Add a Track that was published to the connections that want it."""
        for connection in self.connections:
            if isinstance(connection, ClientOffered):
                connection.handle_published(track)
            elif isinstance(connection, ServerOffered) and connection.wants(track):
                try:
                    connection.subscribe(track)
                except LimitError:
                    connection.shard.drops["drop_subscription_over_media_limit"] += 1

    def forget(self, connection: str) -> None:
        """Forget a connection that has closed."""
        self._connections.pop(connection, None)

    def leave_if_idle(self) -> None:
        """Leave the room if no connection is left and the Peer was joined with `leave_when_idle`."""
        if self._leave_when_idle and not self._connections and not self.left:
            self.leave("idle")

    def _choose(self, selection: Selection) -> list[Track]:
        return choose_tracks(selection, self._owner.tracks, subscriber=self.name)

    def _check_room_for_connection(self) -> None:
        if self.left:
            raise ConnectionClosedError(f"{self.name!r} has left the room; join again")
        most = self._environment.config.max_connections_per_peer
        if len(self._connections.keys() - self._quota.replaced) >= most:
            raise LimitError("max_connections_per_peer", f"a Peer may have {most} connections; close one first")

    def _context(self) -> ConnectionContext:
        return ConnectionContext(
            self._environment,
            self._owner.choose_shard(),
            room=self._owner.name,
            peer=self.name,
            stream_id=self.stream_id,
            cname=self._cname,
            outbox=self._outbox,
            quota=self._quota,
        )


def _stream_id(name: str) -> str:
    if is_msid_id(name):
        return name
    return f"peer-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"
