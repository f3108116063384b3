"""Handing events to any number of readers, none of which can hold up the server or make it grow."""

from __future__ import annotations

import asyncio
import collections
import weakref
from types import TracebackType

from sfu.errors import LimitError
from sfu.events import Event, EventsLost


class EventStream:
    """One reader's events, from the moment it was opened: `async for event in stream`.

    At most `limit` events wait. When one more comes, the waiting ones are still read, then `EventsLost`, then the
    stream ends.
    """

    def __init__(self, room: str, limit: int, source: object) -> None:
        self._room = room
        self._limit = limit
        self._source = source  # keeps a watched room alive as long as its reader
        self._waiting: collections.deque[Event] = collections.deque()
        self._reader: asyncio.Future[None] | None = None
        self.closed = False

    def push(self, event: Event) -> None:
        """Add an event (the server's side)."""
        if self.closed:
            return
        if len(self._waiting) >= self._limit:
            self._waiting.append(EventsLost(self._room))
            self.closed = True
        else:
            self._waiting.append(event)
        self._wake()

    def close(self) -> None:
        """End the stream; events that already wait are still read."""
        self.closed = True
        self._wake()

    def __aiter__(self) -> EventStream:
        return self

    async def __anext__(self) -> Event:
        while not self._waiting:
            if self.closed:
                raise StopAsyncIteration
            if self._reader is None or self._reader.done():
                self._reader = asyncio.get_running_loop().create_future()
            # shielded: several may wait, and one that is cancelled must not cancel the others
            await asyncio.shield(self._reader)
        return self._waiting.popleft()

    async def __aenter__(self) -> EventStream:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)


class EventHub:
    """Copies each event to the open streams. A stream that its reader dropped is forgotten by itself."""

    def __init__(self, room: str, *, max_queued: int, max_streams: int, wider: EventHub | None = None) -> None:
        """`room`: the name that `EventsLost` carries; empty for the server's own hub, which is `wider` than the others
        and gets what they get.
        """
        self._room = room
        self._max_queued = max_queued
        self._max_streams = max_streams
        self._wider = wider
        self._streams: weakref.WeakSet[EventStream] = weakref.WeakSet()

    def open(self, source: object = None) -> EventStream:
        """Open a stream that keeps `source` alive.

        Raises:
            LimitError: `max_event_streams` are open.
        """
        if len(self._streams) >= self._max_streams:
            raise LimitError("max_event_streams", f"{self._max_streams} readers of these events already")
        stream = EventStream(self._room, self._max_queued, source)
        self._streams.add(stream)
        return stream

    def publish(self, event: Event) -> None:
        """Give the event to every open stream."""
        for stream in list(self._streams):
            stream.push(event)
            if stream.closed:
                self._streams.discard(stream)
        if self._wider is not None:
            self._wider.publish(event)

    def close(self) -> None:
        """End all streams."""
        for stream in list(self._streams):
            stream.close()
        self._streams.clear()
