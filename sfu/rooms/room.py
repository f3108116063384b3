"""A routing domain: the Peers that can receive each other's Tracks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Protocol

from sfu.errors import (
    InvalidNameError,
    LocalError,
    PeerExistsError,
    RoomFullError,
)
from sfu.events import ConnectionState, ConnectionStateChanged, Event, PeerJoined, PeerLeft, PeerRemoved, RoomClosed
from sfu.media.track import Track
from sfu.negotiation import Kind
from sfu.recording.feed import Feed
from sfu.recording.recording import Recording
from sfu.rooms.attendance import Attendance
from sfu.rooms.event_stream import EventHub, EventStream
from sfu.rooms.listening import Listening
from sfu.rooms.moderation import Moderation
from sfu.rooms.name_holders import NameHolders
from sfu.rooms.names import parse_name
from sfu.rooms.peer import Departed, Peer
from sfu.rooms.peer_names import check_publisher, find_usurpers
from sfu.rooms.recorded_room import RecordedRoom
from sfu.rooms.room_state import RoomState
from sfu.rooms.tracks import RoomTracks
from sfu.session.events import MuteChanged, SessionEvent, TrackAdded, TrackRemoved
from sfu.session.outbox import Outbox
from sfu.session.selection import ALL, Selection
from sfu.shard.environment import Environment
from sfu.shard.shard import Shard


class RoomOwner(Protocol):
    """What a Room asks its Server."""

    def occupy(self, room: Room) -> None:
        """List the room, which gets its first Peer; may raise ServerFullError."""
        ...

    def vacate(self, room: Room) -> None:
        """List the room no more, since its last Peer has left."""
        ...

    def retain(self, room: Room) -> None:
        """Keep the room, also while it is empty, for as long as it is guarded."""
        ...

    def retain_private(self, room: Room) -> bool:
        """Keep a room that becomes private, and return True; may raise ServerFullError."""
        ...

    def keep(self, room: Room, recording: Recording) -> None:
        """Keep the room while it is recorded, also while it is empty, and close the record when the server closes."""
        ...

    @property
    def feed(self) -> Feed:
        """The feed that brings recorders the packets of all shards; may raise LocalError."""
        ...

    @property
    def attendance(self) -> Attendance:
        """Who counts the Peers that come and go."""
        ...


class Room(RecordedRoom):
    """A routing domain; `Server.room` returns it. The Server lists it while it has Peers."""

    def __init__(
        self,
        name: str,
        owner: RoomOwner,
        environment: Environment,
        choose_shard: Callable[[Shard | None], Shard],
        hub: EventHub,
        listening: Listening,
    ) -> None:
        """`choose_shard(preferred)` returns the shard for the next connection. `hub` takes the events of all rooms.
        `listening` calls `update_speakers` of those that have a microphone.
        """
        self.name = name
        self._owner = owner
        self._environment = environment
        self._choose_shard = choose_shard
        self._listening = listening
        self._shard: Shard | None = None
        self._peers: dict[str, Peer] = {}
        config = environment.config
        self._holders = NameHolders(config.max_held_names)
        self._moderation = Moderation(name)
        self._hub = EventHub(name, max_queued=config.max_queued_events, max_streams=config.max_event_streams, wider=hub)
        self._outbox: Outbox[SessionEvent | Departed] = Outbox()
        self._tracks = RoomTracks(name, environment, self._hub, self._moderation, self._peers)

    def __repr__(self) -> str:
        return f"<Room {self.name!r} with {len(self._peers)} Peers>"

    @property
    def peers(self) -> Mapping[str, Peer]:
        """The Peers in the room, by name."""
        return MappingProxyType(self._peers)

    @property
    def tracks(self) -> tuple[Track, ...]:
        """The Tracks that are published in the room."""
        return tuple(track for peer in self._peers.values() for track in peer.tracks)

    @property
    def active_speakers(self) -> tuple[str, ...]:
        """Names of the Peers that speak, by the audio levels that they declare (RFC 6464), the loudest first."""
        return self._tracks.speakers.active_speakers

    @property
    def speaker_levels(self) -> Mapping[str, float]:
        """How loud each of them is now, in dBov: 0 is the loudest that there is, -127 silence."""
        return MappingProxyType(self._tracks.speakers.levels)

    @property
    def dominant_speaker(self) -> str | None:
        """The Peer that leads the conversation, also while it is silent; None before anyone spoke."""
        return self._tracks.speakers.dominant_speaker

    def set_last_n(self, kind: Kind, limit: int | None) -> None:
        """Forward at most `limit` Tracks of a kind (last-N): those of who speaks now, then of who spoke last.

        Tracks that are not forwarded are `held`, with the events `TrackHeld` and `TrackReleased`. None: forward all.

        Raises:
            ArgumentError: a negative limit.
        """
        self._tracks.speakers.set_last_n(kind, limit)

    def pin(self, track: Track) -> None:
        """Always forward `track`; it does not count towards last-N."""
        self._tracks.speakers.pin(track)

    def unpin(self, track: Track) -> None:
        """Undo `pin`: last-N decides about `track` again."""
        self._tracks.speakers.unpin(track)

    def join(
        self,
        name: str,
        *,
        subject: str | None = None,
        named: bool = False,
        tenant: str = "",
        leave_when_idle: bool = False,
        metadata: Mapping[str, Any] | None = None,
    ) -> Peer:
        """Let a Peer in.

        Args:
            name: unique in the room; `Peer.name` has it in its normal form (NFKC).
            subject: who the client is by its credentials, such as an account or a token.
            named: whether those credentials say the name, too. Then it is the subject's own while the room lives:
                others can have neither that name nor one that looks like it, and a Peer that has such a name without
                credentials must leave.
            tenant: whose key let the client in; `Server.attendance` counts by it.
            leave_when_idle: whether the Peer leaves by itself when its last connection closes, or its first one fails.
            metadata: kept on the Peer for the embedding program.

        Raises:
            RemoteError: the client's request is refused, as InvalidNameError, NameHeldError, PeerExistsError,
                ExcludedError, RoomClosedError, RoomFullError or ServerFullError.
            LocalError: `named` without a `subject`.
        """
        if named and subject is None:
            raise LocalError("a name can be held for a subject only; say which one")
        name = parse_name("peer", name, self._environment.config.max_name_length)
        if name == ALL:
            raise InvalidNameError(f"No peer can be named {ALL!r}: in a selection it stands for everyone.")
        self._moderation.check(subject, self._environment.clock(), name)
        self._holders.check(name, subject)
        displaced = find_usurpers(name, self._peers.values()) if named else []
        known = self._peers.get(name)
        if known is not None and known not in displaced:
            raise PeerExistsError(f"{name!r} is in room {self.name!r} already; choose another name")
        most = self._environment.config.max_peers_per_room
        if len(self._peers) - len(displaced) >= most:
            raise RoomFullError("max_peers_per_room", f"room {self.name!r} has its {most} Peers")
        for other in displaced:
            other.leave("displaced")
        if not self._peers:
            self._owner.occupy(self)
            self._outbox.handler = self._handle
        if named and subject is not None:
            self._holders.hold(name, subject, self._peers)
        peer = Peer(
            name,
            self,
            self._environment,
            self._outbox,
            subject=subject,
            named=named,
            tenant=tenant,
            leave_when_idle=leave_when_idle,
            metadata=metadata or {},
        )
        self._peers[name] = peer
        self._owner.attendance.enter(self.name, name, tenant)
        self._hub.publish(PeerJoined(self.name, name))
        self._tracks.records.handle_joined(name, peer.metadata)
        return peer

    def set_track_muted(self, track: Track, muted: bool) -> None:
        """Say for its publisher that a Track is muted, or not any more. What is muted goes to nobody, recorders
        included, whatever its client still sends; events and the record tell of it as of an RTCP BYE.
        """
        self._tracks.set_muted(track, muted)

    @property
    def _feed(self) -> Feed:
        return self._owner.feed

    def _keep(self, recording: Recording) -> None:
        self._owner.keep(self, recording)

    def _retain_private(self) -> bool:
        return self._owner.retain_private(self)

    def events(self) -> EventStream:
        """Open a stream of what happens in the room from now on. May raise LimitError."""
        return self._hub.open(self)

    # What moderators order says who was authenticated as the one who does (`subject`), for the record.

    def close(self, reason: str = "room_closed", *, keep_out: float = 0.0, subject: str | None = None) -> None:
        """Make all Peers leave, and let nobody in for `keep_out` seconds; 0 lets everyone in at once, also if the room
        was closed before. A recording goes on until it is stopped.
        """
        self._tracks.records.note_order("close_room", subject)
        self._hub.publish(RoomClosed(self.name))
        for peer in list(self._peers.values()):
            peer.leave(reason)
        self._moderation.close(self._environment.clock() + keep_out)
        self._owner.retain(self)

    def remove(self, peer: Peer, *, keep_out: float = 0.0, subject: str | None = None) -> None:
        """Make a Peer leave, and keep its subject, or without a subject its name, out for `keep_out` seconds."""
        if peer.left:
            return
        self._tracks.records.note_order("remove", subject, peer=peer.name)
        self._moderation.exclude(peer.name, peer.subjects, self._environment.clock() + keep_out)
        self._owner.retain(self)
        self._hub.publish(PeerRemoved(self.name, peer.name))
        peer.leave("removed")

    def check_admission(self, subject: str | None) -> None:
        """Raise RoomClosedError or ExcludedError if `subject` is kept out now."""
        self._moderation.check(subject, self._environment.clock())

    def is_guarded(self) -> bool:
        """Whether the room is private or closed, or somebody is kept out."""
        return self.private or not self._moderation.is_over(self._environment.clock())

    def block(self, track: Track, *, subject: str | None = None) -> None:
        """Keep a Track, and all that its Peer publishes of that kind from now on, from everyone, recorders included.

        Its media come in as before, and the publisher is told by the event only.
        """
        self._tracks.block(track, subject)

    def unblock(self, track: Track, *, subject: str | None = None) -> None:
        """Undo `block`: let everybody have the Track again."""
        self._tracks.unblock(track, subject)

    # for its Peers

    def check_publisher(self, selection: Selection) -> None:
        """See `PeerOwner.check_publisher`."""
        check_publisher(selection, self.name, self._peers, self.tracks)

    def choose_shard(self) -> Shard:
        """Return the shard for one more connection: the room's own, unless another is less loaded."""
        self._shard = self._choose_shard(self._shard)
        return self._shard

    # what its connections and Peers tell

    def _handle(self, event: SessionEvent | Departed) -> None:
        match event:
            case TrackAdded():
                self._tracks.handle_added(event.track)
                self._listen()
                for peer in list(self._peers.values()):
                    peer.offer_track(event.track)
            case TrackRemoved():
                self._tracks.handle_removed(event.track)
                self._listen()
            case MuteChanged():
                self._tracks.handle_muted(event)
            case ConnectionStateChanged(state=ConnectionState.CLOSED):
                self._handle_closed(event)
            case Departed():
                self._handle_departed(event.peer, event.reason)
            case _:
                self._hub.publish(event)

    def _listen(self) -> None:
        self._listening.follow(self, not self._tracks.speakers.idle)

    def _handle_closed(self, event: ConnectionStateChanged) -> None:
        peer = self._peers[event.peer]
        peer.forget(event.connection)
        self._hub.publish(event)
        peer.leave_if_idle()

    def _handle_departed(self, peer: Peer, reason: str) -> None:
        del self._peers[peer.name]
        self._owner.attendance.leave(self.name, peer.name, peer.tenant)
        self._hub.publish(PeerLeft(self.name, peer.name))
        self._tracks.records.handle_left(peer.name, reason)
        if not self._peers:
            self._outbox.handler = None  # a room that nobody holds any more is free at once, without a collection
            self._owner.vacate(self)

    # for its Server

    def update_speakers(self, now: float) -> None:
        """Find who speaks now, and emit events for what has changed."""
        self._tracks.update_speakers(now)

    def export(self) -> RoomState:
        """Return what another process has to know of the room to go on with it."""
        moderated = self._moderation.export(self._environment.clock())
        return RoomState(self.name, self.private, *moderated, dict(self._holders.subjects), list(self._peers))

    def restore(self, state: RoomState) -> None:
        """Go on with a room of another process, which nobody has entered yet here."""
        self._moderation.restore(state, self._environment.clock())
        for name, subject in state.held_names.items():
            self._holders.hold(name, subject, ())
        for name in state.present:
            self._owner.attendance.expect(self.name, name)
        if self.is_guarded():
            self._owner.retain(self)
        self.set_private(state.private)

    def publish(self, event: Event) -> None:
        """Tell the room's readers what happens to the whole server."""
        self._hub.publish(event)

    def end_events(self) -> None:
        """End the room's event streams."""
        self._hub.close()
