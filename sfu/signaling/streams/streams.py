"""A room's server-sent events: one queue per open stream, each bounded, filled from the server's events."""

from __future__ import annotations

import asyncio
import collections
import json
import math
from collections.abc import Callable
from typing import Any

from sfu import Server
from sfu.errors import ExcludedError, RoomClosedError
from sfu.events import (
    ActiveSpeakersChanged,
    DominantSpeakerChanged,
    DrainEnded,
    Draining,
    EncodingUnwanted,
    EncodingWanted,
    Event,
    EventsLost,
    PeerJoined,
    PeerLeft,
    PeerRemoved,
    RecordingContinued,
    RecordingPaused,
    RecordingResumed,
    RecordingStarted,
    RecordingStopped,
    RecordingSuspended,
    RoomClosed,
    SubscriptionFed,
    SubscriptionStarved,
    TrackBlocked,
    TrackEnded,
    TrackHeld,
    TrackMuted,
    TrackPublished,
    TrackReleased,
    TrackUnblocked,
    TrackUnmuted,
)
from sfu.signaling.http.options import SignalingOptions
from sfu.signaling.http.quotas import NOBODY, Holder
from sfu.signaling.streams.gate import StreamGate
from sfu.signaling.streams.room_view import OwnPeers, RoomView, WholeRoom


def encode_event(name: str, data: str) -> bytes:
    """Write an event of a `text/event-stream` (HTML Living Standard, section 9.2); JSON holds no raw line break."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data.encode("utf-8", "replace"))


def encode_json(data: dict[str, Any]) -> str:
    """Write JSON without spaces."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def translate_event(event: Event) -> bytes | None:
    """Return the event as clients see it, or None if it is not for them."""
    translate = _TRANSLATIONS.get(type(event))
    if translate is None:
        return None
    name, data = translate(event)
    return encode_event(name, encode_json(data))


def _of_track(event: Any) -> dict[str, Any]:
    return {"peer": event.peer, "track": {"id": event.track}}


def _of_new_track(event: TrackPublished) -> dict[str, Any]:
    about = {"id": event.track, "kind": event.kind, "codec": event.codec}
    return {"peer": event.peer, "track": {**about, "muted": False, "held": False, "blocked": False, "unwanted": []}}


def _of_encoding(event: Any) -> dict[str, Any]:
    return {**_of_track(event), "rid": event.rid, "mid": event.mid}


def _of_recording(event: Any, state: str, **more: str) -> tuple[str, dict[str, Any]]:
    return "recording", {"id": event.recording, "state": state, **more}


_TRANSLATIONS: dict[type[Event], Callable[[Any], tuple[str, dict[str, Any]]]] = {
    PeerJoined: lambda event: ("joined", {"peer": event.peer}),
    PeerLeft: lambda event: ("left", {"peer": event.peer}),
    PeerRemoved: lambda event: ("removed", {"peer": event.peer}),
    RoomClosed: lambda event: ("closed", {}),
    Draining: lambda event: ("draining", {"seconds": math.ceil(event.seconds)}),
    DrainEnded: lambda event: ("draining", {"seconds": None}),
    TrackBlocked: lambda event: ("blocked", _of_track(event)),
    TrackUnblocked: lambda event: ("unblocked", _of_track(event)),
    TrackPublished: lambda event: ("published", _of_new_track(event)),
    TrackEnded: lambda event: ("ended", _of_track(event)),
    TrackMuted: lambda event: ("muted", _of_track(event)),
    TrackUnmuted: lambda event: ("unmuted", _of_track(event)),
    TrackHeld: lambda event: ("held", _of_track(event)),
    TrackReleased: lambda event: ("released", _of_track(event)),
    EncodingUnwanted: lambda event: ("unwanted", _of_encoding(event)),
    EncodingWanted: lambda event: ("wanted", _of_encoding(event)),
    SubscriptionStarved: lambda event: ("starved", _of_track(event)),
    SubscriptionFed: lambda event: ("fed", _of_track(event)),
    ActiveSpeakersChanged: lambda event: ("active_speakers", {"speakers": list(event.speakers)}),
    DominantSpeakerChanged: lambda event: ("dominant_speaker", {"peer": event.peer}),
    RecordingStarted: lambda event: _of_recording(event, "recording"),
    RecordingPaused: lambda event: _of_recording(event, "paused", ground=event.ground),
    RecordingResumed: lambda event: _of_recording(event, "recording"),
    RecordingContinued: lambda event: _of_recording(event, "recording"),
    RecordingSuspended: lambda event: _of_recording(event, "suspended"),
    RecordingStopped: lambda event: _of_recording(event, "failed" if event.cause == "failed" else "stopped"),
}


