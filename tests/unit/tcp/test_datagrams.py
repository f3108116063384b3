"""TURN by UDP on a shard's own port: what asks for it comes to the pump, all else to the shard, of the same client."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aioice import turn
from aioice.stun import Class, Message, Method, parse_message

from sfu.routing.sockets import open_socket, open_twin
from sfu.tcp import turn as served
from sfu.tcp.mux import LEGS, Address, Carries, TcpMux
from sfu.tcp.turn import MAX_FAILURES, TurnOptions, make_credential
from sfu.tcp.ways import TcpLimits, Ways
from sfu.wire.kernels.modes import PLAIN
from sfu.wire.kernels.system import UDP_SEGMENT
from tests.unit.tcp.peers import Peer

pytestmark = pytest.mark.skipif(PLAIN, reason="plain Python makes no system calls for kernels")

SECRET = b"a secret that is long enough"
PATIENCE = 10.0
_RETRANSMIT_S = 0.5
OURS = "203.0.113.5"


class Port:
    """A shard's port with its twin, and a shard that sends back what comes to it."""

    def __init__(self, host: str, limits: TcpLimits) -> None:
        self.shard = open_socket(host, 0)
        self.port = self.shard.getsockname()[1]
        self.came: list[tuple[bytes, Address]] = []
        self.entered: list[str] = []
        self.left: list[str] = []
        self.most = 100
        self.origins: dict[Address, Address | None] = {}
        self.by_tcp: set[bool] = set()
        ways = Ways(
            find_port=lambda check: None,
            set_origin=self._set_origin,
            media_host="::1" if host == "::1" else "127.0.0.1",
            enter=self._enter,
            left=self.left.append,
        )
        options = TurnOptions("sfu", SECRET, {OURS: (self.port,)}, LEGS)
        self.mux = TcpMux(ways, turn=options, certificate=None, limits=limits, twins=[open_twin(self.shard)])
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self.shard, self._echo)
        self.clients: list[socket.socket] = []

    def _set_origin(self, address: Address, origin: Address | None, tcp: bool) -> None:
        self.origins[address] = origin
        self.by_tcp.add(tcp)

    def _enter(self, host: str) -> bool:
        self.entered.append(host)
        return len(self.entered) - len(self.left) <= self.most

    def _echo(self) -> None:
        data, address = self.shard.recvfrom(65_536)
        self.came.append((data, address[:2]))
        self.shard.sendto(data, address)

    @property
    def allocations(self) -> int:
        return self.mux.count(Carries.TURN)

    def connect(self, host: str = "127.0.0.1", near: Address | None = None) -> Client:
        made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if near is not None:
            made.bind(near)
        made.connect((host, self.port))
        made.setblocking(False)
        self.clients.append(made)
        return Client(made)

    async def until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, (dict(self.mux.ended), self.mux.counters())
            await asyncio.sleep(0.01)

    async def close(self) -> None:
        self._loop.remove_reader(self.shard)
        await self.mux.close()
        for each in (self.shard, *self.clients):
            each.close()


class Client:
    """A client that knows its credentials, and says what a test wants."""

    def __init__(self, made: socket.socket) -> None:
        self.socket = made
        self.username = f"{int(time.time()) + 60}:alice"
        self.nonce = b""
        self.key = hashlib.md5(f"{self.username}:sfu:{make_credential(SECRET, self.username)}".encode()).digest()

    async def receive(self, patience: float = PATIENCE) -> bytes:
        loop = asyncio.get_running_loop()
        return await asyncio.wait_for(loop.sock_recv(self.socket, 65_536), patience)

    async def ask(self, data: bytes) -> Message:
        """Send a request until it is answered, as clients do by UDP (RFC 8489 section 6.2.1): one that comes while the
        one before is being answered is dropped.
        """
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            self.socket.send(data)
            with contextlib.suppress(TimeoutError):
                while True:
                    answer = await self.receive(_RETRANSMIT_S)
                    if answer[8:20] == data[8:20]:
                        return parse_message(answer)
        raise TimeoutError

    def build(self, method: Method, **attributes: Any) -> bytes:
        """A request with credentials."""
        named = {name.replace("_", "-").upper(): value for name, value in attributes.items()}
        named |= {"USERNAME": self.username, "REALM": "sfu", "NONCE": self.nonce}
        message = Message(method, Class.REQUEST, struct.pack("!12s", str(time.monotonic_ns()).encode()[-12:]), named)
        message.add_message_integrity(self.key)
        return bytes(message)

    async def fetch_nonce(self) -> None:
        self.nonce = (await self.ask(ALLOCATE)).attributes["NONCE"]

    async def allocate(self) -> Message:
        await self.fetch_nonce()
        return await self.ask(self.build(Method.ALLOCATE, requested_transport=17 << 24))


