"""An HTTP server on a loopback port for an app that counts its requests, and clients that talk to it octet by octet."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

from starlette.types import Receive, Scope, Send

from sfu.node.http.connections import HttpConnections, TrustedProxies
from sfu.node.http.limits import HttpLimits
from sfu.node.http.rates import RequestRates
from sfu.node.http.server import HttpServer, build_http_server

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n"
CLOSE = b"Connection: close\r\n"
POST = b"POST /refuse HTTP/1.1\r\nHost: x\r\n"
IMPATIENT = HttpLimits(
    head_bytes=4096, pipelined_bytes=4096, head_timeout=0.05, request_timeout=0.2, idle_timeout=0.05, linger_timeout=0.1
)
PATIENT = replace(
    IMPATIENT,
    head_timeout=60.0,
    request_timeout=60.0,
    idle_timeout=60.0,
    linger_timeout=60.0,
    held_bytes=1 << 30,
)


class Counted:
    """An app that says hello, refuses without reading, or stops in the middle."""

    def __init__(self) -> None:
        self.begun = 0
        self.go = asyncio.Event()
        self.go.set()
        self.clients: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.begun += 1
        self.clients.append(scope["client"][0])
        await self.go.wait()
        if scope["path"] == "/much":
            body = b"a" * (32 << 20)
        else:
            body = b"hello"
        if scope["path"] != "/refuse":
            while (await receive()).get("more_body"):
                pass
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})


_clients: list[asyncio.StreamWriter] = []


async def connect(port: int, source: str = "127.0.0.1") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A client at an address of its own, until the server stops."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    _clients.append(writer)
    return reader, writer


@contextlib.asynccontextmanager
async def serving(
    limits: HttpLimits,
    app: Counted | None = None,
    proxies: TrustedProxies | None = None,
    family: socket.AddressFamily = socket.AF_INET,
) -> AsyncIterator[tuple[HttpServer, int]]:
    rates = RequestRates(limits, is_valid=lambda token: token.startswith("good"), clock=lambda: 0.0)
    connections = HttpConnections(limits, proxies, rates)
    server = build_http_server(app or Counted(), connections, shutdown_s=1)  # type: ignore[arg-type]
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    both = family == socket.AF_INET6
    with socket.create_server(("::" if both else "127.0.0.1", 0), family=family, dualstack_ipv6=both) as listener:
        listener.setblocking(False)
        await server.startup([listener])
        try:
            yield server, listener.getsockname()[1]
        finally:
            server.force_exit = True
            for writer in _clients:
                writer.transport.abort()
            for connection in list(server.server_state.connections):
                connection.transport.abort()
            await server.shutdown([])
            _clients.clear()


async def until(condition: Callable[[], bool]) -> None:
    """Asked in each round of the event loop, since some of it lasts no longer than that."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0)


async def talk(port: int, *parts: bytes) -> bytes:
    """Send, with the loop's other work in between; return all that comes until the connection closes."""
    reader, writer = await connect(port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        async with asyncio.timeout(10):
            return await reader.read()
    except ConnectionError:
        return b"reset"
