"""The HTTP server: uvicorn's, behind a door of ours that counts connections before it accepts them."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import socket
from collections.abc import Callable, Iterator, Sequence

import uvicorn
from starlette.types import ASGIApp

from sfu.node.http.connections import HttpConnections
from sfu.node.http.ending import LAST_REQUEST_S
from sfu.node.http.protocol import BoundedHttpProtocol
from sfu.node.http.refusal import Refusal
from sfu.node.http.websocket import MAX_MESSAGE_BYTES, PING_INTERVAL_S, PING_TIMEOUT_S, BoundedWebSocket
from sfu.tcp.mux import Address, Carries, TcpMux

_log = logging.getLogger("sfu.node")

_ACCEPTS = 64
"""How many connections are accepted at a time: the loop has other work, too."""
_SENDS_S = 1.0
"""Seconds until the last answers by TLS have reached the network."""
_RETRY_S = 1.0
"""Seconds until the next attempt, after the system could not give us a connection."""


_REFUSAL = Refusal(
    429,
    "Too many connections",
    "This address has as many connections open as it may have, or opens them too fast.",
    retry_after=10,
).octets


BuildProtocol = Callable[[Callable[[], None], Address | None], BoundedHttpProtocol]


class Listener:
    """Accepts connections on one listening socket while there is room for them.

    At the limit it does not accept, so that new connections wait in the system's queue and cost no descriptor; it goes
    on when a connection has gone. It has the methods of an asyncio server that uvicorn calls.
    """

    def __init__(
        self,
        listener: socket.socket,
        connections: HttpConnections,
        build: BuildProtocol,
        mux: TcpMux | None = None,
    ) -> None:
        """`build(on_lost, origin)` makes the protocol of a new connection, which calls `on_lost` at its end. `mux`
        tells what else than HTTP comes.
        """
        self._listener = listener
        self._connections = connections
        self._build = build
        self._mux = mux
        if mux is not None:
            mux.serve_http = self._begin
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._retry: asyncio.TimerHandle | None = None
        self._open = False
        self._closed = False
        connections.on_room = self._resume
        self._resume()

    def close(self) -> None:
        """Accept no more connections."""
        self._closed = True
        self._connections.on_room = lambda: None
        self._pause()

    async def wait_closed(self) -> None:
        """Wait for the connections that are being accepted."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _resume(self) -> None:
        """Accept again; whether there is room is checked when a connection has come."""
        if not self._open and not self._closed and self._retry is None:
            self._open = True
            self._loop.add_reader(self._listener, self._accept)

    def _pause(self) -> None:
        if self._open:
            self._open = False
            self._loop.remove_reader(self._listener)

    def _try_again(self) -> None:
        self._retry = None
        self._resume()

    def _accept(self) -> None:
        if not self._connections.has_room():  # and somebody has come
            self._pause()
            self._connections.make_room()
            return
        for _ in range(_ACCEPTS):
            if not self._connections.has_room():
                return
            try:
                accepted, address = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:  # no descriptor, no memory: asked again at once it would be the same
                self._connections.ended["system"] += 1
                _log.warning("no connection can be accepted", extra={"reason": error.strerror})
                self._pause()
                self._retry = self._loop.call_later(_RETRY_S, self._try_again)
                return
            self.take(accepted, address)

    def take(self, accepted: socket.socket, address: Address) -> None:
        """Serve a connection that has been accepted, if its address may have it."""
        # IPv4 on a socket of IPv6 is counted, believed and told as the IPv4 that it is, now and at its end
        client = address[0].removeprefix("::ffff:"), address[1]
        if not self._connections.enter(client[0]):
            _refuse(accepted)
        elif self._mux is not None:
            self._mux.take(accepted, client)
        else:
            self._begin(accepted, client, False)

    def _begin(self, accepted: socket.socket, address: Address, tls: bool) -> None:
        accepted.setblocking(False)
        task = self._loop.create_task(self._connect(accepted, address, tls))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, accepted: socket.socket, address: Address, tls: bool) -> None:
        host = address[0]
        protocol = self._build(functools.partial(self._connections.leave, host), address if tls else None)
        with contextlib.suppress(OSError):  # it is gone already
            await self._loop.connect_accepted_socket(lambda: protocol, accepted)
        if not protocol.connected:
            accepted.close()
            self._connections.leave(host)


