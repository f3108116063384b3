"""A server that ends answers whoever has connected, and begins nothing."""

from __future__ import annotations

import asyncio
import socket

import pytest

from sfu.node.http.server import HttpServer
from tests.unit.node.http.served import CLOSE, PATIENT, POST, REQUEST, Counted, connect, serving, until

REST = b"\r\n"
LONG = b"POST /say HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n"


async def ended(server: HttpServer, open_connections: int) -> None:
    await until(lambda: len(server.connections) == open_connections)
    server.stop_accepting()


async def answer(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the connection ends."""
    async with asyncio.timeout(10):
        return await reader.read()


@pytest.mark.parametrize("sent", [0, 1, len(REQUEST)])
async def test_who_has_connected_is_answered(sent: int) -> None:
    async with serving(PATIENT) as (server, port):
        reader, writer = await connect(port)
        writer.write(REQUEST[:sent])
        await ended(server, 1)
        writer.write(REQUEST[sent:] + REST)
        said = await answer(reader)
    assert said.startswith(b"HTTP/1.1 200 OK") and said.endswith(b"hello")
    assert b"connection: close" in said.lower()


async def test_who_asks_the_next_thing_in_part_is_answered_and_who_asks_nothing_is_let_go() -> None:
    async with serving(PATIENT) as (server, port):
        idle, asks = await connect(port), await connect(port)
        for reader, writer in (idle, asks):
            writer.write(REQUEST + REST)
            await reader.readuntil(b"hello")
        asks[1].write(REQUEST)
        await until(lambda: any(each._inbound for each in server.server_state.connections))  # type: ignore[union-attr]
        await ended(server, 2)
        assert await answer(idle[0]) == b""
        asks[1].write(REST)
        assert (await answer(asks[0])).endswith(b"hello")


async def test_who_is_being_answered_gets_the_answer() -> None:
    app = Counted()
    app.go.clear()
    async with serving(PATIENT, app) as (server, port):
        reader, writer = await connect(port)
        writer.write(REQUEST + REST)
        await until(lambda: app.begun == 1)
        await ended(server, 1)
        app.go.set()
        said = await answer(reader)
    assert said.endswith(b"hello") and b"connection: close" in said.lower()


async def test_a_body_on_its_way_is_taken() -> None:
    app = Counted()
    async with serving(PATIENT, app) as (server, port):
        reader, writer = await connect(port)
        writer.write(LONG + b"ab")
        await until(lambda: app.begun == 1)
        await ended(server, 1)
        writer.write(b"cd")
        assert (await answer(reader)).startswith(b"HTTP/1.1 200 OK")


async def test_nothing_begins_that_would_be_lost_with_the_process() -> None:
    app = Counted()
    async with serving(PATIENT, app) as (server, port):
        reader, writer = await connect(port)
        await ended(server, 1)
        writer.write(POST + CLOSE + REST)
        said = await answer(reader)
    assert said.startswith(b"HTTP/1.1 503") and b"retry-after: 1" in said.lower()
    assert app.begun == 0


async def test_who_is_still_being_accepted_is_answered_before_the_server_is_down() -> None:
    async with serving(PATIENT) as (server, port):
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.setblocking(False)
            await until(lambda: len(server.connections) == 1)  # counted; its protocol may not be there yet
            down = asyncio.create_task(server.shutdown([]))
            await asyncio.get_running_loop().sock_sendall(client, REQUEST + REST)
            said = b""
            async with asyncio.timeout(10):
                while part := await asyncio.get_running_loop().sock_recv(client, 4096):
                    said += part
            await down
    assert said.endswith(b"hello")


async def test_who_never_asks_does_not_keep_it_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sfu.node.http.protocol.LAST_REQUEST_S", 0.02)
    async with serving(PATIENT) as (server, port):
        reader, _ = await connect(port)
        await ended(server, 1)
        assert await answer(reader) == b""
