"""WebSockets: uvicorn's, counted as the HTTP connections that they began as, and never waited for at their end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

MAX_MESSAGE_BYTES = 2 << 20
"""Of one message, also once it is unpacked."""
PING_INTERVAL_S = 10.0
PING_TIMEOUT_S = 15.0

# uvicorn's log has the query of what is upgraded, and with it the token.
_log = logging.getLogger("sfu.node.websocket")
_log.setLevel(logging.WARNING)


class BoundedWebSocket(WebSocketsSansIOProtocol):
    """`on_lost` is called at its end. A client that does not read what is left is cut off after `linger` seconds."""

    def __init__(self, *arguments: Any, on_lost: Callable[[], None] = lambda: None, linger: float = 2.0, **more: Any):
        super().__init__(*arguments, **more)
        self.logger = _log
        self._on_lost = on_lost
        self._linger = linger
        self._abort: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """It has ended."""
        if self._abort is not None:
            self._abort.cancel()
        super().connection_lost(exc)
        self._on_lost()

    def keepalive_timeout(self) -> None:
        """The client has not answered a ping."""
        super().keepalive_timeout()
        self._end_soon()

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        """The app is done with it."""
        super().on_task_complete(task)
        self._end_soon()

    def _end_soon(self) -> None:
        if self._abort is None and not self.disconnected:
            self._abort = self.loop.call_later(self._linger, self.transport.abort)
