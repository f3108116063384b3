"""A participant that is a client of ours: what it publishes, what it receives, and how that is negotiated."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Sequence
from typing import Protocol

from livekit.protocol.models import ClientInfo, ParticipantInfo, ParticipantPermission, TrackType
from livekit.protocol.rtc import (
    AddTrackRequest,
    LeaveRequest,
    SessionDescription,
    SignalResponse,
    SubscriptionPermission,
    TrackPublishedResponse,
    TrackUnpublishedResponse,
)

from sfu import Peer, Track
from sfu.errors import RemoteError
from sfu.signaling.livekit.blobs import Blobs
from sfu.signaling.livekit.data.channels import DATA_TRACK
from sfu.signaling.livekit.data_tracks.catalogue import Catalogue
from sfu.signaling.livekit.data_tracks.publishing import DataPublishing
from sfu.signaling.livekit.data_tracks.subscribing import DataSubscribing
from sfu.signaling.livekit.errors import RequestError, check_size
from sfu.signaling.livekit.join import Join
from sfu.signaling.livekit.options import LiveKitOptions
from sfu.signaling.livekit.participant import Participant, State, allows_source
from sfu.signaling.livekit.published import PublishedTrack
from sfu.signaling.livekit.sight import Shown, Sight
from sfu.signaling.livekit.subscribing import Subscribing
from sfu.signaling.livekit.transports import DualTransports, SingleTransport, Transports

_NATIVE = (ClientInfo.SDK.RUST, ClientInfo.SDK.PYTHON, ClientInfo.SDK.NODE, ClientInfo.SDK.CPP)
"""SDKs on one engine, which decodes the spatial Layers of AV1 without the dependency descriptor, and offers none."""

_log = logging.getLogger("sfu.signaling.livekit")


class ClientRoom(Protocol):
    """What a client asks of its room."""

    @property
    def codecs(self) -> Sequence[str]:
        """The names of those that the server takes."""
        ...

    @property
    def participants(self) -> dict[str, Participant]:
        """Who is in, by identity."""
        ...

    @property
    def shown(self) -> Shown:
        """Who is shown to whom."""
        ...

    @property
    def data_tracks(self) -> Catalogue:
        """The data tracks that are published."""
        ...

    def tell(self, participant: Participant) -> None:
        """What others see of a participant has changed."""
        ...

    def offer(self, publisher: Participant, published: PublishedTrack) -> None:
        """A track is there that others may receive."""
        ...

    def reconsider(self, publisher: Participant) -> None:
        """It is not the same people any more who may have what it publishes."""
        ...

    def offer_backup(self, publisher: Participant, published: PublishedTrack) -> None:
        """A track is there in another codec, too, or not any more."""
        ...

    def tell_wanted(self, publisher: Participant, published: PublishedTrack) -> None:
        """What is wanted of a track may have changed."""
        ...

    def withdraw(self, publisher: Participant, published: PublishedTrack) -> None:
        """It is there no more."""
        ...


class Client(Participant):
    """Made by a room for whoever joins it."""

    def __init__(
        self, room: ClientRoom, peer: Peer, join: Join, options: LiveKitOptions, *, identity: str, joined_at: float
    ) -> None:
        super().__init__(peer, identity=identity, joined_at=joined_at, kind=ParticipantInfo.Kind.STANDARD)
        self.client = join.client
        self.join = join
        self._room = room
        self._options = options
        self._pending: dict[str, PublishedTrack] = {}
        self._permits: dict[str, set[str]] | None = None  # the identities that may have each track; None: all
        self._trusted: set[str] = set()  # those that may have all of them
        self._gated: set[Track] = set()  # media that nobody has announced, or that may not be published any more
        self._broken = False  # a connection has ended
        self._hung_up: set[str] = set()  # connections that the client itself has closed
        self.cuts_resume = False
        """Its next socket is cut off when it resumes, for a test of its SDK."""
        kind = SingleTransport if join.single else DualTransports
        me = weakref.proxy(self)  # its parts are its own: if they held it, a collection would have to find all of them
        self.transports: Transports = kind(peer, me, decodes_layers=join.client.sdk in _NATIVE)
        self.subscribing = Subscribing(me, self.transports, room.participants)
        self.data_publishing = DataPublishing(me, room.data_tracks)
        self.data_subscribing = DataSubscribing(me, room.data_tracks)
        self.transports.channels.connect(DATA_TRACK, self.data_publishing.handle_packet)
        self.blobs = Blobs(options)
        """What it has left for others to fetch."""
        self.left_at: float | None = joined_at
        """When its socket was lost, or awaited first, in seconds since the Unix epoch; None while it has one."""

    @property
    def connected(self) -> bool:
        """Whether media flow."""
        primary = self.transports.primary
        return primary is not None and primary.connected

    @property
    def may_subscribe(self) -> bool:
        """Whether it may receive anything."""
        return self.permission.can_subscribe

    def tell_wanted(self, publisher: Participant, published: PublishedTrack) -> None:
        """See `ClientRoom.tell_wanted`."""
        self._room.tell_wanted(publisher, published)

    def sees(self, publisher: Participant, published: PublishedTrack) -> bool:
        """See `subscribing.Receiver.sees`."""
        return self._room.shown.lets(self.identity, publisher, published)

    # what it publishes

    @property
    def pending_sids(self) -> frozenset[str]:
        """The ids of what it has announced and not published yet."""
        return frozenset(self._pending)

    def find_announced(self, sid: str) -> PublishedTrack | None:
        """What it publishes, or has announced, under an id."""
        return self.tracks.get(sid) or self._pending.get(sid)

    def allows(self, identity: str, sid: str) -> bool:
        """See `Participant.allows`."""
        if sid not in self.tracks and self._room.shown.find(identity, self.identity) is not Sight.ALL:
            return False  # a data track
        return self._permits is None or identity in self._permits.get(sid, ()) or identity in self._trusted

    def permit(self, wanted: SubscriptionPermission) -> None:
        """Let others have what it publishes: all of them, or those that are named."""
        identities = {each.sid: each.identity for each in self._room.participants.values()}
        self._permits, self._trusted = None, set()
        if not wanted.all_participants:
            permits: dict[str, set[str]] = {}
            for each in wanted.track_permissions:
                identity = each.participant_identity or identities.get(each.participant_sid, "")
                if each.all_tracks:
                    self._trusted.add(identity)
                for sid in each.track_sids:
                    permits.setdefault(sid, set()).add(identity)
            self._permits = permits
        self._room.reconsider(self)
        self.data_publishing.review()

    def add_track(self, request: AddTrackRequest) -> None:
        """It is about to publish; raises RequestError."""
        if not allows_source(self.permission, request.source):
            raise RequestError("NOT_ALLOWED", "You may not publish this.")
        check_size(request)
        if request.type not in (TrackType.AUDIO, TrackType.VIDEO):
            raise RequestError("UNSUPPORTED_TYPE", "Tracks are of audio or video.")
        if request.sid:
            self._add_codec(request)
            return
        known = self._find_by_cid(request.cid)
        if known is None:
            if len(self._pending) >= self._options.max_pending_tracks:
                raise RequestError("LIMIT_EXCEEDED", f"{len(self._pending)} tracks are announced and not published.")
            known = PublishedTrack.announced(request, self._room.codecs)
            self._pending[known.sid] = known
        self.send(SignalResponse(track_published=TrackPublishedResponse(cid=request.cid, track=known.info)))
        self.bind_tracks()

    def _add_codec(self, request: AddTrackRequest) -> None:
        published = self.tracks.get(request.sid)
        if published is None:
            raise RequestError("NOT_FOUND", f"You publish no track {request.sid[:64]!r}.")
        published.announce_backup(request)
        self.touch()
        self.send(SignalResponse(track_published=TrackPublishedResponse(cid=request.cid, track=published.info)))
        self.bind_tracks()

    def handle_offer(self, offer: SessionDescription) -> None:
        """Answer its offer; one that cannot be agreed on makes it come again from the start."""
        announced = [*self._pending.values(), *self.tracks.values()]
        self.transports.preferred = {cid: codec for each in announced for cid, codec in each.list_preferred().items()}
        try:
            self.transports.handle_offer(offer)
        except RemoteError as error:
            self.refuse_negotiation(error)
            return
        self.note_negotiated()

    def handle_answer(self, answer: SessionDescription) -> None:
        """Take its answer."""
        try:
            self.transports.handle_answer(answer)
        except RemoteError as error:
            self.refuse_negotiation(error)
            return
        self.note_negotiated()

    def refuse_negotiation(self, error: RemoteError) -> None:
        """There is no way on with what was negotiated: ask the client to begin anew."""
        _log.info("negotiation failed", extra={"participant": self.sid, "error": str(error)})
        self.send(SignalResponse(leave=LeaveRequest(action=LeaveRequest.Action.RECONNECT)))

    def note_negotiated(self) -> None:
        """What is published and what is received may have changed."""
        self.bind_tracks()
        self.subscribing.apply()

    def set_permission(self, permission: ParticipantPermission) -> None:
        """It may do this from now on. What it publishes or has announced, and may not any more, is taken away."""
        self.permission.CopyFrom(permission)
        self.touch()
        self._pending = {
            sid: announced
            for sid, announced in self._pending.items()
            if allows_source(permission, announced.info.source)
        }
        for sid, published in list(self.tracks.items()):
            if not allows_source(permission, published.info.source):
                del self.tracks[sid]
                for track in published.tracks:
                    if not track.blocked:
                        self._gated.add(track)
                        track.block(True)
                self._room.withdraw(self, published)
                self.send(SignalResponse(track_unpublished=TrackUnpublishedResponse(track_sid=sid)))
        self._room.tell(self)
        self.subscribing.consider_all()
        self.data_publishing.review()
        self.data_subscribing.review_all()

    def bind_tracks(self) -> None:
        """Find which media belongs to which announced track. What nobody has announced is for nobody."""
        self._gated = {track for track in self._gated if not track.ended}
        connection = self.transports.publisher
        bound = {track for published in self.tracks.values() for track in published.tracks}
        for track in () if connection is None else connection.tracks:
            if track not in bound:
                published = self._match(track)
                more = self._match_backup(track) if published is None else None
                if published is not None:
                    self._publish(published, track)
                elif more is not None:
                    self._publish_backup(more, track)
                elif not track.blocked:
                    self._gated.add(track)
                    track.block(True)

    def _publish(self, published: PublishedTrack, track: Track) -> None:
        self._pending.pop(published.sid, None)
        published.bind(track)
        self._let_through(track)
        self.tracks[published.sid] = published
        self.note_change()
        self._room.offer(self, published)

    def _publish_backup(self, published: PublishedTrack, track: Track) -> None:
        published.bind_backup(track)
        self._let_through(track)
        self.note_change()
        self._room.offer_backup(self, published)

    def _let_through(self, track: Track) -> None:
        if track in self._gated:
            self._gated.discard(track)
            track.block(False)

    def _match_backup(self, track: Track) -> PublishedTrack | None:
        """The same for another codec of what is published already."""
        awaited = [each for each in self.tracks.values() if each.backup_cids and each.backup is None]
        fitting = [each for each in awaited if each.kind == track.kind]
        named = next((each for each in fitting if track.stated_id in each.backup_cids), None)
        return named or (fitting[0] if len(fitting) == 1 else None)

    def _match(self, track: Track) -> PublishedTrack | None:
        """By what the client calls its media; else the only one of its kind, since some make up names of their own."""
        announced = [each for each in self._pending.values() if each.kind == track.kind]
        named = next((each for each in announced if track.stated_id and track.stated_id in each.cids), None)
        return named or (announced[0] if len(announced) == 1 else None)

    def _find_by_cid(self, cid: str) -> PublishedTrack | None:
        return next((each for each in self._pending.values() if cid and cid in each.cids), None)

    # its state

    def note_change(self) -> None:
        """What others see of it has changed: tell them."""
        self.touch()
        self._room.tell(self)

    def limit_bandwidth(self, rate_bps: int) -> None:
        """Send it no more than this from now on; 0 or less: what its path carries."""
        connection = self.transports.subscriber
        if connection is not None:
            connection.limit_bandwidth(rate_bps if rate_bps > 0 else None)

    def activate(self) -> None:
        """Media flow."""
        if self.state == State.JOINED:
            self.state = State.ACTIVE
            self.note_change()

    def handle_closed(self, connection: str, reason: str) -> None:
        """A connection has ended, for a `reason` that `ConnectionStateChanged` names. What it carried can only come
        back by another one: the client is to begin anew. It is told so at the next tick, since who leaves closes its
        connections, too.
        """
        if self.transports.owns(connection):
            self._broken = True
            if reason == "remote_close":
                self._hung_up.add(connection)

    @property
    def has_hung_up(self) -> bool:
        """Whether it has closed its socket and its connections: it will not come back to go on.

        Its word that it leaves can get lost. What we send to a socket that is closed at the other end has the system
        throw away what stands in it unread.
        """
        both = (self.transports.publisher, self.transports.subscriber)
        left = {each.id for each in both if each is not None} - self._hung_up
        return self.left_at is not None and bool(self._hung_up) and not left

    def handle_tick(self) -> None:
        """Do what is due."""
        if self._broken and self.attached and self.state != State.DISCONNECTED:
            self._broken = False
            self.send(SignalResponse(leave=LeaveRequest(action=LeaveRequest.Action.RECONNECT)))

    def is_called(self, sid: str) -> bool:
        """Whether it is the participant of that id, if one is named."""
        return sid in ("", self.sid)

    def is_lost(self, now: float) -> bool:
        """Whether its socket has been gone for too long; `now` in seconds since the Unix epoch."""
        return self.left_at is not None and now >= self.left_at + self._options.resume_timeout
