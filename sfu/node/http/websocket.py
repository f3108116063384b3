"""WebSockets: uvicorn's, counted as the HTTP connections that they began as, and never waited for at their end.

What is sent is compressed where that makes fewer packets of it (RFC 7692; section 6 leaves that to each message).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.extensions import Extension, ServerExtensionFactory
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.typing import ExtensionName, ExtensionParameter

MAX_MESSAGE_BYTES = 2 << 20
"""Of one message, also once it is unpacked."""
PING_INTERVAL_S = 10.0
PING_TIMEOUT_S = 15.0
_ONE_PACKET_BYTES = 1200

# uvicorn's log has the query of what is upgraded, and with it the token.
_log = logging.getLogger("sfu.node.websocket")
_log.setLevel(logging.WARNING)


class _SparingDeflate(Extension):
    """Compresses as the library's extension does, but nothing that fits into one packet as it is: that would cost the
    time and save none, and zlib takes its memory at the first message that it gets.
    """

    name = ExtensionName("permessage-deflate")

    def __init__(self, deflate: Extension) -> None:
        self._deflate = deflate

    def decode(self, frame: Frame, *, max_size: int | None = None) -> Frame:
        return self._deflate.decode(frame, max_size=max_size)

    def encode(self, frame: Frame) -> Frame:
        whole = frame.fin and frame.opcode is not Opcode.CONT
        return frame if whole and len(frame.data) <= _ONE_PACKET_BYTES else self._deflate.encode(frame)


class _SparingDeflateFactory(ServerExtensionFactory):
    name = _SparingDeflate.name

    def __init__(self, factory: ServerExtensionFactory) -> None:
        self._factory = factory

    def process_request_params(
        self, params: Sequence[ExtensionParameter], accepted_extensions: Sequence[Extension]
    ) -> tuple[list[ExtensionParameter], Extension]:
        agreed, deflate = self._factory.process_request_params(params, accepted_extensions)
        return agreed, _SparingDeflate(deflate)


_DEFLATE = _SparingDeflateFactory(
    # Little memory for each socket, and quick: what is told of many participants is much the same again and again.
    ServerPerMessageDeflateFactory(
        server_max_window_bits=12, client_max_window_bits=12, compress_settings={"memLevel": 5, "level": 1}
    )
)


class BoundedWebSocket(WebSocketsSansIOProtocol):
    """`on_lost` is called at its end. A client that does not read what is left is cut off after `linger` seconds."""

    def __init__(self, *arguments: Any, on_lost: Callable[[], None] = lambda: None, linger: float = 2.0, **more: Any):
        super().__init__(*arguments, **more)
        self.conn.available_extensions = [_DEFLATE]
        self.logger = _log
        self._on_lost = on_lost
        self._linger = linger
        self._abort: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """It has ended."""
        if self._abort is not None:
            self._abort.cancel()
        super().connection_lost(exc)
        self.conn.parser.close()  # a generator that holds what holds it, and with that the memory of zlib
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
