"""The HTTP connection: uvicorn's, with bounds on a request's head, which its parser leaves open.

The app bounds bodies; but a head that never ends would hold memory, and one that never comes a socket, before any app
is asked.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class BoundedHttpProtocol(HttpToolsProtocol):
    """Closes a connection whose request line and headers are too long or too slow."""

    head_limit_bytes = 65536
    head_timeout = 10.0
    """Seconds from the connection, or from a request's first byte, to the end of its headers."""

    _head_bytes = 0
    _in_head = False
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected; its first request is due."""
        super().connection_made(transport)
        self._begin_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        self._end_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse; what is left in an unfinished head counts."""
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > self.head_limit_bytes:
                self._refuse()

    def on_message_begin(self) -> None:
        """A request's first byte is there (parser callback)."""
        super().on_message_begin()
        self._begin_head()

    def on_headers_complete(self) -> None:
        """A request's head is there (parser callback)."""
        self._end_head()
        super().on_headers_complete()

    def _begin_head(self) -> None:
        self._end_head()
        self._in_head = True
        self._head_bytes = 0
        self._head_timer = self.loop.call_later(self.head_timeout, self._refuse)

    def _end_head(self) -> None:
        self._in_head = False
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse(self) -> None:
        self._end_head()
        if not self.transport.is_closing():
            self.transport.abort()
