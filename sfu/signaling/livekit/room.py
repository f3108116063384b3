"""One room as the protocol shows it: who is in, what they are told of each other."""

from __future__ import annotations

import collections
import logging
from collections.abc import Callable, Sequence

from livekit.protocol.agent_dispatch import RoomAgentDispatch
from livekit.protocol.models import DisconnectReason, ParticipantInfo
from livekit.protocol.models import Room as RoomInfo
from livekit.protocol.room import RoomEgress
from livekit.protocol.rtc import LeaveRequest, RegionSettings, RoomUpdate, SignalResponse

import sfu
from sfu import events
from sfu.errors import RoomFullError
from sfu.signaling.livekit import news, sids
from sfu.signaling.livekit.claims import Claims
from sfu.signaling.livekit.client import Client
from sfu.signaling.livekit.data.exchange import Exchange
from sfu.signaling.livekit.data.rpc import Calls
from sfu.signaling.livekit.data_tracks.catalogue import Catalogue
from sfu.signaling.livekit.frames import Frame
from sfu.signaling.livekit.join import Join
from sfu.signaling.livekit.mutes import Mutes
from sfu.signaling.livekit.options import LiveKitOptions
from sfu.signaling.livekit.participant import Participant, State
from sfu.signaling.livekit.published import PublishedTrack
from sfu.signaling.livekit.quality import QualityNews
from sfu.signaling.livekit.sight import Shown, Shows, Sight, show_all
from sfu.signaling.livekit.wanted import WantedNews

_log = logging.getLogger("sfu.signaling.livekit")

Watcher = Callable[[str, "LiveKitRoom", Participant | None, PublishedTrack | None], None]
"""Is told what happens: `room_started`, `participant_joined` (it is in the room), `participant_active` (its media can
flow), `track_published`, `track_unpublished`, `participant_left`, `room_finished`."""


