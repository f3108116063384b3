"""The TCP mux on a real port: whoever comes is led by what it says first, and whoever says nothing goes."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aioice import turn
from aioice.stun import Class, Message, Method

from sfu.tcp.mux import LEGS, Address, TcpMux
from sfu.tcp.tls import Certificate
from sfu.tcp.turn import TurnOptions, make_credential
from sfu.tcp.ways import TcpLimits, Ways
from sfu.wire.kernels.modes import PLAIN
from tests.leftovers import nothing_left_over
from tests.unit.tcp.certificates import make_certificate
from tests.unit.tcp.peers import Peer

pytestmark = pytest.mark.skipif(PLAIN, reason="plain Python makes no system calls for kernels")

SECRET = b"a secret that is long enough"
PATIENCE = 10.0
QUICK = TcpLimits(first_timeout=0.1)


class Entrance:
    """A listening socket before a mux, a shard behind it that answers, and an HTTP server that says hello."""

    def __init__(self, certificate: Certificate | None, limits: TcpLimits, turn_options: bool) -> None:
        self.shard = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.shard.bind(("127.0.0.1", 0))
        self.shard.setblocking(False)
        self.port = self.shard.getsockname()[1]
        self.known = {b"known"}
        self.left: list[str] = []
        self.served: list[tuple[Address, bool]] = []
        options = TurnOptions("court", SECRET, {"203.0.113.5": (self.port,)}, LEGS)
        self.origins: dict[Address, Address | None] = {}
        self.by_tcp: set[bool] = set()
        ways = Ways(
            find_port=self._find,
            set_origin=self._set_origin,
            media_host="127.0.0.1",
            enter=lambda host: True,
            left=self.left.append,
        )
        self.mux = TcpMux(ways, turn=options if turn_options else None, certificate=certificate, limits=limits)
        self.mux.serve_http = self._serve
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setblocking(False)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self.listener, self._accept)
        self._loop.add_reader(self.shard, self._echo)

    def _set_origin(self, address: Address, origin: Address | None, tcp: bool) -> None:
        self.origins[address] = origin
        self.by_tcp.add(tcp)

    def _find(self, check: bytes) -> int | None:
        return self.port if any(name in check for name in self.known) else None

    def _accept(self) -> None:
        accepted, address = self.listener.accept()
        self.mux.take(accepted, address)

    def _echo(self) -> None:
        data, address = self.shard.recvfrom(2000)
        self.shard.sendto(data, address)

    def _serve(self, accepted: socket.socket, address: Address, tls: bool) -> None:
        self.served.append((address, tls))

        async def answer() -> None:
            reader, writer = await asyncio.open_connection(sock=accepted)
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
            writer.close()

        accepted.setblocking(False)
        self._task = self._loop.create_task(answer())

    async def connect(self, *, tls: bool) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = self.listener.getsockname()
        if not tls:
            return await asyncio.open_connection(host, port)
        return await asyncio.open_connection(host, port, ssl=unverified(), server_hostname="localhost")

    async def until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, dict(self.mux.ended)
            await asyncio.sleep(0.01)

    async def close(self) -> None:
        self._loop.remove_reader(self.listener)
        self._loop.remove_reader(self.shard)
        await self.mux.close()
        self.listener.close()
        self.shard.close()


def unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


Open = Callable[..., Any]


@pytest.fixture
async def entrance(tmp_path: Path) -> AsyncIterator[Open]:
    opened: list[Entrance] = []

    async def open_one(*, tls: bool = True, turn: bool = True, limits: TcpLimits | None = None) -> Entrance:
        certificate = Certificate(*make_certificate(tmp_path)) if tls else None
        made = Entrance(certificate, limits or TcpLimits(), turn)
        opened.append(made)
        await made.mux.start()
        return made

    yield open_one
    for each in opened:
        await each.close()


@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
async def test_a_request_is_answered_and_its_client_known(entrance: Open, tls: bool) -> None:
    opened = await entrance()
    reader, writer = await opened.connect(tls=tls)
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    assert (await reader.read()).endswith(b"hello")
    assert opened.served == [(writer.get_extra_info("sockname"), tls)]
    writer.close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_client_that_does_not_take_our_certificate_is_counted_as_such(
    entrance: Open, version: ssl.TLSVersion
) -> None:
    opened = await entrance()
    context = ssl.create_default_context()
    context.minimum_version = context.maximum_version = version

    def connect() -> None:  # asyncio goes without the alert
        with socket.create_connection(opened.listener.getsockname()) as connection:
            context.wrap_socket(connection, server_hostname="localhost")

    with pytest.raises(ssl.SSLCertVerificationError):
        await asyncio.to_thread(connect)
    await opened.until(lambda: opened.mux.ended["certificate"] == 1)
    assert opened.mux.ended.total() == 1


async def test_a_handshake_that_fails_for_another_reason_is_not_the_certificates(entrance: Open) -> None:
    opened = await entrance()
    context = unverified()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-SHA")
    host, port = opened.listener.getsockname()
    with pytest.raises(ssl.SSLError):
        await asyncio.open_connection(host, port, ssl=context, server_hostname="localhost")
    await opened.until(lambda: opened.mux.ended["failed"] == 1)
    assert opened.mux.ended.total() == 1


@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
async def test_a_connectivity_check_leads_to_its_shard(entrance: Open, tls: bool) -> None:
    opened = await entrance()
    reader, writer = await opened.connect(tls=tls)
    check = bytes(Message(Method.BINDING, Class.REQUEST, b"t" * 12, {"USERNAME": "known:theirs"}))
    writer.write(struct.pack("!H", len(check)) + check)
    assert await reader.readexactly(2 + len(check)) == struct.pack("!H", len(check)) + check
    writer.write(b"\x00\x04data")
    assert await reader.readexactly(6) == b"\x00\x04data"
    assert list(opened.origins.values()) == [writer.get_extra_info("sockname")]
    writer.close()
    await opened.until(lambda: opened.left == ["127.0.0.1"])
    assert list(opened.origins.values()) == [None]
    assert opened.by_tcp == {True}


async def test_a_check_that_nobody_knows_ends_its_connection(entrance: Open) -> None:
    opened = await entrance()
    reader, writer = await opened.connect(tls=False)
    check = bytes(Message(Method.BINDING, Class.REQUEST, b"t" * 12, {"USERNAME": "strange:theirs"}))
    writer.write(struct.pack("!H", len(check)) + check)
    assert await reader.read() == b""
    assert opened.mux.ended["unknown_check"] == 1
    writer.close()


async def allocate(opened: Entrance, *, tls: bool) -> tuple[asyncio.DatagramTransport, Peer]:
    """A client of aioice's with an allocation."""
    username = f"{int(time.time()) + 60}:alice"
    made: tuple[asyncio.DatagramTransport, Peer] = await turn.create_turn_endpoint(
        Peer,
        server_addr=opened.listener.getsockname(),
        username=username,
        password=make_credential(SECRET, username),
        transport="tcp",
        ssl=unverified() if tls else False,
    )
    return made


