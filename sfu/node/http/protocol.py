"""The HTTP connection: uvicorn's, with a bound on everything that a client can hold up or pile up.

uvicorn parses all that has come, request by request, and keeps a record of each; its parser keeps whatever a head
holds; and after an answer it reads a body to its end. Here a request reaches the parser once its head is whole, and
only when the one before has been answered. What waits until then are bytes, and few: nothing is read while they do. A
request reaches the app when it is its client's turn; if the client has sent too many, it is refused.
"""

from __future__ import annotations

import asyncio
import functools
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from sfu.node.http.body_length import CHUNKED, read_body_length
from sfu.node.http.connections import HttpConnections
from sfu.node.http.ending import ENDING, LAST_REQUEST_S, changes
from sfu.node.http.rates import Client, refuse
from sfu.node.http.websocket import BoundedWebSocket

if TYPE_CHECKING:
    from uvicorn._types import (
        ASGI3Application,
        ASGIReceiveCallable,
        ASGIReceiveEvent,
        ASGISendCallable,
        ASGISendEvent,
        Scope,
    )

_HEAD_END = re.compile(rb"\n\r?\n")
_WRITE_BUFFER_BYTES = 4096
_TOO_MANY = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class _Flow(FlowControl):
    """Flow control that keeps reading paused while bytes wait here, whatever uvicorn asks for."""

    held = False

    def resume_reading(self) -> None:
        if not self.held and not self._transport.is_closing():
            super().resume_reading()

    def hold(self) -> None:
        self.held = True
        if not self._transport.is_closing():
            self.pause_reading()

    def release(self) -> None:
        if self.held:
            self.held = False
            self.resume_reading()