class RoomStream:
    """The events that wait for one client. When there are too many, a fresh snapshot takes their place."""

    def __init__(
        self,
        limit: int,
        view: RoomView,
        forget: Callable[[RoomStream], None],
        subject: str | None = None,
        expires: float | None = None,
    ) -> None:
        """`view`: what the reader may see. `forget(self)` is called when the response is over. `subject`: who reads;
        `expires`: when the token does.
        """
        self.view = view
        self.subject = subject
        self.expires = expires
        self._limit = limit
        self._forget = forget
        self._chunks: collections.deque[bytes] = collections.deque()
        self._ready = asyncio.Event()
        # The client's picture of the room is not current: a snapshot has to come first.
        self._stale = True
        self.closed = False

    def put(self, chunk: bytes) -> None:
        """Queue an event, or mark the stream stale when `limit` wait."""
        if self._stale:
            return  # the snapshot to come holds this
        if len(self._chunks) >= self._limit:
            self.mark_stale()
        else:
            self._chunks.append(chunk)
            self._ready.set()

    def mark_stale(self) -> None:
        """Drop what waits and ask for a snapshot."""
        self._chunks.clear()
        self._stale = True
        self._ready.set()

    def close(self) -> None:
        """Let the stream end after the events that wait."""
        self.closed = True
        self._ready.set()

    def take(self) -> bytes:
        """Return the events that wait, or the snapshot in their place."""
        if self._stale and not self.closed:  # who is being shown out learns nothing new of the room
            taken = encode_event("snapshot", encode_json(self.view.describe()))
        else:
            taken = b"".join(self._chunks)
        self._stale = False
        self._chunks.clear()
        self._ready.clear()
        return taken

    async def wait(self) -> None:
        """Wait until there is something to do."""
        if not self.closed:
            await self._ready.wait()

    def end(self) -> None:
        """Clean up, since the response is over."""
        self._forget(self)


class RoomStreams:
    """The open streams of all rooms."""

    def __init__(self, server: Server, options: SignalingOptions, gate: StreamGate) -> None:
        self._server = server
        self._options = options
        self._gate = gate
        self._rooms: dict[str, set[RoomStream]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._rooms.values()))

    def open(
        self,
        room: str,
        holder: Holder = NOBODY,
        subject: str | None = None,
        expires: float | None = None,
        *,
        whole: bool = True,
    ) -> RoomStream:
        """Open a stream for `subject`, counted for `holder`. The token `expires` then, in seconds since the epoch.

        It begins with the event `snapshot`: the same JSON as `GET /rooms/{room}`. `whole`: the reader may see the whole
        room, not only the peers of `subject`. Raises a Problem when there are too many, or the server is going down.
        """
        self._gate.enter("room", room, holder)

        def forget(stream: RoomStream) -> None:
            self._discard(room, stream, holder)

        view = WholeRoom(self._server, room) if whole else OwnPeers(self._server, room, subject)
        stream = RoomStream(self._options.max_queued_events, view, forget, subject, expires)
        self._rooms.setdefault(room, set()).add(stream)
        return stream

    def handle_event(self, event: Event) -> None:
        """Queue an event in its room's streams; it is encoded once for all of them."""
        if isinstance(event, EventsLost):
            for stream in self._all():
                stream.mark_stale()
            for room in self._rooms:
                self._end_excluded(room)
            return
        streams = self._rooms.get(event.room)
        if not streams:
            return
        chunk = translate_event(event)
        if chunk is not None:
            for stream in streams:
                if stream.view.shows(event):
                    stream.put(chunk)
        if isinstance(event, PeerRemoved | RoomClosed):
            self._end_excluded(event.room)

    def _end_excluded(self, name: str) -> None:
        """End the streams of those who are kept out of the room now."""
        room = self._server.find_room(name)
        for stream in self._rooms[name]:
            try:
                if room is not None:
                    room.check_admission(stream.subject)
            except (ExcludedError, RoomClosedError):
                stream.close()

    def end_expired(self, expired_at: float) -> None:
        """End the streams whose token had expired at that time."""
        for stream in self._all():
            if stream.expires is not None and stream.expires <= expired_at:
                stream.close()

    def close(self) -> None:
        """End all streams."""
        for stream in self._all():
            stream.close()

    def _discard(self, room: str, stream: RoomStream, holder: Holder) -> None:
        streams = self._rooms.get(room, set())
        if stream not in streams:
            return
        streams.remove(stream)
        self._gate.leave("room", room, holder)
        if not streams:
            del self._rooms[room]

    def _all(self) -> list[RoomStream]:
        return [stream for streams in self._rooms.values() for stream in streams]
