"""WebSockets behind the HTTP listener: counted as the connections that they are, and never waited for."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator

import pytest
import websockets
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from sfu.node.http.connections import HttpConnections
from sfu.node.http.limits import HttpLimits
from sfu.node.http.rates import RequestRates
from sfu.node.http.server import build_http_server
from tests.leftovers import nothing_left_over
from tests.unit.node.http.served import IMPATIENT


async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    with contextlib.suppress(WebSocketDisconnect):
        while True:
            await websocket.send_text(await websocket.receive_text())


async def refuse(websocket: WebSocket) -> None:
    await websocket.send_denial_response(PlainTextResponse("not you", 401))


async def flood(websocket: WebSocket) -> None:
    await websocket.accept()
    with contextlib.suppress(TimeoutError, WebSocketDisconnect):
        async with asyncio.timeout(0.3):
            while True:
                await websocket.send_bytes(b"x" * 65536)


async def hello(request: Request) -> Response:
    return PlainTextResponse("hello")


@contextlib.asynccontextmanager
async def serving(
    limits: HttpLimits = IMPATIENT, *, websockets: bool = True
) -> AsyncIterator[tuple[HttpConnections, int]]:
    app = Starlette(
        routes=[
            WebSocketRoute("/echo", echo),
            WebSocketRoute("/refuse", refuse),
            WebSocketRoute("/flood", flood),
            Route("/echo", hello),
        ]
    )
    connections = HttpConnections(limits, None, RequestRates(limits, clock=lambda: 0.0))
    server = build_http_server(app, connections, shutdown_s=1, websockets=websockets)
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)

    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    await server.startup([listener])
    try:
        yield connections, listener.getsockname()[1]
    finally:
        await server.shutdown([listener])
        listener.close()


async def until_empty(connections: HttpConnections) -> None:
    async with asyncio.timeout(5):
        while len(connections):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_websocket_is_one_connection_from_first_to_last(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "sfu")
    async with serving() as (connections, port):
        async with websockets.connect(f"ws://127.0.0.1:{port}/echo?access_token=secret") as client:
            await client.send("hello")
            assert await client.recv() == "hello"
            assert len(connections) == 1
            await asyncio.sleep(IMPATIENT.request_timeout * 1.5)  # what bounds requests does not end it
            await client.send("again")
            assert await client.recv() == "again"
        await until_empty(connections)
    assert "secret" not in caplog.text


async def echo_raw(text: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[int, int]:
    """Send a text in a frame (RFC 6455 section 5.2); of what comes back the first byte, and the payload's size."""
    mask = 0x80
    length = bytes([mask | len(text)]) if len(text) < 126 else bytes([mask | 126]) + len(text).to_bytes(2)
    writer.write(b"\x81" + length + bytes(4) + text)
    first, short = await reader.readexactly(2)
    size = int.from_bytes(await reader.readexactly(2)) if short == 126 else short
    await reader.readexactly(size)
    return first, size


async def test_what_fits_into_one_packet_is_not_compressed_and_what_does_not_is() -> None:
    async with serving() as (connections, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"GET /echo HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
        )
        assert b"permessage-deflate" in await reader.readuntil(b"\r\n\r\n")
        assert await echo_raw(b"x" * 1200, reader, writer) == (0x81, 1200)
        first, size = await echo_raw(b"x" * 1201, reader, writer)
        assert first == 0xC1 and size < 50, "its bit RSV1 is set (RFC 7692 section 6)"
        writer.close()
        await until_empty(connections)


async def test_messages_of_all_sizes_come_as_they_were_sent_one_after_the_other() -> None:
    async with serving() as (connections, port):
        async with websockets.connect(f"ws://127.0.0.1:{port}/echo", compression="deflate") as client:
            for size in (1, 5000, 1200, 1201, 100_000, 2):
                await client.send(f"{size} " * size)
                assert await client.recv() == f"{size} " * size
        await until_empty(connections)


async def test_a_refusal_before_the_upgrade_arrives() -> None:
    async with serving() as (connections, port):
        with pytest.raises(websockets.InvalidStatus) as caught:
            await websockets.connect(f"ws://127.0.0.1:{port}/refuse")
        assert (caught.value.response.status_code, caught.value.response.body) == (401, b"not you")
        await until_empty(connections)


async def test_who_does_not_read_the_rest_is_cut_off() -> None:
    async with serving() as (connections, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(
            b"GET /flood HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert b"101" in await reader.readline()
        await until_empty(connections)
        writer.close()


async def test_upgrades_are_as_bounded_as_requests() -> None:
    async with serving(HttpLimits(requests_per_address=1.0, request_burst_per_address=2)) as (connections, port):
        for _ in range(2):
            async with websockets.connect(f"ws://127.0.0.1:{port}/echo"):
                pass
        with pytest.raises(websockets.InvalidStatus) as caught:
            await websockets.connect(f"ws://127.0.0.1:{port}/echo")
        assert caught.value.response.status_code == 429
        await until_empty(connections)


async def test_where_there_are_none_an_upgrade_is_a_request() -> None:
    async with serving(websockets=False) as (_, port):
        with pytest.raises(websockets.InvalidStatus) as caught:
            await websockets.connect(f"ws://127.0.0.1:{port}/echo")
        assert caught.value.response.status_code == 200


async def test_of_those_who_have_gone_nothing_is_left() -> None:
    async def come_and_go(connections: HttpConnections, port: int) -> None:
        async with websockets.connect(f"ws://127.0.0.1:{port}/echo") as client:
            await client.send("x" * 5000)
            assert await client.recv() == "x" * 5000
        with pytest.raises(websockets.InvalidStatus):
            await websockets.connect(f"ws://127.0.0.1:{port}/refuse")
        await until_empty(connections)

    async with serving() as (connections, port):
        await come_and_go(connections, port)  # what is made once is there
        async with nothing_left_over():
            await come_and_go(connections, port)