class BoundedHttpProtocol(HttpToolsProtocol):
    """`connections` counts this connection and what waits in it; `on_lost` is called at its end. `origin` is the
    client's address where its connection ended before us, as TLS does. `ends`: as after `shutdown`.
    """

    flow: _Flow

    def __init__(
        self,
        *arguments: Any,
        connections: HttpConnections,
        on_lost: Callable[[], None] = lambda: None,
        origin: tuple[str, int] | None = None,
        ends: bool = False,
        **more: Any,
    ) -> None:
        super().__init__(*arguments, **more)
        self.connected = False
        """Whether `on_lost` will be called, or has been."""
        self._connections = connections
        self._on_lost = on_lost
        self._origin = origin
        self._ends = ends  # no other request is taken than one that may be on its way
        self._limits = self._connections.limits
        self._inbound = bytearray()
        self._searched = 0
        self._body_left = 0
        self._in_body = False
        self._wanted = False  # the app reads the body
        self._answering = False
        self._answered = False  # all that came before
        self._last = False  # the connection ends with the answer that is under way
        self._lingering = False
        self._dropped_bytes = 0
        self._began: float | None = None  # when the first byte of the request came
        self._asking: Client | None = None  # whose request waits for its turn
        self._deadline: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request, since a client has connected."""
        super().connection_made(transport)
        if self._origin is not None:
            self.client, self.scheme = self._origin, "https"
        self.connected = True
        self.flow = _Flow(transport)
        transport.set_write_buffer_limits(_WRITE_BUFFER_BYTES)
        self._connections.wait(self)
        wait = LAST_REQUEST_S if self._ends else self._limits.head_timeout
        self._arm(wait, functools.partial(self.drop, "head_timeout"))

    def shutdown(self) -> None:
        """Take no more requests, since the server ends. A client that has just connected, or has sent a part of a
        request, is still answered; where nothing is asked the connection ends, which is no loss (RFC 9112 section 9.5).
        """
        if self._ends or self.transport.is_closing():
            return
        self._ends = True
        if self._inbound or not (self._answered or self._answering or self._in_body):
            if self._began is None:
                self._arm(LAST_REQUEST_S, self.transport.close)
        else:
            super().shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        """Clean up, since the client has gone or was cut off."""
        self._disarm()
        self._end_stall()
        self._inbound.clear()
        self._connections.incoming.release(self)
        self._connections.done_waiting(self)
        if self._asking is not None:
            self._connections.request_queue.leave(self._asking, self)
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self._on_lost()

    def drop(self, reason: str) -> None:
        """End the connection at once, and count the `reason`."""
        if not self.transport.is_closing():
            self._connections.ended[reason] += 1
        self._disarm()
        self.transport.abort()

    def give_way(self) -> None:
        """End the connection to make room for another; what was answered should still arrive."""
        if not self._answered:
            self.drop("full")
        elif not self.transport.is_closing():
            self._connections.ended["full"] += 1
            self.transport.close()
            self._arm(self._limits.linger_timeout, self.transport.abort)

    # what comes

    def data_received(self, data: bytes) -> None:
        """Parse as many of the bytes as may be parsed now, and keep the rest."""
        if self._lingering:
            self._dropped_bytes += len(data)
            if self._dropped_bytes > self._limits.linger_bytes:
                self.transport.abort()
        elif not self.transport.is_closing():
            self._inbound += data
            self._parse()

    def _parse(self) -> None:
        while self._inbound and not self._answering and not self._last and not self.flow.write_paused:
            self._unset_keepalive_if_required()
            if self._began is None:
                self._began = self.loop.time()
                self._arm(self._limits.head_timeout, functools.partial(self.drop, "head_timeout"))
            size = self._find_piece()
            if not size:
                break
            piece = bytes(self._inbound[:size])
            del self._inbound[:size]
            super().data_received(piece)
            if self.transport.is_closing():  # it was no request, and has been told so
                self._inbound.clear()
                self._arm(self._limits.linger_timeout, self.transport.abort)
        self._account()

    def _find_piece(self) -> int:
        """Return how many of the waiting bytes can be parsed without parts of more than one request."""
        if self._in_body:
            if self._body_left == CHUNKED:  # of each chunk the parser tells: not before somebody wants to know
                return (self._inbound.find(b"\n") + 1 or len(self._inbound)) if self._wanted else 0
            return min(self._body_left, len(self._inbound))
        found = _HEAD_END.search(self._inbound, max(0, self._searched - 2))
        self._searched = 0 if found else len(self._inbound)
        return found.end() if found else 0

    def _account(self) -> None:
        """Count the bytes that wait, and end the connection if they are too many."""
        waiting = len(self._inbound)
        if not waiting:
            self._connections.incoming.release(self)
            self.flow.release()
        elif self._answering and waiting > self._limits.pipelined_bytes:
            self._connections.ended["pipelined"] += 1
            self._last = True
            self._inbound.clear()
            self._connections.incoming.release(self)
            self.flow.hold()
        elif not self._answering and not self._in_body and waiting > self._limits.head_bytes:
            self.drop("head_size")
        else:
            if self._answering or self._in_body or self.flow.write_paused:
                self.flow.hold()
            else:
                self.flow.release()
            self._connections.incoming.hold(self, waiting)

    # parser callbacks

    def on_headers_complete(self) -> None:
        """Begin a request, whose head is complete."""
        super().on_headers_complete()
        self._body_left = read_body_length(self.headers)
        self._in_body = True
        self._wanted = False
        self._answered = False
        self._last = self._last or self.parser.should_upgrade()  # to what we do not speak: nothing more is parsed
        self._connections.done_waiting(self)
        began = self.loop.time() if self._began is None else self._began
        left = began + self._limits.request_timeout - self.loop.time()
        self._arm(left, functools.partial(self.drop, "request_timeout"))

    def handle_websocket_upgrade(self) -> None:
        """From now on it is a WebSocket, which counts as the connection that it is; its rate is that of requests."""
        self._disarm()
        self._connections.done_waiting(self)
        host = self.client[0] if self.client else ""
        rates, proxies = self._connections.rates, self._connections.proxies
        client = rates.find_client(proxies.find_client(host, self.headers), self.url, self.headers)
        refusal = _TOO_MANY if rates.take(client) > 0 else ENDING.octets if self._ends else b""
        if refusal:
            self.transport.write(refusal)
            self.transport.close()
            self._arm(self._limits.linger_timeout, self.transport.abort)
            return
        behind = bytes(self._inbound)
        self._inbound.clear()
        self._connections.incoming.release(self)
        self.flow.release()
        self.connections.discard(self)
        websocket = BoundedWebSocket(
            config=self.config,
            server_state=self.server_state,
            app_state=self.app_state,
            on_lost=self._on_lost,
            linger=self._limits.linger_timeout,
        )
        websocket.connection_made(self.transport)
        if self._origin is not None:
            websocket.client, websocket.scheme = self._origin, "wss"
        self.transport.set_protocol(websocket)
        lines = [self.scope["method"].encode(), b" ", self.url, b" HTTP/1.1\r\n"]
        for name, value in self.scope["headers"]:
            lines += [name, b": ", value, b"\r\n"]
        websocket.data_received(b"".join([*lines, b"\r\n"]))
        if behind:
            websocket.data_received(behind)
        self.parser = None  # type: ignore[assignment]  # which holds this; its connection is lost without us

    def on_body(self, body: bytes) -> None:
        """Take a part of the request's body."""
        if self._body_left != CHUNKED:
            self._body_left -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request, which is complete."""
        self._in_body = False
        self._answering = True
        self._began = None
        self._disarm()
        super().on_message_complete()

    # the answer

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        rates, proxies = self._connections.rates, self._connections.proxies
        host = self.client[0] if self.client else ""
        client = rates.find_client(proxies.find_client(host, self.headers), self.url, self.headers)
        wait = rates.take(client)
        if wait > 0:
            app = refuse(client, wait)
            self._last = self._last or host not in proxies  # theirs may carry others' requests, too
        elif self._ends and changes(self.scope["method"]):
            app = ENDING.answer
        self._asking = client
        self._connections.request_queue.ask(client, self, functools.partial(self._begin, cycle, app))

    def _begin(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._asking = None
        super()._start_asgi_task(cycle, functools.partial(self._answer, cycle, app))

    async def _answer(
        self,
        cycle: RequestResponseCycle,
        app: ASGI3Application,
        scope: Scope,
        receive: ASGIReceiveCallable,
        send: ASGISendCallable,
    ) -> None:
        async def send_last(message: ASGISendEvent) -> None:
            if message["type"] == "http.response.start" and (cycle.more_body or self._last or self._ends):
                self._last = True
                cycle.keep_alive = False  # says so in the answer
                await send(message)
                cycle.keep_alive = True  # but it is we who close, and not at once
            else:
                await send(message)

        async def receive_wanted() -> ASGIReceiveEvent:
            if cycle is self.cycle and not self._wanted:
                self._wanted = True
                self._parse()
            return await receive()

        await app(scope, receive_wanted, send_last)

    def on_response_complete(self) -> None:
        """Go on with the next request, since the answer has been written."""
        super().on_response_complete()
        self._answering = False
        self._answered = True
        if self.transport.is_closing():
            self._arm(self._limits.linger_timeout, self.transport.abort)
        elif self._last:
            self._unset_keepalive_if_required()
            self._linger()
        else:
            self._connections.wait(self)
            self._parse()

    def timeout_keep_alive_handler(self) -> None:
        """End the connection, since no other request has come."""
        if not self.transport.is_closing():
            self._linger()

    def _linger(self) -> None:
        """Say that we send no more, and drop what still comes until the client has read the answer."""
        self._lingering = True
        self._connections.wait(self)
        self._inbound.clear()
        self._connections.incoming.release(self)
        if self.cycle is not None:
            self.cycle.body = bytearray()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.release()
        self.flow.resume_reading()
        self._arm(self._limits.linger_timeout, self.transport.abort)

    # a client that does not read

    def pause_writing(self) -> None:
        """Note that a part of the answer waits for the client to read."""
        super().pause_writing()
        self._connections.outgoing.hold(self, self.transport.get_write_buffer_size())
        self._end_stall_timer()
        self._stall = self.loop.call_later(self._limits.send_timeout, self.drop, "send_timeout")

    def resume_writing(self) -> None:
        """Note that the client has read."""
        self._end_stall()
        super().resume_writing()
        if not self._lingering and not self.transport.is_closing():
            self._parse()

    def _end_stall(self) -> None:
        self._connections.outgoing.release(self)
        self._end_stall_timer()

    def _end_stall_timer(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    # deadlines

    def _arm(self, seconds: float, callback: Callable[[], object]) -> None:
        self._disarm()
        self._deadline = self.loop.call_later(max(0.0, seconds), callback)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
