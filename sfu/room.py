"""A routing domain: the Peers that can receive each other's Tracks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Protocol

from sfu.environment import Environment
from sfu.errors import (
    InvalidNameError,
    LocalError,
    NothingPublishedError,
    PeerExistsError,
    RoomFullError,
    UnknownPublisherError,
)
from sfu.event_stream import EventHub, EventStream
from sfu.events import (
    Event,
    PeerJoined,
    PeerLeft,
    TrackEnded,
    TrackMuted,
    TrackPublished,
    TrackUnmuted,
)
from sfu.floor import Floor
from sfu.negotiation import Kind
from sfu.peer import Peer
from sfu.selection import ALL, Selection
from sfu.shard import Shard
from sfu.track import Track


class House(Protocol):
    """A room's Server, as far as the room needs it."""

    def occupy(self, room: Room) -> None:
        """The room gets its first Peer; may raise ServerFullError."""
        ...

    def vacate(self, room: Room) -> None:
        """The room's last Peer has left."""
        ...

    def emit(self, event: Event) -> None:
        """Tell whoever listens to all rooms."""
        ...


class Room:
    """Got by `Server.room`. The Server lists it while it has Peers."""

    def __init__(
        self, name: str, house: House, environment: Environment, choose_shard: Callable[[Shard | None], Shard]
    ) -> None:
        """`choose_shard(preferred)`: where the next connection goes."""
        self.name = name
        self._house = house
        self._environment = environment
        self._choose_shard = choose_shard
        self._shard: Shard | None = None
        self._peers: dict[str, Peer] = {}
        config = environment.config
        self._hub = EventHub(name, max_queued=config.max_queued_events, max_streams=config.max_event_streams)
        self._floor = Floor(name, config, self.emit)

    def __repr__(self) -> str:
        return f"<Room {self.name!r} with {len(self._peers)} Peers>"

    @property
    def peers(self) -> Mapping[str, Peer]:
        """Who is in, by name."""
        return MappingProxyType(self._peers)

    @property
    def tracks(self) -> tuple[Track, ...]:
        """All that is published here."""
        return tuple(track for peer in self._peers.values() for track in peer.tracks)

    @property
    def active_speakers(self) -> tuple[str, ...]:
        """Names of the Peers that speak, by the audio levels that they declare (RFC 6464), the loudest first."""
        return self._floor.active_speakers

    @property
    def dominant_speaker(self) -> str | None:
        """The Peer that leads the conversation, also while it is silent; None before anyone spoke."""
        return self._floor.dominant_speaker

    def set_last_n(self, kind: Kind, limit: int | None) -> None:
        """Forward at most so many Tracks of a kind: of those who speak now, else of those who spoke last.

        Tracks that are not forwarded are `held`, with the events `TrackHeld` and `TrackReleased`. None: forward all.

        Raises:
            ValueError: a negative limit.
        """
        self._floor.set_last_n(kind, limit)

    def pin(self, track: Track) -> None:
        """Forward `track` always; it takes up no place of last-N."""
        self._floor.pin(track)

    def unpin(self, track: Track) -> None:
        """Treat `track` as any other again."""
        self._floor.unpin(track)

    def join(self, name: str, *, leave_when_idle: bool = False, metadata: Mapping[str, Any] | None = None) -> Peer:
        """Let a Peer in.

        Args:
            name: unique in the room.
            leave_when_idle: leave by itself when the last connection closes, or the first fails.
            metadata: kept on the Peer for the embedding program.

        Raises:
            InvalidNameError, PeerExistsError, RoomFullError, ServerFullError: the client's request is refused.
        """
        check_name("Peer", name, self._environment)
        if name == ALL:
            raise InvalidNameError(f"no Peer can be named {ALL!r}: in a selection it stands for everyone")
        if name in self._peers:
            raise PeerExistsError(f"{name!r} is in room {self.name!r} already; choose another name")
        most = self._environment.config.max_peers_per_room
        if len(self._peers) >= most:
            raise RoomFullError("max_peers_per_room", f"room {self.name!r} has its {most} Peers")
        if not self._peers:
            self._house.occupy(self)
        peer = Peer(name, self, self._environment, leave_when_idle=leave_when_idle, metadata=metadata or {})
        self._peers[name] = peer
        self.emit(PeerJoined(self.name, name))
        return peer

    def events(self) -> EventStream:
        """What happens here from now on. May raise LimitError."""
        return self._hub.open(self)

    def close(self, reason: str = "room_closed") -> None:
        """Make all Peers leave."""
        for peer in list(self._peers.values()):
            peer.leave(reason)

    # for its Peers

    def check_publisher(self, selection: Selection) -> None:
        """See `Venue.check_publisher`."""
        if selection is None or selection == ALL:
            return
        if isinstance(selection, str):
            publisher = self._peers.get(selection)
            if publisher is None:
                raise UnknownPublisherError(f"no Peer {selection!r} is in room {self.name!r}")
            if not publisher.tracks:
                raise NothingPublishedError(f"{selection!r} publishes nothing in room {self.name!r} yet")
            return
        for track in selection:
            if track not in self.tracks:
                raise LocalError(f"{track!r} has ended, or is not of room {self.name!r}")

    def choose_shard(self) -> Shard:
        """A place for one more connection: where the room is already, unless another shard is less loaded."""
        self._shard = self._choose_shard(self._shard)
        return self._shard

    def emit(self, event: Event) -> None:
        """Tell the readers of the room's events, and of the Server's."""
        self._hub.publish(event)
        self._house.emit(event)

    def handle_published(self, track: Track) -> None:
        """See `Venue.handle_published`."""
        self.emit(TrackPublished(self.name, track.peer, track.id, track.kind, track.codec.name))
        self._floor.add(track)
        for peer in list(self._peers.values()):
            peer.offer_track(track)

    def handle_muted(self, track: Track) -> None:
        """See `Venue.handle_muted`."""
        kind = TrackMuted if track.muted else TrackUnmuted
        self.emit(kind(self.name, track.peer, track.id))
        self.update_speakers(self._environment.clock())

    def handle_ended(self, track: Track) -> None:
        """See `Venue.handle_ended`."""
        self.emit(TrackEnded(self.name, track.peer, track.id))
        self._floor.remove(track, self._environment.clock())

    def handle_left(self, peer: Peer) -> None:
        """See `Venue.handle_left`."""
        del self._peers[peer.name]
        self.emit(PeerLeft(self.name, peer.name))
        if not self._peers:
            self._house.vacate(self)

    # for its Server

    def update_speakers(self, now: float) -> None:
        """See who speaks now."""
        if not self._floor.idle:
            self._floor.update(now)

    def end_events(self) -> None:
        """End the streams of events."""
        self._hub.close()


def check_name(what: str, name: str, environment: Environment) -> None:
    """Raise InvalidNameError unless `name` has 1 to `max_name_length` printable characters."""
    most = environment.config.max_name_length
    if not 1 <= len(name) <= most or not name.isprintable():
        raise InvalidNameError(f"the name of a {what} has 1 to {most} printable characters, not {name[:most]!r}")
