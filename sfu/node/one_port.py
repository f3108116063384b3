"""The port of `sfu serve` for a program with an ASGI app of its own: HTTP, TLS, ICE-TCP and TURN on one socket."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from starlette.types import ASGIApp

from sfu import LocalError, Server
from sfu.node.http.connections import HttpConnections, TrustedProxies
from sfu.node.http.limits import HttpLimits
from sfu.node.http.server import HttpServer, build_http_server
from sfu.node.tcp import build_mux, describe_port, load_certificate
from sfu.signaling import OwnTurn
from sfu.tcp.ways import TcpLimits

_BACKLOG = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class PortOptions:
    """Where it is, and what is served there."""

    host: str = "127.0.0.1"
    """An address of this machine; media come by it where clients are told of it, which is not so of loopback alone."""
    port: int = 8000
    """0: one that is free."""
    tls_cert: str = ""
    """The file of a certificate's chain, read again when it changes; empty: no TLS."""
    tls_key: str = ""
    """The file of its key."""
    tcp: bool = True
    """Whether media come by TCP, too."""
    turn_udp: bool = False
    """Whether TURN comes by UDP, too, on the server's media ports: for clients that relay all they send."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses and networks of reverse proxies, whose X-Forwarded-For and X-Forwarded-Proto are believed."""
    limits: HttpLimits = field(default_factory=HttpLimits)
    """What a stranger may take of HTTP. A large upload on a slow line needs a longer `request_timeout`."""
    shutdown_s: int = 5
    """So long requests may go on once it is stopped."""


class OnePort:
    """Bound from the beginning, served by `serve`, closed at the end of `with`.

    Who has nothing but this port takes part in a room if its signalling tells of `turn`: give it to the options of
    `sfu.signaling.create_app` or `sfu.signaling.livekit.create_app`.
    """

    def __init__(self, server: Server, options: PortOptions) -> None:
        """`server` must be started.

        Raises:
            ConfigError: certificate or key cannot be used.
            LocalError: the port cannot be bound.
        """
        certificate = load_certificate(options)
        self._server, self._options = server, options
        self._listener = _bind(options.host, options.port)
        self._port = describe_port(server, options, certificate, self._listener.getsockname()[1])
        self._http: HttpServer | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    @property
    def turn(self) -> OwnTurn | None:
        """The TURN server that this port is; None where clients cannot reach it."""
        return self._port.turn

    @property
    def url(self) -> str:
        """Its base URL by its own address, without a slash at the end."""
        host = f"[{self._options.host}]" if ":" in self._options.host else self._options.host
        return f"{'http' if self._port.certificate is None else 'https'}://{host}:{self._port.port}"

    async def serve(self, app: ASGIApp, on_started: Callable[[], None] = lambda: None) -> None:
        """Serve an app with its lifespan, its HTTP and its WebSockets, and the media, until `stop`; once."""
        options = self._options
        connections = HttpConnections(options.limits, TrustedProxies(options.trusted_proxies))
        mux = build_mux(self._server, self._port, connections, TcpLimits().connections)
        self._http = build_http_server(
            app,
            connections,
            shutdown_s=options.shutdown_s,
            on_started=on_started,
            websockets=True,
            mux=mux,
            lifespan=True,
        )
        try:
            if mux is not None:
                await mux.start()
            self._server.announce_tcp(self._port.port if self._port.open else None)
            await self._http.serve(sockets=[self._listener])
        finally:
            self._server.announce_tcp(None)
            if mux is not None:
                await mux.close()

    def stop(self) -> None:
        """End `serve`; called again: at once, without waiting for requests."""
        if self._http is not None:
            self._http.force_exit = self._http.should_exit
            self._http.should_exit = True


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    both = family is socket.AF_INET6  # `::` takes IPv4, too
    try:
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG, dualstack_ipv6=both)
    except OSError as error:
        raise LocalError(f"cannot listen on {host} port {port} (TCP): {error.strerror}; set another port") from error
    listener.setblocking(False)
    return listener
