"""One event stream of a WHEP session (draft-ietf-wish-whep, Server Sent Events).

All of its events tell a state, none a mere occurrence. So nothing is queued: when the client can take something, it
gets what differs from what it was told last, and a client that comes back is told everything anew.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from sfu.signaling.http.options import SignalingOptions
from sfu.signaling.streams.streams import encode_event


@dataclass(frozen=True, slots=True)
class ViewerState:
    """The state that one viewer is told."""

    active: bool
    """Whether media come that the session receives."""
    layers: str
    """The JSON of the `layers` event."""
    viewers: int


class ViewerReading:
    """One response that reads a stream (an `EventSource`)."""

    def __init__(
        self,
        events: frozenset[str],
        observe: Callable[[], ViewerState],
        options: SignalingOptions,
        *,
        attend: Callable[[ViewerReading], None],
        forget: Callable[[ViewerReading], None],
    ) -> None:
        """`attend(self)` asks for a `wake` at the next change; `forget(self)` says that the response is over."""
        self.closed = False
        self._events = events
        self._observe = observe
        self._options = options
        self._attend = attend
        self._forget = forget
        self._changed = asyncio.Event()
        self._over = asyncio.Event()
        self._sent_at = 0.0
        # A stream must not begin with "inactive".
        self._sent_active = False
        self._sent_layers: str | None = None
        self._sent_viewers: int | None = None

    def wake(self) -> None:
        """Wake the response, since something may have changed."""
        self._changed.set()

    def close(self) -> None:
        """Let the response end."""
        self.closed = True
        self._changed.set()
        self._over.set()

    def take(self) -> bytes:
        """Return the events that tell what has changed."""
        self._changed.clear()
        self._sent_at = asyncio.get_running_loop().time()
        if self.closed:
            return b""
        self._attend(self)
        state = self._observe()
        told = b""
        if state.active != self._sent_active:
            self._sent_active = state.active
            told += self._encode("active" if state.active else "inactive", "{}")
        if state.layers != self._sent_layers:
            self._sent_layers = state.layers
            told += self._encode("layers", state.layers)
        if state.viewers != self._sent_viewers:
            self._sent_viewers = state.viewers
            told += self._encode("viewercount", f'{{"viewercount":{state.viewers}}}')
        return told

    async def wait(self) -> None:
        """Wait for a change, or until a look is due anyway, and at least the interval since the last time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._options.viewer_events_refresh):
                await self._changed.wait()
        rest = self._sent_at + self._options.viewer_events_interval - asyncio.get_running_loop().time()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, rest)):
                await self._over.wait()

    def end(self) -> None:
        """Clean up, since the response is over."""
        self._forget(self)

    def _encode(self, name: str, data: str) -> bytes:
        return encode_event(name, data) if name in self._events else b""


class ViewerStream:
    """The resource: which events, and who reads. It lives until it is deleted or its session ends."""

    def __init__(self, id: str, events: frozenset[str]) -> None:
        self.id = id
        self.events = events
        self._reading: ViewerReading | None = None

    def read_by(self, reading: ViewerReading) -> None:
        """Give the stream to a new response. An older one ends: its client has come back on another connection."""
        self.close()
        self._reading = reading

    def close(self) -> None:
        """End the response that reads it."""
        if self._reading is not None:
            self._reading.close()
            self._reading = None
