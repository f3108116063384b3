"""All event streams of WHEP sessions: what they tell, and when they look again."""

from __future__ import annotations

import asyncio

from sfu import Server
from sfu.events import (
    ConnectionStateChanged,
    EncodingActive,
    EncodingInactive,
    Event,
    EventsLost,
    NegotiationNeeded,
    PeerLeft,
    TrackBlocked,
    TrackEnded,
    TrackMuted,
    TrackPublished,
    TrackUnblocked,
    TrackUnmuted,
)
from sfu.signaling.http.options import SignalingOptions
from sfu.signaling.sessions.layer_description import LayerBoard
from sfu.signaling.sessions.sessions import Session
from sfu.signaling.sessions.viewer_stream import ViewerReading, ViewerState, ViewerStream
from sfu.signaling.streams.gate import StreamGate

# What may change the answer for any viewer in the room.
_ROOM_EVENTS = (
    ConnectionStateChanged,
    EncodingActive,
    EncodingInactive,
    NegotiationNeeded,
    PeerLeft,
    TrackBlocked,
    TrackEnded,
    TrackMuted,
    TrackPublished,
    TrackUnblocked,
    TrackUnmuted,
)


class ViewerStreams:
    """The responses that read such streams, woken by the server's events.

    A reader that was woken is out of the set until it has looked, at most once in `viewer_events_interval`. So a
    storm of events costs what the readers cost once in that time, not a multiple.
    """

    def __init__(self, server: Server, options: SignalingOptions, gate: StreamGate) -> None:
        self._server = server
        self._options = options
        self._gate = gate
        self._board = LayerBoard(options.viewer_events_interval)
        self._open: set[ViewerReading] = set()
        self._attending: dict[str, set[ViewerReading]] = {}

    def __len__(self) -> int:
        return len(self._open)

    def open(self, session: Session, events: frozenset[str], stream: ViewerStream | None = None) -> ViewerReading:
        """Begin a response with `events`, as the reader of `stream` if one is given; raise a Problem if there are too
        many.
        """
        room = session.room
        self._gate.enter("session", room, session.place.holder)

        def attend(reading: ViewerReading) -> None:
            self._attending.setdefault(room, set()).add(reading)

        def forget(reading: ViewerReading) -> None:
            if reading not in self._open:
                return
            self._open.remove(reading)
            session.readings.discard(reading)
            self._gate.leave("session", room, session.place.holder)
            self._withdraw(room, reading)

        reading = ViewerReading(events, lambda: self.observe(session), self._options, attend=attend, forget=forget)
        self._open.add(reading)
        session.readings.add(reading)
        if stream is not None:
            stream.read_by(reading)
        return reading

    def observe(self, session: Session) -> ViewerState:
        """Return the present state for the viewer of `session`."""
        received = session.received()
        tracks = [subscription.track for subscription in received.values()]
        active = any(
            not (track.muted or track.blocked) and any(each.active for each in track.encodings) for track in tracks
        )
        layers = self._board.describe(received, asyncio.get_running_loop().time())
        return ViewerState(active, layers, self._count_viewers(session.room, {track.peer for track in tracks}))

    def handle_event(self, event: Event) -> None:
        """Wake the readers that an event may concern."""
        if isinstance(event, EventsLost):
            for reading in self._open:
                reading.wake()
        elif isinstance(event, _ROOM_EVENTS):
            if isinstance(event, EncodingActive | EncodingInactive):
                self._board.clear()
            for reading in self._attending.pop(event.room, ()):
                reading.wake()

    def close(self) -> None:
        """End all responses."""
        for reading in self._open:
            reading.close()

    def _count_viewers(self, room: str, publishers: set[str]) -> int:
        """Return how many watch these publishers: the most Subscriptions that any of their Tracks has.

        A peer has one for each of a publisher's Tracks, so this counts peers without asking each of them who it is.
        It is a little low where some take only the sound and others only the picture, and a little high where one peer
        watches twice; the draft lets it be approximate.
        """
        place = self._server.rooms.get(room)
        if place is None:
            return 0
        there = [peer for name in publishers if (peer := place.peers.get(name)) is not None]
        return max((len(track.subscriptions) for peer in there for track in peer.tracks), default=0)

    def _withdraw(self, room: str, reading: ViewerReading) -> None:
        attending = self._attending.get(room)
        if attending is not None:
            attending.discard(reading)
            if not attending:
                del self._attending[room]
