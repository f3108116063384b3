"""A server that clients reach at several of its addresses, by one socket: what goes to a client leaves from where it
has come to, or the client never hears of it. All of 127.0.0.0/8 is this machine's, and the system answers from .1.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from functools import partial

import pytest

from sfu import Config, ConnectionState, Server
from sfu.routing.sockets import open_socket
from tests.integration.raw_peer import RawPeer
from tests.interop.namespaces import Town, open_in, possible
from tests.unit.offers import make_offer

FIRST, SECOND = "127.0.0.2", "127.0.0.3"


@pytest.fixture(params=["0.0.0.0", "::"])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    async with Server(Config(host=request.param, announce=(FIRST, SECOND))) as running:
        yield running
        assert "drop_internal_error" not in running.counters()


@pytest.fixture
async def join(server: Server) -> AsyncIterator[Callable[..., RawPeer]]:
    made: list[RawPeer] = []

    def joined(name: str, direction: str, *, passive: bool = False) -> RawPeer:
        client = RawPeer(passive=passive)
        made.append(client)
        peer = server.room("lobby").join(name, leave_when_idle=True)
        offer = client.describe(make_offer(("audio", direction), setup="passive" if passive else "actpass"))
        client.read(peer.answer(offer, subscribe="all" if direction == "recvonly" else None).sdp)
        return client

    yield joined
    for each in made:
        each.close()


async def flow(publisher: RawPeer, source: socket.socket, viewer: RawPeer, sink: socket.socket, first: int = 1) -> int:
    """Media of the publisher's until some have come to the viewer; return the next number."""
    before = len(viewer.heard[sink])
    for sequence in range(first, first + 500):
        publisher.send_rtp(source, sequence)
        await asyncio.sleep(0.02)
        if len(viewer.heard[sink]) >= before + 5:
            return sequence + 1
    raise AssertionError("no media came through")


@pytest.mark.parametrize("passive", [False, True])
async def test_a_client_hears_from_the_address_that_it_sends_to(
    server: Server, join: Callable[..., RawPeer], passive: bool
) -> None:
    publisher, viewer = join("alice", "sendonly"), join("bob", "recvonly", passive=passive)
    source, sink = publisher.open(publisher.candidates[1]), viewer.open(viewer.candidates[0])
    await publisher.connect(source)
    await viewer.connect(sink)
    await flow(publisher, source, viewer, sink)
    connection = server.room("lobby").peers["bob"].connections[0]
    await viewer.until(lambda: connection.state is ConnectionState.CONNECTED and connection.shard.plane.settled)
    answered, before = server.counters()["answered_checks"], viewer.answered[sink]
    viewer.check(sink, nominate=True)
    await viewer.until(lambda: viewer.answered[sink] > before)
    assert server.counters()["answered_checks"] == answered + 1, "it was the plane's answer"


async def test_a_client_that_nominates_another_address_of_ours_is_sent_to_from_there(
    join: Callable[..., RawPeer],
) -> None:
    """As browsers do, which try all addresses of ours from one socket of theirs."""
    publisher, viewer = join("alice", "sendonly"), join("bob", "recvonly")
    source, sink = publisher.open(), viewer.open()
    await publisher.connect(source)
    await viewer.connect(sink)
    number = await flow(publisher, source, viewer, sink)
    other = viewer.open(viewer.candidates[1], sink.getsockname())
    viewer.check(other)
    await viewer.until(lambda: viewer.answered[other] > 0)
    number = await flow(publisher, source, viewer, sink, number)
    viewer.check(other, nominate=True)
    await viewer.until(lambda: viewer.answered[other] > 1)
    await flow(publisher, source, viewer, other, number)


async def test_frames_of_many_packets_come_from_there_too(server: Server, join: Callable[..., RawPeer]) -> None:
    """Packets that share a message (UDP_SEGMENT)."""
    publisher, viewer = join("alice", "sendonly"), join("bob", "recvonly")
    source, sink = publisher.open(), viewer.open()
    await publisher.connect(source)
    await viewer.connect(sink)
    number = await flow(publisher, source, viewer, sink)
    messages, packets = (server.counters()[name] for name in ("sent_messages", "sent_packets"))
    before = len(viewer.heard[sink])
    for sequence in range(number, number + 300):
        publisher.send_rtp(source, sequence, payload=bytes(100))
        if sequence % 30 == 0:
            await asyncio.sleep(0.02)
    await viewer.until(lambda: len(viewer.heard[sink]) >= before + 250)
    after = server.counters()
    assert after["sent_messages"] - messages < after["sent_packets"] - packets, "they share messages"
    assert after.get("gso_refused", 0) == 0


@pytest.mark.skipif(not possible(), reason="network namespaces cannot be made here: that takes root, and iproute2")
async def test_each_address_of_two_links_is_answered_from() -> None:
    """Whatever route an answer takes; the client has one address of each version, on the first of both links."""
    with Town() as town:
        away, own, reached = town.house_at_two_links("away")
        media = open_in(town.node, lambda: open_socket("::", 0))
        server = Server(Config(host="::", announce=tuple(reached)))
        await server.start([media])
        try:
            for number, ip in enumerate(reached):
                client = RawPeer()
                offer = client.describe(make_offer(("audio", "sendrecv")))
                client.read(server.room("lobby").join(f"p{number}", leave_when_idle=True).answer(offer).sdp)
                (remote,) = [each for each in client.candidates if each[0] == ip]
                near = own[":" in ip]
                found = client.adopt(open_in(away, partial(connect, near, remote)))
                await client.connect(found)
                client.close()
        finally:
            await server.close()


def connect(near: str, remote: tuple[str, int]) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in near else socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((near, 0))
    made.connect(remote)
    return made