ALLOCATE = struct.pack("!HHI12sHHI", 3, 8, 0x2112A442, b"transaction.", 0x19, 4, 17 << 24)
"""The least that begins an allocation."""

Open = Callable[..., Any]


def code_of(answer: Message) -> int:
    assert answer.message_class is Class.ERROR
    return int(answer.attributes["ERROR-CODE"][0])


@pytest.fixture
async def port() -> AsyncIterator[Open]:
    opened: list[Port] = []

    async def open_one(host: str = "127.0.0.1", limits: TcpLimits | None = None) -> Port:
        made = Port(host, limits or TcpLimits())
        opened.append(made)
        await made.mux.start()
        return made

    yield open_one
    for each in opened:
        await each.close()


@pytest.mark.parametrize(("bound", "reached"), [("127.0.0.1", "127.0.0.1"), ("::", "127.0.0.1"), ("::1", "::1")])
async def test_a_turn_client_that_we_did_not_write_reaches_the_shard(port: Open, bound: str, reached: str) -> None:
    opened = await port(bound)
    username = f"{int(time.time()) + 60}:alice"
    transport, protocol = await turn.create_turn_endpoint(
        Peer,
        server_addr=(reached, opened.port),
        username=username,
        password=make_credential(SECRET, username),
        transport="udp",
    )
    for size in (1, 2, 500, 1200):
        data = bytes([size % 251]) * size
        transport.sendto(data, (OURS, opened.port))
        assert await asyncio.wait_for(protocol.received.get(), PATIENCE) == (data, (OURS, opened.port))
    assert list(opened.origins.values()) == [transport.get_extra_info("sockname")], "its relayed address"
    assert (opened.allocations, opened.entered) == (1, [reached])
    transport.close()
    await opened.until(lambda: opened.left == [reached])
    assert (opened.allocations, list(opened.origins.values())) == (0, [None])
    assert opened.by_tcp == {False}


async def test_packets_of_one_burst_come_one_by_one_and_whole(port: Open) -> None:
    opened = await port()
    client = opened.connect()
    await client.allocate()
    await client.ask(client.build(Method.CHANNEL_BIND, channel_number=0x4001, xor_peer_address=(OURS, opened.port)))
    (leg,) = opened.origins
    packets = [bytes([k]) * 1001 for k in range(40)] + [b"end"]
    burst = b"".join(packets)
    opened.shard.sendmsg([burst], [(socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("H", 1001))], 0, leg)
    for packet in packets:
        assert await client.receive() == struct.pack("!HH", 0x4001, len(packet)) + packet
    opened.came.clear()
    client.socket.sendmsg(
        [b"".join(struct.pack("!HH", 0x4001, 1001) + each for each in packets[:-1])],
        [(socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("H", 1005))],
    )
    await opened.until(lambda: sum(len(data) for data, _ in opened.came) == 40 * 1001)
    assert b"".join(data for data, _ in opened.came) == burst[:-3]


async def test_indications_go_both_ways_with_their_padding(port: Open) -> None:
    opened = await port()
    client = opened.connect()
    await client.allocate()
    await client.ask(client.build(Method.CREATE_PERMISSION, xor_peer_address=(OURS, 0)))
    for size in (1, 4, 999):
        data = bytes([size % 251]) * size
        told = {"XOR-PEER-ADDRESS": (OURS, opened.port), "DATA": data}
        client.socket.send(bytes(Message(Method.SEND, Class.INDICATION, b"t" * 12, told)))
        answer = parse_message(await client.receive())
        assert (answer.message_method, answer.attributes) == (Method.DATA, told)