class LiveKitRoom:
    """Made by `Rooms`. Peers that came otherwise are participants, too."""

    def __init__(
        self,
        room: sfu.Room,
        options: LiveKitOptions,
        clock: Callable[[], float],
        watch: Watcher = lambda name, room, participant, published: None,
        losses: collections.Counter[str] | None = None,
        *,
        codecs: Sequence[str] = (),
        shows: Shows = show_all,
    ) -> None:
        """`clock`: seconds since the Unix epoch. `losses`: counts data packets that are lost. `codecs`: those taken."""
        self.codecs = codecs
        self.shown = Shown(room.name, shows)
        self.room = room
        self.sid = sids.new_sid(sids.ROOM)
        self.name = room.name
        self.metadata = ""
        self.empty_timeout = options.empty_timeout
        self.departure_timeout = options.departure_timeout
        self.max_participants = 0
        """0: as many as the server takes."""
        self.agents: tuple[RoomAgentDispatch, ...] = ()
        """Whom it is to have from its beginning."""
        self.egress: RoomEgress | None = None
        """What of it is to become files from its beginning on."""
        self.created_at = clock()
        self.participants: dict[str, Participant] = {}
        self.empty_since = self.created_at
        self.entered = False
        """Whether somebody was ever in."""
        self.closed = False
        self.leads_to: RegionSettings | None = None  # the nodes at which who is put out is to come again
        self._options = options
        self._clock = clock
        self._watch = watch
        self._speakers = news.SpeakerNews(room)
        self._quality = QualityNews()
        losses = collections.Counter() if losses is None else losses
        self.data = Exchange(options, losses, clock, lambda someone: someone.send(news.describe_new_beginning()))
        shown, participants = self.shown, self.participants  # what holds the room itself makes a circle of it
        self.data.passes = lambda sender, receiver: shown.find(receiver, sender) is Sight.ALL
        """What participants send each other."""
        self.data_tracks = Catalogue(options, clock, losses)
        """What participants publish as data tracks."""
        self.calls = Calls(self.data)
        """What the server API asks participants."""
        self.data.intercept = self.calls.settle
        self._wanted = WantedNews()
        self._mutes = Mutes(room, participants, lambda participant: shown.tell(participant, [*participants.values()]))
        for peer in room.peers.values():
            self._find_stranger(peer.name)

    def __repr__(self) -> str:
        return f"<LiveKitRoom {self.sid} {self.name!r} with {len(self.participants)} participants>"

    @property
    def clients(self) -> tuple[Client, ...]:
        """Those of the participants that speak this protocol."""
        return tuple(each for each in self.participants.values() if isinstance(each, Client))

    def info(self) -> RoomInfo:
        """What clients see of it."""
        seen = [each for each in self.participants.values() if not each.hidden]
        return RoomInfo(
            sid=self.sid,
            name=self.name,
            empty_timeout=self.empty_timeout,
            departure_timeout=self.departure_timeout,
            max_participants=self.max_participants,
            creation_time=int(self.created_at),
            creation_time_ms=int(self.created_at * 1000),
            metadata=self.metadata,
            num_participants=len(seen),
            num_publishers=sum(each.is_publisher for each in seen),
            active_recording=bool(self.room.recordings),
        )

    def list_others(self, identity: str) -> list[ParticipantInfo]:
        """What a participant sees of the others."""
        return self.shown.list_for(identity, self.participants)

    # coming and going

    def join(self, claims: Claims, join: Join) -> Client:
        """Let a client in; one of the same identity leaves. Raises RemoteError, as `sfu.Room.join` does, and where the
        token does not allow what the client says of itself, or that is too large.
        """
        identity = claims.identity
        metadata, attributes = join.merge_profile(claims, self._options)
        former = self.participants.get(identity)
        if former is None and self.max_participants and len(self.participants) >= self.max_participants:
            raise RoomFullError("max_participants", f"room {self.name!r} has its {self.max_participants} participants")
        if former is not None:
            self.remove(former, DisconnectReason.DUPLICATE_IDENTITY)
        known = {"name": claims.name, "attributes": attributes}
        peer = self.room.join(identity, subject=identity, named=True, tenant=claims.api_key, metadata=known)
        client = Client(self, peer, join, self._options, identity=peer.name, joined_at=self._clock())
        client.take_claims(claims)
        client.metadata, client.attributes = metadata, attributes
        self.participants[client.identity] = client
        self.data.add(client, client.transports.channels)
        self.entered = True
        self.tell(client)
        self._watch("participant_joined", self, client, None)
        return client

    def admit(self, client: Client) -> None:
        """It was told who is there: give it what they publish."""
        client.subscribing.consider_all()
        client.data_subscribing.start()
        for told in (self._speakers.describe(), self._quality.describe()):
            if told is not None:
                client.send(told)

    def remove(
        self, participant: Participant, reason: DisconnectReason, *, told: bool = True, again: bool = False
    ) -> None:
        """A participant leaves. `told`: by us, so its client must hear of it. `again`: it is to come again."""
        if self.participants.get(participant.identity) is not participant:
            return
        del self.participants[participant.identity]
        self.data.remove(participant)
        self.calls.forget(participant)
        participant.reason = reason
        participant.state = State.DISCONNECTED
        participant.touch()
        if told:
            action = LeaveRequest.Action.RECONNECT if again else LeaveRequest.Action.DISCONNECT
            leave = LeaveRequest(reason=reason, action=action, regions=self.leads_to)
            participant.send(SignalResponse(leave=leave))
        for published in list(participant.tracks.values()):
            self.withdraw(participant, published)
        if isinstance(participant, Client):
            participant.data_publishing.end()
            participant.data_subscribing.end()
        participant.peer.leave(DisconnectReason.Name(reason).lower())
        self.tell(participant)
        self._watch("participant_left", self, participant, None)
        if not self.participants:
            self.empty_since = self._clock()

    def move(self, client: Client, destination: LiveKitRoom, token: str) -> None:
        """A client goes to another room: it is told so, and comes there from the start, with a token for it."""
        others = destination.list_others(client.identity)
        client.send(news.describe_move(destination.info(), token, client.info(), others))
        client.send(SignalResponse(refresh_token=token))  # some come back by this one alone
        client.send(news.describe_new_beginning())
        self.remove(client, DisconnectReason.MIGRATION, told=False)

    def close(self, reason: DisconnectReason = DisconnectReason.ROOM_DELETED, *, again: bool = False) -> None:
        """Everyone leaves, to come again or not. Idempotent."""
        self.closed = True
        for participant in list(self.participants.values()):
            self.remove(participant, reason, again=again)
        self.data.intercept = lambda sender, packet: False

    def is_over(self, now: float) -> bool:
        """Whether nobody has been in for so long that the room ends."""
        patience = self.departure_timeout if self.entered else self.empty_timeout
        return not self.participants and now >= self.empty_since + patience

    # what participants are told

    def tell(self, participant: Participant) -> None:
        """See `ClientRoom.tell`."""
        self.shown.tell(participant, [*self.participants.values()])

    def broadcast(self, response: SignalResponse) -> None:
        """Tell everybody."""
        frame = Frame(response)
        for each in self.participants.values():
            each.send_frame(frame)

    def set_metadata(self, metadata: str) -> None:
        """Replace the room's metadata."""
        self.metadata = metadata
        self.broadcast(SignalResponse(room_update=RoomUpdate(room=self.info())))

    def offer(self, publisher: Participant, published: PublishedTrack) -> None:
        """See `ClientRoom.offer`."""
        if isinstance(publisher, Client):
            self._mutes.apply(published)
        self._watch("track_published", self, publisher, published)
        for client in self.clients:
            if client is not publisher:
                client.subscribing.consider(publisher, published)

    def reconsider(self, publisher: Participant) -> None:
        """See `ClientRoom.reconsider`."""
        for client in self.clients:
            if client is not publisher:
                for published in publisher.tracks.values():
                    client.subscribing.consider(publisher, published)

    def mute(self, publisher: Participant, sid: str, muted: bool, *, told: bool = False) -> PublishedTrack | None:
        """A track is muted, or not any more. `told`: by us, so its client must hear of it. None: there is none."""
        return self._mutes.mute(publisher, sid, muted, told=told)

    def offer_backup(self, publisher: Participant, published: PublishedTrack) -> None:
        """See `ClientRoom.offer_backup`. A record has the first codec, which is the same picture."""
        if published.backup is not None:
            self.room.set_track_private(published.backup, True)
        self._mutes.apply(published)
        for client in self.clients:
            if client is not publisher:
                client.subscribing.take_backup(published)

    def withdraw(self, publisher: Participant, published: PublishedTrack) -> None:
        """See `ClientRoom.withdraw`."""
        self._wanted.forget(published)
        for client in self.clients:
            client.subscribing.forget(published)
        self._watch("track_unpublished", self, publisher, published)

    # what the server tells

    def handle_event(self, event: events.Event) -> None:
        """Take what happens in the library's room."""
        match event:
            case events.PeerLeft():
                self._forget_peer(event.peer)
            case events.PeerJoined() | events.TrackPublished():
                self._find_stranger(event.peer)
            case events.TrackEnded():
                self._end_track(event.peer, event.track)
            case events.TrackMuted() | events.TrackUnmuted():
                self._mutes.follow(event.peer, event.track, isinstance(event, events.TrackMuted))
            case events.ActiveSpeakersChanged():
                self.tell_speakers()
            case events.EncodingWanted() | events.EncodingUnwanted():
                found = news.find_published(self.participants, event.track, event.peer)
                if found is not None:
                    self.tell_wanted(*found)
            case events.SubscriptionStarved() | events.SubscriptionFed():
                self._tell_stream(event.peer, event.track, paused=isinstance(event, events.SubscriptionStarved))
            case events.NegotiationNeeded():
                self._negotiate(event.peer, event.connection)
            case events.ConnectionStateChanged():
                self._handle_connection(event)

    def look_again(self) -> None:
        """Events were lost: see who and what is there."""
        for name in list(self.room.peers):
            self._find_stranger(name)
        for participant in list(self.participants.values()):
            for published in list(participant.tracks.values()):
                if published.track is not None and published.track.ended:
                    self._end_track(participant.identity, published.track.id)
                elif published.track is not None:
                    self._mutes.follow(participant.identity, published.track.id, published.track.muted)
            self._forget_peer(participant.identity)
        for client in self.clients:
            self._note_connected(client)
            client.subscribing.consider_all()
            client.transports.negotiate()

    def _find_stranger(self, name: str) -> None:
        """A Peer that came otherwise, and what it publishes."""
        peer = self.room.peers.get(name)
        known = self.participants.get(name)
        if peer is None or isinstance(known, Client):
            return
        if known is None:
            known = Participant(peer, identity=name, joined_at=self._clock(), kind=ParticipantInfo.Kind.INGRESS)
            known.state = State.ACTIVE
            known.name = name
            known.permission.can_publish = known.permission.can_subscribe = True
            self.participants[name] = known
            self.entered = True
            self._watch("participant_joined", self, known, None)
        there = {published.track for published in known.tracks.values()}
        added = [PublishedTrack.found(track) for track in peer.tracks if track not in there]
        known.tracks.update((published.sid, published) for published in added)
        known.touch()
        self.tell(known)
        for published in added:
            self.offer(known, published)

    def _forget_peer(self, name: str) -> None:
        known = self.participants.get(name)
        if known is not None and known.peer.left:
            by_us = isinstance(known, Client)
            self.remove(known, DisconnectReason.PARTICIPANT_REMOVED if by_us else DisconnectReason.CLIENT_INITIATED)

    def _end_track(self, name: str, track: str) -> None:
        participant = self.participants.get(name)
        for sid, published in [] if participant is None else list(participant.tracks.items()):
            if participant is not None and published.backup is not None and published.backup.id == track:
                published.backup, published.backup_cids = None, ()
                self.offer_backup(participant, published)
            elif participant is not None and published.track is not None and published.track.id == track:
                del participant.tracks[sid]
                self.withdraw(participant, published)
                participant.touch()
                self.tell(participant)

    def simulate_speaker(self, participant: Participant, seconds: int) -> None:
        """Say that somebody speaks for so long, as a test of SDKs."""
        self._speakers.simulate(participant.identity, self._clock() + seconds)
        self.tell_speakers()

    def tell_speakers(self) -> None:
        """Tell who speaks, if that has changed."""
        changes = self._speakers.find_changes(self.participants, self._clock())
        if changes is not None:
            self.broadcast(changes)

    def tell_wanted(self, publisher: Participant, published: PublishedTrack) -> None:
        """See `ClientRoom.tell_wanted`."""
        update = self._wanted.find_change(published, self._clock())
        if update is not None:
            publisher.send(update)

    def tell_all_wanted(self) -> None:
        """Tell publishers what is wanted of their tracks, where that has changed."""
        for client in self.clients:
            for published in client.tracks.values():
                self.tell_wanted(client, published)

    def tell_quality(self) -> None:
        """Tell how good connections are, if that has changed."""
        changes = self._quality.find_changes(self.clients)
        if changes is not None:
            self.broadcast(changes)

    def _tell_stream(self, subscriber: str, track: str, *, paused: bool) -> None:
        found = news.find_published(self.participants, track)
        receiver = self.participants.get(subscriber)
        if found is not None and receiver is not None:
            receiver.send(news.describe_stream(*found, paused=paused))

    def _negotiate(self, name: str, connection: str) -> None:
        client = self.participants.get(name)
        if isinstance(client, Client) and client.transports.owns(connection):
            client.transports.negotiate()

    def _handle_connection(self, event: events.ConnectionStateChanged) -> None:
        client = self.participants.get(event.peer)
        if not isinstance(client, Client):
            self.tell_all_wanted()  # a viewer, perhaps
            return
        if event.state is sfu.ConnectionState.CONNECTED:
            self._note_connected(client)
            client.subscribing.apply()
        elif event.state is sfu.ConnectionState.CLOSED:
            client.handle_closed(event.connection, event.reason)

    def _note_connected(self, client: Client) -> None:
        if client.connected and client.state == State.JOINED:
            client.activate()
            self._watch("participant_active", self, client, None)
