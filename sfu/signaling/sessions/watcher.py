"""One reader of the server's events on behalf of all HTTP clients."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence

from sfu import EventStream, Server
from sfu.events import Event

_log = logging.getLogger("sfu.signaling")

_LAST_WORDS_S = 1.0

Listener = Callable[[Event], None]


class EventWatcher:
    """Hands each event to the listeners. `EventsLost` is handed on too, and another stream is opened."""

    def __init__(
        self, server: Server, listeners: Sequence[Listener], on_end: Callable[[], None] = lambda: None
    ) -> None:
        """`on_end` is called when there will be no more events: the server is closed."""
        self._server = server
        self._listeners = tuple(listeners)
        self._on_end = on_end
        self._task: asyncio.Task[None] | None = None

    def ensure_running(self) -> None:
        """Start reading, once. Called with each request, since a mounted app gets no start-up call of its own.

        Raises:
            sfu.errors.LimitError: the embedding program reads `max_event_streams` others.
        """
        if self._task is None:
            stream = self._server.events()
            self._task = asyncio.get_running_loop().create_task(self._run(stream), name="sfu event watcher")

    async def close(self) -> None:
        """Stop reading; what a closed server has said last is still handed on."""
        if self._task is None:
            return
        if not self._server.running:
            await asyncio.wait({self._task}, timeout=_LAST_WORDS_S)
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _run(self, stream: EventStream) -> None:
        try:
            while True:
                async for event in stream:
                    for listener in self._listeners:
                        self._tell(listener, event)
                if not self._server.running:
                    break
                stream = self._server.events()
        finally:
            self._on_end()

    def _tell(self, listener: Listener, event: Event) -> None:
        try:
            listener(event)
        except Exception:  # noqa: BLE001 - a mistake with one event must not end the delivery of all others
            _log.exception("event listener failed", extra={"event_type": type(event).__name__})