async def test_what_the_same_client_sends_to_the_shard_itself_comes_to_it(port: Open) -> None:
    """As a browser does, whose candidates share a socket."""
    opened = await port()
    client = opened.connect()
    await client.allocate()
    check = bytes(Message(Method.BINDING, Class.REQUEST, b"t" * 12, {"USERNAME": "ours:theirs"}))
    for data in (check, b"\x16\xfe\xff a record of DTLS", b"\x80\x60 a packet of RTP"):
        client.socket.send(data)
        assert await client.receive() == data
    assert {address for _, address in opened.came} == {client.socket.getsockname()}


async def test_a_stranger_gets_little_and_nothing_is_kept_of_him(port: Open) -> None:
    opened = await port()
    client = opened.connect()
    client.socket.send(ALLOCATE)
    reply = await client.receive()
    assert code_of(parse_message(reply)) == 401
    assert len(reply) <= 3 * len(ALLOCATE), "who forges an address must not gain by us"
    assert (opened.allocations, opened.entered, opened.origins) == (0, [], {})


async def test_only_who_is_where_his_nonce_was_sent_gets_an_allocation(port: Open) -> None:
    opened = await port()
    first, second = opened.connect(), opened.connect()
    await first.fetch_nonce()
    second.nonce = first.nonce
    stolen = await second.ask(second.build(Method.ALLOCATE, requested_transport=17 << 24))
    assert (code_of(stolen), opened.allocations) == (438, 0)
    first.key = bytes(16)
    guessed = await first.ask(first.build(Method.ALLOCATE, requested_transport=17 << 24))
    assert (code_of(guessed), opened.allocations) == (401, 0)


async def test_who_asks_again_since_the_answer_was_lost_gets_the_same_one(port: Open) -> None:
    opened = await port()
    client = opened.connect()
    await client.fetch_nonce()
    request = client.build(Method.ALLOCATE, requested_transport=17 << 24)
    answers = []
    for _ in range(3):  # at once, and later
        client.socket.send(request)
        client.socket.send(request)
        answers.append(await client.receive())
    assert parse_message(answers[0]).message_class is Class.RESPONSE
    assert len(set(answers)) == 1
    assert (opened.allocations, len(opened.entered)) == (1, 1)
    other = await client.ask(client.build(Method.ALLOCATE, requested_transport=17 << 24))
    assert code_of(other) == 437


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x40\x01\x00\x04data", id="a channel"),
        pytest.param(struct.pack("!HHI12s", 4, 0, 0x2112A442, b"t" * 12), id="a refresh"),
        pytest.param(struct.pack("!HHI12s", 3, 0, 0x2112A442, b"t" * 12), id="too little to answer"),
        pytest.param(ALLOCATE[:4] + bytes(4) + ALLOCATE[8:], id="no cookie"),
        pytest.param(ALLOCATE + bytes(2040), id="too long"),
    ],
)
async def test_what_a_stranger_cannot_ask_is_dropped_and_counted(port: Open, data: bytes) -> None:
    opened = await port()
    client = opened.connect()
    client.socket.send(data)
    await opened.until(lambda: opened.mux.counters()["drop_stranger"] == 1)
    assert opened.came == []


async def test_a_flood_of_strangers_is_bounded_and_leaves_those_who_are_there_alone(port: Open) -> None:
    opened = await port()
    client = opened.connect()
    await client.allocate()
    await client.ask(client.build(Method.CHANNEL_BIND, channel_number=0x4000, xor_peer_address=(OURS, opened.port)))
    flood = opened.connect().socket
    for _ in range(1000):
        flood.send(ALLOCATE)
    client.socket.send(b"\x40\x00\x00\x04data")
    assert await client.receive() == b"\x40\x00\x00\x04data"
    await opened.until(lambda: opened.mux.counters()["drop_stranger_rate"] > 500)
    assert opened.allocations == 1


async def test_one_client_asks_no_more_than_its_share(port: Open) -> None:
    opened = await port()
    client = opened.connect()
    await client.allocate()
    request = client.build(Method.REFRESH)
    for _ in range(500):
        client.socket.send(request)
    await opened.until(lambda: opened.mux.counters()["drop_request_rate"] > 400)


