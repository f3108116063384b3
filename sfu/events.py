"""What happens in rooms, as values: an embedder reads them from `room.events()` or `server.events()`."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class ConnectionState(str, enum.Enum):
    """The life of a connection, in this order."""

    NEW = "new"
    """Made, but nothing is negotiated yet."""
    CONNECTING = "connecting"
    """Negotiated; ICE and DTLS are at work."""
    CONNECTED = "connected"
    CLOSED = "closed"


class DataChannelState(str, enum.Enum):
    """The life of a data channel, in this order, as in the WebRTC API."""

    CONNECTING = "connecting"
    """The other side is not known to have it yet; messages are taken and wait."""
    OPEN = "open"
    CLOSING = "closing"
    """What was taken is still sent; nothing more is."""
    CLOSED = "closed"


@dataclass(frozen=True)
class Event:
    """Something happened in a room; names, not objects, so that an event can outlive them."""

    room: str


@dataclass(frozen=True)
class PeerJoined(Event):
    """Someone came into the room."""

    peer: str


@dataclass(frozen=True)
class PeerLeft(Event):
    """A Peer has left the room; its `TrackEnded` events came before."""

    peer: str


@dataclass(frozen=True)
class PeerRemoved(Event):
    """A Peer is put out of the room (`Room.remove`); its `PeerLeft` follows."""

    peer: str


@dataclass(frozen=True)
class RoomClosed(Event):
    """Everyone is put out of the room (`Room.close`); their `PeerLeft` follow."""


@dataclass(frozen=True)
class Draining(Event):
    """The server is to stop (`Server.drain`); the room goes on until then, and people may still join it."""

    seconds: float
    """From now to the stop."""


@dataclass(frozen=True)
class DrainEnded(Event):
    """The server does not stop after all."""


@dataclass(frozen=True)
class TrackPublished(Event):
    """A Peer negotiated a Track; media follows as soon as it is connected."""

    peer: str
    track: str
    """The Track's id."""
    kind: str
    """`audio` or `video`."""
    codec: str


@dataclass(frozen=True)
class TrackMuted(Event):
    """The publisher stops sending, as it said by RTCP BYE or by word (`Room.set_track_muted`); the Track stays."""

    peer: str
    track: str


@dataclass(frozen=True)
class TrackUnmuted(Event):
    """Media of a muted Track comes again, or may go out again; video from its next key frame on."""

    peer: str
    track: str


@dataclass(frozen=True)
class EncodingActive(Event):
    """Media of one of a Track's Encodings arrives."""

    peer: str
    track: str
    rid: str
    """Empty without simulcast."""


@dataclass(frozen=True)
class EncodingInactive(Event):
    """An Encoding has stopped, while others of its Track go on; its subscribers get another one."""

    peer: str
    track: str
    rid: str


@dataclass(frozen=True)
class EncodingUnwanted(Event):
    """Nobody receives or records an Encoding: its publisher may stop sending it until `EncodingWanted`."""

    peer: str
    track: str
    rid: str
    mid: str
    """The media section that the Encoding comes in."""


@dataclass(frozen=True)
class EncodingWanted(Event):
    """Somebody is to receive or record an Encoding again: its publisher should send it."""

    peer: str
    track: str
    rid: str
    mid: str


@dataclass(frozen=True)
class SubscriptionStarved(Event):
    """A subscriber's path does not carry even the lowest Layer of a Track: its video pauses."""

    peer: str
    """The subscriber."""
    track: str


@dataclass(frozen=True)
class SubscriptionFed(Event):
    """A starved video goes on from its next key frame."""

    peer: str
    track: str


@dataclass(frozen=True)
class TrackHeld(Event):
    """Last-N: the Track is forwarded to nobody for now, because others speak."""

    peer: str
    track: str


@dataclass(frozen=True)
class TrackReleased(Event):
    """A held Track is forwarded again, video from its next key frame on."""

    peer: str
    track: str


@dataclass(frozen=True)
class TrackBlocked(Event):
    """Nobody gets the Track any more (`Room.block`), whatever its publisher sends."""

    peer: str
    track: str


