"""How a participant's media is negotiated: on one peer connection, or on one for each direction."""

from __future__ import annotations

import abc
from collections.abc import Iterator, Mapping
from typing import Protocol

from livekit.protocol.rtc import MediaSectionsRequirement, SessionDescription, SignalResponse

from sfu import Connection, ConnectionState, Peer, ServerOffered, Steered, Subscription, Track
from sfu.signaling.livekit.data.channels import Channels
from sfu.signaling.livekit.published import PublishedTrack

Msid = tuple[str, str]


class Receiver(Protocol):
    """The participant."""

    def send(self, response: SignalResponse) -> None:
        """Tell its client."""
        ...


class Transports(abc.ABC):
    """The connections of one participant. What it shall receive is kept here, whatever becomes of them."""

    def __init__(self, peer: Peer, receiver: Receiver, *, decodes_layers: bool = False) -> None:
        """`decodes_layers`: see `Connection.decodes_layers`."""
        self._peer = peer
        self._receiver = receiver
        self._decodes_layers = decodes_layers
        self._wanted: dict[Track, tuple[PublishedTrack, Msid]] = {}
        self.preferred: Mapping[str, str] = {}
        """In which codecs the client is to send what, by what it calls its media."""
        self.channels = Channels()
        """The client's data channels."""
        self.subscriber_primary = True
        """Whether a client of two connections was told that the one on which it receives counts. Only then it looks
        for data on it; else it is sent data by the channels that it has opened itself.
        """

    @property
    @abc.abstractmethod
    def primary(self) -> Connection | None:
        """That by which the client judges whether it is connected."""

    @property
    @abc.abstractmethod
    def publisher(self) -> Steered | None:
        """That on which it publishes."""

    @property
    @abc.abstractmethod
    def subscriber(self) -> Connection | None:
        """That on which it receives."""

    @abc.abstractmethod
    def handle_offer(self, offer: SessionDescription) -> None:
        """Answer the client's offer; raises RemoteError."""

    @abc.abstractmethod
    def handle_answer(self, answer: SessionDescription) -> None:
        """Take the client's answer to our offer; raises RemoteError."""

    @abc.abstractmethod
    def negotiate(self, *, restart_ice: bool = False) -> None:
        """Bring what is wanted to the client."""

    def find(self, published: PublishedTrack) -> Subscription | None:
        """The Subscription by which it receives a track; None while there is none."""
        connection = self.subscriber
        held = () if connection is None else connection.subscriptions
        return next((each for each in held if each.track in published.tracks), None)

    def want(self, published: PublishedTrack, msid: Msid, track: Track | None = None) -> None:
        """Receive a track, by default in its first codec; may raise RemoteError."""
        track = track or published.track
        if track is not None and not track.ended and track not in self._wanted:
            self._wanted = {each: named for each, named in self._wanted.items() if not each.ended}
            self._wanted[track] = (published, msid)
            self._add(track, msid)

    def drop(self, published: PublishedTrack) -> None:
        """Receive it no more."""
        for track, (wanted, _) in list(self._wanted.items()):
            if wanted is published:
                del self._wanted[track]
                self._remove(track)

    @abc.abstractmethod
    def list_refused(self) -> Iterator[PublishedTrack]:
        """What the client cannot decode."""

    def owns(self, connection: str) -> bool:
        """Whether one of its connections has this id."""
        return any(each is not None and each.id == connection for each in (self.publisher, self.subscriber))

    def name_sections(self) -> dict[str, str]:
        """The track that is sent in each media section, by its mid."""
        connection = self.subscriber
        if connection is None:
            return {}
        found = ((held.mid, self._wanted.get(held.track)) for held in connection.subscriptions)
        return {mid: wanted[0].sid for mid, wanted in found if wanted is not None}

    @abc.abstractmethod
    def _add(self, track: Track, msid: Msid) -> None: ...

    @abc.abstractmethod
    def _remove(self, track: Track) -> None: ...