@pytest.mark.parametrize("data", [b"\x40\x01\x00\x09short", b"\x00\x04\x00\x10" + ALLOCATE[4:20], b"\x40\x01\x00"])
async def test_what_is_malformed_is_counted_and_ends_nothing(port: Open, data: bytes) -> None:
    """Anybody can write an address on a datagram."""
    opened = await port()
    client = opened.connect()
    await client.allocate()
    client.socket.send(data)
    await opened.until(lambda: opened.mux.counters()["drop_malformed"] == 1)
    for _ in range(MAX_FAILURES + 1):
        assert code_of(await client.ask(ALLOCATE)) == 401
    assert (await client.ask(client.build(Method.REFRESH))).message_class is Class.RESPONSE
    assert opened.allocations == 1


async def test_who_is_gone_loses_his_allocation(port: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = await port()
    monkeypatch.setattr(served, "DATAGRAM_LIFETIME", 0)
    client = opened.connect()
    assert (await client.allocate()).attributes["LIFETIME"] == 0
    await opened.until(lambda: opened.left == ["127.0.0.1"])
    assert (opened.mux.ended["expired"], opened.allocations) == (1, 0)
    monkeypatch.undo()
    assert (await client.allocate()).message_class is Class.RESPONSE, "and may have another one"


async def test_an_address_has_no_more_than_its_share_and_all_have_no_more_than_there_is(port: Open) -> None:
    opened = await port(limits=TcpLimits(connections=2))
    opened.most = 1
    clients = [opened.connect() for _ in range(3)]
    assert (await clients[0].allocate()).message_class is Class.RESPONSE
    assert code_of(await clients[1].allocate()) == 508
    assert opened.mux.ended["address"] == 1
    opened.most = 100
    assert (await clients[1].allocate()).message_class is Class.RESPONSE
    assert code_of(await clients[2].allocate()) == 508
    assert opened.mux.ended["too_many"] == 1
    await clients[0].ask(clients[0].build(Method.REFRESH, lifetime=0))
    await opened.until(lambda: opened.allocations == 1)
    assert (await clients[2].allocate()).message_class is Class.RESPONSE


async def test_there_is_no_turn_within_turn(port: Open) -> None:
    opened = await port()
    client = opened.connect()
    await client.allocate()
    await client.ask(client.build(Method.CHANNEL_BIND, channel_number=0x4000, xor_peer_address=(OURS, opened.port)))
    client.socket.send(struct.pack("!HH", 0x4000, len(ALLOCATE)) + ALLOCATE)
    await opened.until(lambda: opened.mux.ended["within_turn"] == 1)
    assert opened.allocations == 1


@pytest.mark.parametrize("bound", ["0.0.0.0", "::"])
async def test_who_comes_to_several_addresses_of_ours_is_answered_from_each(port: Open, bound: str) -> None:
    """As browsers do, from one socket; an allocation is of an address of theirs and of ours (RFC 8656 section 3)."""
    opened = await port(bound)
    first = opened.connect("127.0.0.2")
    second = opened.connect("127.0.0.3", first.socket.getsockname())
    for number, client in enumerate((first, second)):
        assert (await client.allocate()).message_class is Class.RESPONSE
        channel = 0x4000 + number
        await client.ask(
            client.build(Method.CHANNEL_BIND, channel_number=channel, xor_peer_address=(OURS, opened.port))
        )
    assert opened.allocations == 2
    for number, client in enumerate((first, second)):
        packets = [struct.pack("!HH", 0x4000 + number, 1000) + bytes([k]) * 1000 for k in range(20)]
        client.socket.sendmsg([b"".join(packets)], [(socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("H", 1004))])
        assert [await client.receive() for _ in packets] == packets
    await first.ask(first.build(Method.REFRESH, lifetime=0))
    await opened.until(lambda: opened.allocations == 1)
    assert (await second.ask(second.build(Method.REFRESH))).message_class is Class.RESPONSE


async def test_nothing_to_do_costs_nothing(port: Open) -> None:
    opened = await port()
    client = opened.connect()
    await client.allocate()
    before = opened.mux.cpu_s
    await asyncio.sleep(0.2)
    assert opened.mux.cpu_s - before < 0.02