@dataclass(frozen=True)
class TrackUnblocked(Event):
    """A blocked Track is forwarded again, video from its next key frame on."""

    peer: str
    track: str


@dataclass(frozen=True)
class ActiveSpeakersChanged(Event):
    """Other Peers speak than before, or their order has clearly changed."""

    speakers: tuple[str, ...]
    """Names of Peers, the loudest first."""


@dataclass(frozen=True)
class DominantSpeakerChanged(Event):
    """Another Peer leads the conversation."""

    peer: str | None
    """The Peer's name; None if the former dominant speaker has left and nobody speaks."""


@dataclass(frozen=True)
class RecordingStarted(Event):
    """The room is recorded from now on."""

    recording: str
    """The recording's id."""
    paths: tuple[str, ...]
    """The folders of its records, the main one first."""


@dataclass(frozen=True)
class RecordingPaused(Event):
    """The recording pauses: no media that arrive from now on are kept."""

    recording: str
    ground: str
    authoriser: str


@dataclass(frozen=True)
class RecordingResumed(Event):
    """A paused recording goes on."""

    recording: str


@dataclass(frozen=True)
class RecordingAlarm(Event):
    """A recorder is in trouble: `write_failed`, `nothing_written`, `disk_nearly_full`, `behind`, `not_signed` or
    `not_closed`; the last may come after `RecordingStopped`.
    """

    recording: str
    path: str
    what: str
    detail: str


@dataclass(frozen=True)
class RecordingAlarmEnded(Event):
    """The trouble of an earlier `RecordingAlarm` is over."""

    recording: str
    path: str
    what: str


@dataclass(frozen=True)
class RecordingStopped(Event):
    """The room is not recorded any more."""

    recording: str
    cause: str
    """`stopped`; `failed`: no recorder was left; `server_closed`."""


@dataclass(frozen=True)
class RecordingSuspended(Event):
    """The recording has ended in this process, so that another one continues it (`Server.suspend_recordings`)."""

    recording: str


@dataclass(frozen=True)
class RecordingContinued(Event):
    """A recording that another process has suspended goes on in this one, in the same records. If it is off the record,
    `RecordingPaused` follows.
    """

    recording: str
    paths: tuple[str, ...]
    """The folders of its records, the main one first; an alarm tells which of them does not go on."""


@dataclass(frozen=True)
class RecordingNotContinued(Event):
    """No record of a recording that another process has suspended can be continued; they are left to a recovery."""

    recording: str
    paths: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class RecordRecovered(Event):
    """A record that a crash had left open was closed, at the start of a node."""

    record: str
    """Its id, which it has from the recording."""
    path: str
    signed_lines: int
    """Lines that its recorder had signed: so much of it is as good as any other record."""
    unattested_files: int
    """Files with what was found behind them and set apart, since nobody vouches for it."""


@dataclass(frozen=True)
class RecordNotRecovered(Event):
    """A record was found open, and is not closed: `room` and `record` are as it says, empty if that cannot be read."""

    record: str
    path: str
    why: str
    """`refused`: it was altered, or another key signs it, so an operator must look; `failed`: that is tried again."""
    reason: str


@dataclass(frozen=True)
class TrackEnded(Event):
    """A Track is gone, and its Subscriptions with it."""

    peer: str
    track: str


@dataclass(frozen=True)
class ConnectionStateChanged(Event):
    """A connection is being set up, is up, or has closed."""

    peer: str
    connection: str
    state: ConnectionState
    reason: str = ""
    """Why the connection closed: `consent_lost`, `handshake_failed`, `remote_close`, `left` and others."""


@dataclass(frozen=True)
class NegotiationNeeded(Event):
    """A connection has changes that wait. A server-offered one: send its `offer()` to the client. A steered one: ask
    the client to offer anew, with `lacking` sections more.

    The event comes once, and again only after that offer was made.
    """

    peer: str
    connection: str


@dataclass(frozen=True)
class EventsLost(Event):
    """The reader was too slow, so the stream ends after this event. Read the rooms' state anew, then open another
    stream.
    """
