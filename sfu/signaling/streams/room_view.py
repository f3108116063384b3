"""What the reader of a room's event stream may see: the whole room, or only what concerns the reader."""

from __future__ import annotations

from typing import Any, Protocol

from sfu import Server
from sfu.events import (
    DominantSpeakerChanged,
    DrainEnded,
    Draining,
    Event,
    PeerLeft,
    RecordingContinued,
    RecordingPaused,
    RecordingResumed,
    RecordingStarted,
    RecordingStopped,
    RecordingSuspended,
    RoomClosed,
)
from sfu.signaling.streams.roster import describe_room

_EVERYBODYS = (
    RoomClosed
    | Draining
    | DrainEnded
    | RecordingStarted
    | RecordingPaused
    | RecordingResumed
    | RecordingSuspended
    | RecordingContinued
    | RecordingStopped
)
"""Events that every reader hears of: the room is closed, the server is to stop, or a recording begins, pauses, goes
on or ends.
"""


class RoomView(Protocol):
    """A reader's picture of a room."""

    def describe(self) -> dict[str, Any]:
        """Return the room as it is now, as far as the reader may see it."""
        ...

    def shows(self, event: Event) -> bool:
        """Whether the reader hears of this event of the room."""
        ...


class WholeRoom:
    """The view of a reader who may subscribe in the room."""

    def __init__(self, server: Server, room: str) -> None:
        self._server = server
        self._room = room

    def describe(self) -> dict[str, Any]:
        """Return the room with all that is in it."""
        return describe_room(self._server, self._room)

    def shows(self, event: Event) -> bool:
        """Return True: the reader hears of all events."""
        return True


class OwnPeers:
    """The view of a reader who may only publish: the peers of the reader's subject, and what concerns everybody."""

    def __init__(self, server: Server, room: str, subject: str | None) -> None:
        self._server = server
        self._room = room
        self._subject = subject
        self._names: set[str] = set()  # of the reader's peers that are there, or have just left

    def describe(self) -> dict[str, Any]:
        """Return the room as if nobody else were there."""
        room = self._server.find_room(self._room)
        peers = {} if room is None else room.peers
        self._names = {name for name, peer in peers.items() if self._subject in peer.subjects}
        found = describe_room(self._server, self._room)
        found["peers"] = [peer for peer in found["peers"] if peer["name"] in self._names]
        return found | {"speakers": [], "dominant_speaker": None}

    def shows(self, event: Event) -> bool:
        """Whether the event is of the reader's own peers and their tracks, or of the whole room."""
        name = getattr(event, "peer", None)
        if name is None or isinstance(event, _EVERYBODYS | DominantSpeakerChanged):
            return isinstance(event, _EVERYBODYS)
        own = self._is_own(name)
        if isinstance(event, PeerLeft):
            self._names.discard(name)
        return own

    def _is_own(self, name: str) -> bool:
        room = self._server.find_room(self._room)
        peer = None if room is None else room.peers.get(name)
        if peer is None:  # the peer has left, and the events that tell of it come later
            return name in self._names
        own = self._subject in peer.subjects
        if own:
            self._names.add(name)
        else:
            self._names.discard(name)
        return own