@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
async def test_a_turn_client_that_we_did_not_write_reaches_the_shard(entrance: Open, tls: bool) -> None:
    opened = await entrance()
    transport, protocol = await allocate(opened, tls=tls)
    assert transport.get_extra_info("related_address") is not None
    for size in (1, 500, 1200):
        data = bytes([size % 251]) * size
        transport.sendto(data, ("203.0.113.5", opened.port))
        received = await asyncio.wait_for(protocol.received.get(), PATIENCE)
        assert received == (data, ("203.0.113.5", opened.port))
    assert list(opened.origins.values()) == [transport.get_extra_info("sockname")], "its relayed address"
    transport.close()
    await opened.until(lambda: opened.left)


async def test_nobody_else_is_reached_by_turn(entrance: Open) -> None:
    opened = await entrance()
    other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    other.bind(("127.0.0.1", 0))
    other.setblocking(False)
    transport, _ = await allocate(opened, tls=False)
    transport.sendto(b"hello", other.getsockname())
    transport.sendto(b"hello", ("203.0.113.5", opened.port))
    await opened.until(lambda: opened.mux.counters()["packets_in"] == 1)
    with pytest.raises(BlockingIOError):
        other.recv(100)
    other.close()
    transport.close()


@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
async def test_of_who_has_gone_nothing_is_left(entrance: Open, tls: bool) -> None:
    opened = await entrance()

    async def come_and_go() -> None:
        _, writer = await opened.connect(tls=tls)
        writer.close()
        reader, writer = await opened.connect(tls=tls)
        check = bytes(Message(Method.BINDING, Class.REQUEST, b"t" * 12, {"USERNAME": "known:theirs"}))
        writer.write(struct.pack("!H", len(check)) + check)
        await reader.readexactly(2 + len(check))
        writer.close()
        transport, _ = await allocate(opened, tls=tls)
        transport.close()
        await opened.until(lambda: len(opened.left) == 3)
        opened.left.clear()
        opened.origins.clear()

    await come_and_go()  # what is made once is there
    async with nothing_left_over():
        await come_and_go()