def _refuse(accepted: socket.socket) -> None:
    """Tell the client why it is refused, if that can be sent without waiting."""
    with accepted, contextlib.suppress(OSError):
        accepted.setblocking(False)
        accepted.send(_REFUSAL)


class HttpServer(uvicorn.Server):
    """uvicorn without its signal handling, which would end the process before the media server is closed."""

    def __init__(
        self,
        config: uvicorn.Config,
        connections: HttpConnections,
        on_started: Callable[[], None],
        mux: TcpMux | None = None,
        accepted: Sequence[socket.socket] = (),
    ) -> None:
        """`accepted`: by the process before; nothing has been read of them."""
        super().__init__(config)
        self.connections = connections
        self._on_started = on_started
        self._mux = mux
        self._accepted = accepted
        self._stopping = False

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start on the given sockets, then report the start."""
        await super().startup([])
        if self.started:
            listeners = [Listener(each, self.connections, self._build_protocol, self._mux) for each in sockets or []]
            self.servers.extend(listeners)  # type: ignore[arg-type]  # they can do what is asked of them there
            for each in self._accepted:
                with contextlib.suppress(OSError):  # it is gone
                    listeners[0].take(each, each.getpeername())
            self._on_started()

    def stop_accepting(self) -> None:
        """Leave new connections to who else listens on the same sockets, and end those on which nothing is asked now:
        their clients come again there.
        """
        self._stopping = True
        for listener in self.servers:
            listener.close()
        for connection in list(self.server_state.connections):
            if isinstance(connection, BoundedHttpProtocol):
                connection.shutdown()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End, once those who have connected are answered."""
        self.stop_accepting()
        if self._mux is not None:
            await self._mux.wait_without(Carries.UNKNOWN, LAST_REQUEST_S)
        for listener in self.servers:
            await listener.wait_closed()
        await super().shutdown(sockets)
        if self._mux is not None:
            await self._mux.wait_without(Carries.HTTP, _SENDS_S)

    def _build_protocol(self, on_lost: Callable[[], None], origin: Address | None) -> BoundedHttpProtocol:
        return BoundedHttpProtocol(
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
            connections=self.connections,
            on_lost=on_lost,
            origin=origin,
            ends=self._stopping,
        )


def build_http_server(
    app: ASGIApp,
    connections: HttpConnections,
    *,
    shutdown_s: int,
    on_started: Callable[[], None] = lambda: None,
    websockets: bool = False,
    mux: TcpMux | None = None,
    lifespan: bool = False,
    accepted: Sequence[socket.socket] = (),
) -> HttpServer:
    """HTTP as we serve it: bounded, and silent where we log and tell ourselves. `websockets`, `lifespan`: whether the
    app has any; `mux`: tells what else comes on its sockets; `accepted`: see `HttpServer`.
    """
    proxies = list(connections.proxies.networks)
    config = uvicorn.Config(
        app,
        http=BoundedHttpProtocol,
        ws=BoundedWebSocket if websockets else "none",
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_ping_interval=PING_INTERVAL_S,
        ws_ping_timeout=PING_TIMEOUT_S,
        loop="none",
        lifespan="on" if lifespan else "off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=proxies,
        timeout_keep_alive=connections.limits.idle_timeout,  # type: ignore[arg-type]  # it is only given to call_later
        timeout_graceful_shutdown=shutdown_s,
    )
    return HttpServer(config, connections, on_started, mux, accepted)
