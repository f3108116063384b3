from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from sfu.node.http.connections import TrustedProxies
from tests.unit.node.http.served import CLOSE, IMPATIENT, PATIENT, POST, REQUEST, Counted, connect, serving, talk, until


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async with serving(IMPATIENT) as (_, port):
        yield port


async def send_for_ever(writer: asyncio.StreamWriter) -> None:
    async with asyncio.timeout(20):
        while True:
            writer.write(b"a" * 65536)
            await writer.drain()


async def test_requests_are_answered(port: int) -> None:
    assert (await talk(port, REQUEST + CLOSE + b"\r\n")).endswith(b"hello")
    assert (await talk(port, REQUEST, CLOSE, b"\r\n")).endswith(b"hello")


async def test_a_request_may_come_byte_by_byte() -> None:
    request = b"\r\n" + REQUEST + CLOSE + b"\r\n"
    async with serving(PATIENT) as (_, port):
        assert (await talk(port, *(request[at : at + 1] for at in range(len(request))))).endswith(b"hello")


async def test_a_body_is_not_counted_as_head(port: int) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n" + CLOSE + b"\r\n"
    assert (await talk(port, head + b"a" * 50000, b"a" * 50000)).endswith(b"hello")


async def test_a_body_in_chunks_ends_where_it_says(port: int) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = b"5\r\na\nb\nc\r\n1\r\n\n\r\n0\r\n\r\n"
    assert (await talk(port, head + chunks + REQUEST + CLOSE + b"\r\n")).count(b"hello") == 2


async def test_a_slow_body_is_not_a_slow_head(port: int) -> None:
    reader, writer = await connect(port)
    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n" + CLOSE + b"\r\n")
    await asyncio.sleep(2 * IMPATIENT.head_timeout)
    writer.write(b"a")
    assert (await reader.read()).endswith(b"hello")


