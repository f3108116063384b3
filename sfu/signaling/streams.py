"""Server-sent events: one queue per open stream, each of them bounded, filled from the server's events."""

from __future__ import annotations

import asyncio
import collections
import json
from typing import Any

from sfu import Server
from sfu.events import (
    Event,
    EventsLost,
    PeerJoined,
    PeerLeft,
    TrackEnded,
    TrackMuted,
    TrackPublished,
    TrackUnmuted,
)
from sfu.signaling.options import SignalingOptions
from sfu.signaling.problem import Problem
from sfu.signaling.roster import describe_room


def encode_event(name: str, data: dict[str, Any]) -> bytes:
    """One event of a `text/event-stream` (HTML Living Standard, section 9.2). JSON never holds a raw line break."""
    return b"event: %b\ndata: %b\n\n" % (
        name.encode(),
        json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace"),
    )


def translate_event(event: Event) -> bytes | None:
    """The event as clients see it, or None if it is not for them."""
    match event:
        case PeerJoined(peer=peer):
            return encode_event("joined", {"peer": peer})
        case PeerLeft(peer=peer):
            return encode_event("left", {"peer": peer})
        case TrackPublished(peer=peer, track=track, kind=kind, codec=codec):
            about = {"id": track, "kind": kind, "codec": codec, "muted": False}
            return encode_event("published", {"peer": peer, "track": about})
        case TrackEnded(peer=peer, track=track):
            return encode_event("ended", {"peer": peer, "track": {"id": track}})
        case TrackMuted(peer=peer, track=track):
            return encode_event("muted", {"peer": peer, "track": {"id": track}})
        case TrackUnmuted(peer=peer, track=track):
            return encode_event("unmuted", {"peer": peer, "track": {"id": track}})
        case _:
            return None


class StreamQueue:
    """What waits for one client. When it overflows, the waiting events give way to a fresh snapshot."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._chunks: collections.deque[bytes] = collections.deque()
        self._ready = asyncio.Event()
        self.stale = True
        """The client's picture of the room is not current: a snapshot has to come first."""
        self.closed = False

    def put(self, chunk: bytes) -> None:
        """Queue an event, or mark the stream stale when `limit` wait."""
        if self.stale:
            return  # the snapshot to come holds this
        if len(self._chunks) >= self._limit:
            self.mark_stale()
        else:
            self._chunks.append(chunk)
            self._ready.set()

    def mark_stale(self) -> None:
        """Drop what waits and ask for a snapshot."""
        self._chunks.clear()
        self.stale = True
        self._ready.set()

    def close(self) -> None:
        """Let the stream end after what waits."""
        self.closed = True
        self._ready.set()

    def take(self) -> bytes:
        """All that waits."""
        taken = b"".join(self._chunks)
        self._chunks.clear()
        self._ready.clear()
        return taken

    async def wait(self, timeout: float) -> bool:
        """Wait until there is something to do; False after `timeout` seconds without."""
        if self.stale or self.closed or self._chunks:
            return True
        try:
            async with asyncio.timeout(timeout):
                await self._ready.wait()
        except TimeoutError:
            return False
        return True


class RoomStreams:
    """The open streams of all rooms."""

    def __init__(self, server: Server, options: SignalingOptions) -> None:
        self._server = server
        self._options = options
        self._rooms: dict[str, set[StreamQueue]] = {}
        self._count = 0
        self._closed = False

    def __len__(self) -> int:
        return self._count

    def open(self, room: str) -> StreamQueue:
        """A new stream's queue; a Problem when there are too many, or the server is going down."""
        if self._closed:
            raise Problem(503, "Shutting down", "The server is shutting down.", headers={"Retry-After": "5"})
        if self._count >= self._options.max_streams:
            raise _too_many("The server has as many event streams open as it may have.")
        queues = self._rooms.get(room, set())
        if len(queues) >= self._options.max_streams_per_room:
            raise _too_many("The room has as many event streams open as it may have.")
        queue = StreamQueue(self._options.max_queued_events)
        self._rooms.setdefault(room, queues).add(queue)
        self._count += 1
        return queue

    def discard(self, room: str, queue: StreamQueue) -> None:
        """Forget a stream that ended."""
        queues = self._rooms.get(room)
        if queues is None or queue not in queues:
            return
        queues.remove(queue)
        self._count -= 1
        if not queues:
            del self._rooms[room]

    def build_snapshot(self, room: str) -> bytes:
        """The `snapshot` event: the same JSON as `GET /rooms/{room}`."""
        return encode_event("snapshot", describe_room(self._server, room))

    def handle_event(self, event: Event) -> None:
        """Copy an event to its room's streams; it is encoded once for all of them."""
        if isinstance(event, EventsLost):
            for queue in self._all():
                queue.mark_stale()
            return
        queues = self._rooms.get(event.room)
        if not queues:
            return
        chunk = translate_event(event)
        if chunk is not None:
            for queue in queues:
                queue.put(chunk)

    def close(self) -> None:
        """End all streams and open no more."""
        self._closed = True
        for queue in self._all():
            queue.close()

    def _all(self) -> list[StreamQueue]:
        return [queue for queues in self._rooms.values() for queue in queues]


def _too_many(detail: str) -> Problem:
    return Problem(503, "Too many event streams", detail, headers={"Retry-After": "10"})
