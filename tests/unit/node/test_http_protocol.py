from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from sfu.node.http_protocol import BoundedHttpProtocol

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n"


class Impatient(BoundedHttpProtocol):
    head_limit_bytes = 4096
    head_timeout = 0.05


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})


@pytest.fixture
async def port() -> AsyncIterator[int]:
    config = uvicorn.Config(hello, port=0, http=Impatient, lifespan="off", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    yield server.servers[0].sockets[0].getsockname()[1]
    await server.shutdown()


async def talk(port: int, *parts: bytes) -> bytes:
    """Send, with the loop's other work in between; return all that comes until the connection closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        async with asyncio.timeout(10):
            return await reader.read()
    except ConnectionError:
        return b"reset"
    finally:
        writer.close()


CLOSE = b"Connection: close\r\n"


async def test_requests_are_answered(port: int) -> None:
    assert (await talk(port, REQUEST + CLOSE + b"\r\n")).endswith(b"hello")
    assert (await talk(port, REQUEST, CLOSE, b"\r\n")).endswith(b"hello")


async def test_a_body_is_not_counted_as_head(port: int) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n" + CLOSE + b"\r\n"
    assert (await talk(port, head + b"a" * 50000, b"a" * 50000)).endswith(b"hello")


async def test_a_slow_body_is_not_a_slow_head(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n" + CLOSE + b"\r\n")
    await asyncio.sleep(3 * Impatient.head_timeout)
    writer.write(b"a")
    assert (await reader.read()).endswith(b"hello")
    writer.close()


@pytest.mark.parametrize(
    "parts",
    [
        [REQUEST, *[b"X-A: " + b"a" * 1000 + b"\r\n"] * 20],
        [b"GET /" + b"a" * 20000],
        [REQUEST + b"X-A: "],
        [b"G"],
        [],
    ],
    ids=["many headers", "long line", "slow header", "slow line", "silence"],
)
async def test_a_head_that_does_not_end_ends_the_connection(port: int, parts: list[bytes]) -> None:
    assert await talk(port, *parts) in (b"", b"reset")


async def test_the_second_request_of_a_connection_is_bounded_too(port: int) -> None:
    first = REQUEST + b"\r\n"
    received = await talk(port, first + REQUEST)
    assert received == b"reset" or received.count(b"hello") == 1