@pytest.mark.parametrize(
    "parts",
    [
        [REQUEST, *[b"X-A: " + b"a" * 1000 + b"\r\n"] * 20],
        [b"GET /" + b"a" * 20000],
        [REQUEST + b"X-A: "],
        [b"G"],
        [],
        [b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na"],
        [b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na"],
    ],
    ids=["many headers", "long line", "slow header", "slow line", "silence", "slow body", "slow chunks"],
)
async def test_a_request_that_does_not_end_ends_the_connection(port: int, parts: list[bytes]) -> None:
    assert await talk(port, *parts) in (b"", b"reset")


@pytest.mark.parametrize("rest", [b"a", b"a" * 100_000], ids=["one byte", "much"])
async def test_an_answer_before_the_body_is_the_last_and_arrives(port: int, rest: bytes) -> None:
    received = await talk(port, POST + b"Content-Length: 1000000\r\n\r\n" + rest)
    assert b"connection: close" in received
    assert received.endswith(b"hello")


async def test_who_goes_on_sending_after_an_early_answer_is_left() -> None:
    async with serving(replace(PATIENT, linger_bytes=100_000)) as (server, port):
        reader, writer = await connect(port)
        writer.write(POST + b"Content-Length: 100000000\r\n\r\na")
        assert (await reader.read()).endswith(b"hello")
        with pytest.raises(ConnectionError):
            await send_for_ever(writer)
        await until(lambda: len(server.connections) == 0)


async def test_the_second_request_of_a_connection_is_bounded_too(port: int) -> None:
    first = REQUEST + b"\r\n"
    received = await talk(port, first + REQUEST)
    assert received == b"reset" or received.count(b"hello") == 1


async def test_an_idle_connection_is_closed(port: int) -> None:
    assert (await talk(port, REQUEST + b"\r\n")).count(b"hello") == 1


async def test_pipelined_requests_are_answered_one_after_the_other() -> None:
    app = Counted()
    app.go.clear()
    async with serving(PATIENT, app) as (server, port):
        reader, writer = await connect(port)
        writer.write((REQUEST + b"\r\n") * 20 + REQUEST + CLOSE + b"\r\n")
        await until(lambda: app.begun == 1 and server.connections.incoming.total > 0)
        assert len(server.server_state.tasks) == 1
        app.go.set()
        assert (await reader.read()).count(b"hello") == 21
        assert server.connections.incoming.total == 0


async def test_nothing_is_read_while_pipelined_requests_wait() -> None:
    app = Counted()
    app.go.clear()
    async with serving(PATIENT, app) as (server, port):
        _, writer = await connect(port)
        writer.write((REQUEST + b"\r\n") * 2)
        await until(lambda: server.connections.incoming.total > 0)
        waiting = server.connections.incoming.total
        writer.write((REQUEST + b"\r\n") * 300_000)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await writer.drain()
        assert (server.connections.incoming.total, app.begun) == (waiting, 1)


async def test_who_pipelines_too_much_gets_the_answer_that_is_under_way_and_no_other() -> None:
    app = Counted()
    app.go.clear()
    async with serving(IMPATIENT, app) as (server, port):
        reader, writer = await connect(port)
        writer.write((REQUEST + b"\r\n") * 1000)
        await until(lambda: server.connections.ended["pipelined"] == 1)
        app.go.set()
        received = await reader.read()
        assert received.count(b"hello") == 1
        assert b"connection: close" in received


async def test_who_does_not_read_the_answer_is_left() -> None:
    async with serving(replace(PATIENT, send_timeout=0.1)) as (server, port):
        _, writer = await connect(port)
        writer.write(b"GET /much HTTP/1.1\r\nHost: x\r\n\r\n")
        await until(lambda: server.connections.ended["send_timeout"] == 1 and len(server.connections) == 0)


async def test_what_waits_in_all_connections_is_bounded_and_the_longest_waiting_gives_way() -> None:
    async with serving(replace(PATIENT, held_bytes=5000)) as (server, port):
        first_reader, first = await connect(port)
        first.write(REQUEST + b"X-A: " + b"a" * 2900)
        await until(lambda: server.connections.incoming.total > 2900)
        reader, second = await connect(port)
        second.write(REQUEST + CLOSE + b"X-A: " + b"a" * 2900)
        with contextlib.suppress(ConnectionError):
            assert await first_reader.read() == b""
        second.write(b"\r\n\r\n")
        assert (await reader.read()).endswith(b"hello")
        assert server.connections.ended == {"memory": 1}


async def test_one_address_has_a_share_of_the_connections_and_is_told() -> None:
    async with serving(replace(PATIENT, connections_per_address=2)) as (server, port):
        mine = [await connect(port) for _ in range(3)]
        assert (await mine[2][0].read()).startswith(b"HTTP/1.1 429 ")
        other = await connect(port, "127.0.0.2")
        other[1].write(REQUEST + CLOSE + b"\r\n")
        assert (await other[0].read()).endswith(b"hello")
        assert server.connections.ended == {"address": 1}
        mine[0][1].close()
        await until(lambda: len(server.connections) == 1)
        again = await connect(port)
        again[1].write(REQUEST + CLOSE + b"\r\n")
        assert (await again[0].read()).endswith(b"hello")


async def test_a_trusted_proxy_is_no_client_and_says_who_is() -> None:
    app = Counted()
    proxies = TrustedProxies(["127.0.0.0/30"])
    async with serving(replace(PATIENT, connections_per_address=1), app, proxies) as (_, port):
        for client in (b"192.0.2.7", b"192.0.2.8"):
            reader, writer = await connect(port)
            writer.write(REQUEST + CLOSE + b"X-Forwarded-For: 198.51.100.1, " + client + b"\r\n\r\n")
            assert (await reader.read()).endswith(b"hello")
        # who is no proxy is who he is
        reader, writer = await connect(port, "127.0.0.9")
        writer.write(REQUEST + CLOSE + b"X-Forwarded-For: 192.0.2.7\r\n\r\n")
        assert (await reader.read()).endswith(b"hello")
    assert app.clients == ["192.0.2.7", "192.0.2.8", "127.0.0.9"]


async def test_a_proxy_by_ipv4_is_one_on_a_socket_of_ipv6_too_and_leaves_as_what_it_came() -> None:
    limits = replace(PATIENT, connections_per_address=1)
    async with serving(limits, proxies=TrustedProxies(["127.0.0.1"]), family=socket.AF_INET6) as (server, port):
        opened = [await connect(port) for _ in range(2)]
        await until(lambda: len(server.connections) == 2)
        for _, writer in opened:
            writer.close()
        await until(lambda: len(server.connections) == 0)
        assert (await talk(port, REQUEST + CLOSE + b"\r\n")).endswith(b"hello")


async def test_at_the_limit_those_that_wait_for_a_request_make_room() -> None:
    async with serving(replace(PATIENT, connections=3)) as (server, port):
        for _ in range(3):
            await connect(port)
        await until(lambda: len(server.connections) == 3)
        assert (await talk(port, REQUEST + CLOSE + b"\r\n")).endswith(b"hello")
        assert server.connections.ended["full"] >= 1


async def test_at_the_limit_nobody_is_accepted_while_all_are_at_work() -> None:
    app = Counted()
    app.go.clear()
    async with serving(replace(PATIENT, connections=2), app) as (server, port):
        busy = [asyncio.create_task(talk(port, REQUEST + CLOSE + b"\r\n")) for _ in range(2)]
        await until(lambda: app.begun == 2)
        later = asyncio.create_task(talk(port, REQUEST + CLOSE + b"\r\n"))
        await asyncio.sleep(0.05)
        assert (len(server.connections), app.begun) == (2, 2)
        app.go.set()
        for answer in await asyncio.gather(*busy, later):
            assert answer.endswith(b"hello")
        assert not server.connections.ended


async def test_at_the_limit_who_has_his_answer_makes_room() -> None:
    async with serving(replace(PATIENT, connections=1)) as (server, port):
        reader, writer = await connect(port)
        later = asyncio.create_task(talk(port, REQUEST + CLOSE + b"\r\n"))
        writer.write(b"GET /much HTTP/1.1\r\nHost: x\r\n\r\n")
        assert len(await reader.read()) > 32 << 20
        assert (await later).endswith(b"hello")
        assert server.connections.ended["full"] == 1


async def test_an_upgrade_is_answered_and_ends_the_connection(port: int) -> None:
    upgrade = REQUEST + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    received = await talk(port, upgrade + REQUEST + b"\r\n")
    assert received.count(b"hello") == 1


@pytest.mark.parametrize("nonsense", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\nHost: x\n\n"], ids=["words", "bare LF"])
async def test_what_is_no_request_is_told_so(port: int, nonsense: bytes) -> None:
    assert (await talk(port, nonsense)).startswith(b"HTTP/1.1 400 ")