@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
async def test_who_says_nothing_goes(entrance: Open, tls: bool) -> None:
    opened = await entrance(limits=QUICK)
    reader, writer = await opened.connect(tls=tls)
    assert await asyncio.wait_for(reader.read(), PATIENCE) == b""
    await opened.until(lambda: opened.left == ["127.0.0.1"])
    assert opened.mux.ended["too_slow" if tls else "nothing_came"] == 1
    writer.close()


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b"\x16\x03\x01\x02", id="half a handshake"),
        pytest.param(b"\x00\x03\x00\x00", id="half a request"),
        pytest.param(b"\x00\x03\x00\x00\x21\x12\xa4\x42" + bytes(12), id="no allocation"),
    ],
)
async def test_who_does_not_go_on_goes(entrance: Open, said: bytes) -> None:
    opened = await entrance(limits=QUICK)
    reader, writer = await opened.connect(tls=False)
    writer.write(said)
    with contextlib.suppress(ConnectionResetError):
        await asyncio.wait_for(reader.read(), PATIENCE)
    await opened.until(lambda: opened.left == ["127.0.0.1"])
    assert opened.mux.ended["too_slow"] == 1
    writer.close()


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"\x16\x03\x01\x02\x00", "tls_not_set_up"),
        (b"\x00\x03\x00\x00\x21\x12\xa4\x42" + bytes(12), "turn_not_set_up"),
    ],
)
async def test_what_is_not_set_up_is_not_spoken(entrance: Open, said: bytes, reason: str) -> None:
    opened = await entrance(tls=False, turn=False)
    reader, writer = await opened.connect(tls=False)
    writer.write(said)
    with contextlib.suppress(ConnectionResetError):
        assert await reader.read() == b""
    assert opened.mux.ended[reason] == 1
    writer.close()


async def test_beyond_the_bound_nobody_is_served(entrance: Open) -> None:
    opened = await entrance(limits=TcpLimits(connections=2))
    writers = [(await opened.connect(tls=True))[1] for _ in range(2)]
    with pytest.raises((ConnectionError, ssl.SSLError)):
        await opened.connect(tls=True)
    assert opened.mux.ended["too_many"] == 1
    writers[0].close()
    await opened.until(lambda: opened.left == ["127.0.0.1"] * 2)
    writers.append((await opened.connect(tls=True))[1])
    for each in writers:
        each.close()


async def test_the_processor_time_of_its_thread_is_told(entrance: Open) -> None:
    opened = await entrance()
    assert opened.mux.cpu_s is not None and opened.mux.cpu_s >= 0
    await opened.mux.close()
    assert opened.mux.cpu_s is None