class SingleTransport(Transports):
    """One connection, on which the client makes all offers."""

    def __init__(self, peer: Peer, receiver: Receiver, *, decodes_layers: bool = False) -> None:
        super().__init__(peer, receiver, decodes_layers=decodes_layers)
        self._connection: Steered | None = None

    @property
    def primary(self) -> Steered | None:
        """See `Transports.primary`."""
        return self._connection

    @property
    def publisher(self) -> Steered | None:
        """See `Transports.publisher`."""
        return self._connection

    @property
    def subscriber(self) -> Steered | None:
        """See `Transports.subscriber`."""
        return self._connection

    def handle_offer(self, offer: SessionDescription) -> None:
        """See `Transports.handle_offer`."""
        if self._connection is None or self._connection.state is ConnectionState.CLOSED:
            request = {track: msid for track, (_, msid) in self._wanted.items() if not track.ended}
            answered = self._peer.steer(offer.sdp, request=request, prefer=self.preferred, data=True)
            self._connection = answered.connection
            self._connection.decodes_layers = self._decodes_layers
            self.channels.follow(answered.connection, answers=True)
        else:
            self._connection.prefer(self.preferred)
            answered = self._connection.answer(offer.sdp)
        answer = SessionDescription(type="answer", sdp=answered.sdp, id=offer.id, mid_to_track_id=self.name_sections())
        self._receiver.send(SignalResponse(answer=answer))

    def handle_answer(self, answer: SessionDescription) -> None:
        """We have offered nothing."""

    def negotiate(self, *, restart_ice: bool = False) -> None:
        """Ask the client to offer anew, with more sections if that is needed. ICE is the client's to restart."""
        if self._connection is not None and not restart_ice:
            lacking = self._connection.lacking
            needed = MediaSectionsRequirement(num_audios=lacking["audio"], num_videos=lacking["video"])
            self._receiver.send(SignalResponse(media_sections_requirement=needed))

    def list_refused(self) -> Iterator[PublishedTrack]:
        """See `Transports.list_refused`."""
        for track in self._connection.refused if self._connection is not None else ():
            if track in self._wanted:
                yield self._wanted[track][0]

    def _add(self, track: Track, msid: Msid) -> None:
        if self._connection is not None and self._connection.state is not ConnectionState.CLOSED:
            self._connection.request(track, msid=msid)

    def _remove(self, track: Track) -> None:
        if self._connection is not None:
            self._connection.release(track)


class DualTransports(Transports):
    """One on which the client publishes and offers, and one on which it receives and we offer."""

    def __init__(self, peer: Peer, receiver: Receiver, *, decodes_layers: bool = False) -> None:
        super().__init__(peer, receiver, decodes_layers=decodes_layers)
        self._publisher: Steered | None = None
        self._subscriber: ServerOffered | None = None
        self._offer_id = 0
        self._awaited = False

    @property
    def primary(self) -> Connection | None:
        """See `Transports.primary`."""
        return self._subscriber

    @property
    def publisher(self) -> Steered | None:
        """See `Transports.publisher`."""
        return self._publisher

    @property
    def subscriber(self) -> ServerOffered | None:
        """See `Transports.subscriber`."""
        return self._subscriber

    def handle_offer(self, offer: SessionDescription) -> None:
        """See `Transports.handle_offer`."""
        if self._publisher is None or self._publisher.state is ConnectionState.CLOSED:
            answered = self._peer.steer(offer.sdp, prefer=self.preferred, data=True)
            self._publisher = answered.connection
            self.channels.follow(answered.connection, answers=not self.subscriber_primary)
        else:
            self._publisher.prefer(self.preferred)
            answered = self._publisher.answer(offer.sdp)
        self._receiver.send(SignalResponse(answer=SessionDescription(type="answer", sdp=answered.sdp, id=offer.id)))

    def handle_answer(self, answer: SessionDescription) -> None:
        """See `Transports.handle_answer`. One to an offer that was made anew since counts for nothing."""
        if self._subscriber is None or not self._awaited or answer.id not in (0, self._offer_id):
            return
        self._awaited = False
        self._subscriber.accept(answer.sdp)

    def negotiate(self, *, restart_ice: bool = False) -> None:
        """See `Transports.negotiate`."""
        connection = self._open_subscriber()
        sdp = connection.offer(restart_ice=restart_ice)
        self._offer_id += 1
        self._awaited = True
        offer = SessionDescription(type="offer", sdp=sdp, id=self._offer_id, mid_to_track_id=self.name_sections())
        self._receiver.send(SignalResponse(offer=offer))

    def list_refused(self) -> Iterator[PublishedTrack]:
        """See `Transports.list_refused`: what was offered, and is received no more since its section was rejected."""
        if self._subscriber is None or self._awaited or self._subscriber.state is ConnectionState.CLOSED:
            return
        held = {each.track for each in self._subscriber.subscriptions}
        for track, (published, _) in self._wanted.items():
            if not track.ended and track not in held:
                yield published

    def _open_subscriber(self) -> ServerOffered:
        if self._subscriber is None or self._subscriber.state is ConnectionState.CLOSED:
            self._subscriber = self._peer.offer(subscribe=None, reuse_sections=False, data=True)
            self._subscriber.decodes_layers = self._decodes_layers
            if self.subscriber_primary:
                self.channels.open(self._subscriber)
            for track, (_, msid) in self._wanted.items():
                if not track.ended:
                    self._subscriber.subscribe(track, msid=msid)
        return self._subscriber

    def _add(self, track: Track, msid: Msid) -> None:
        if self._subscriber is not None and self._subscriber.state is not ConnectionState.CLOSED:
            self._subscriber.subscribe(track, msid=msid)

    def _remove(self, track: Track) -> None:
        for held in () if self._subscriber is None else self._subscriber.subscriptions:
            if held.track is track:
                held.close()
