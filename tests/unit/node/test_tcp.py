"""What a node serves beside HTTP, as it is set."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator

import pytest
from aioice.stun import parse_message

import sfu
from sfu.node.config.settings import Settings
from sfu.node.http.connections import HttpConnections
from sfu.node.tcp import build_mux, describe_port
from sfu.routing.plane import Plane
from sfu.wire.kernels.modes import PLAIN

pytestmark = pytest.mark.skipif(PLAIN, reason="plain Python makes no system calls for kernels")

ALLOCATE = struct.pack("!HHI12sHHI", 3, 8, 0x2112A442, b"transaction.", 0x19, 4, 17 << 24)
SETTINGS = Settings(dev=True, turn_udp=True)


@pytest.fixture
async def server() -> AsyncIterator[sfu.Server]:
    async with sfu.Server(sfu.Config(host="127.0.0.1", shards=2)) as server:
        yield server


async def test_turn_by_udp_is_served_on_the_media_ports_and_named(server: sfu.Server) -> None:
    port = describe_port(server, SETTINGS, None, 8080)
    assert port.turn is not None
    urls = [each.url for each in port.turn.issue("alice", 0.0, "sfu.test")]
    assert urls == [f"turn:sfu.test:{server.udp_ports[0]}?transport=udp", "turn:sfu.test:8080?transport=tcp"]
    mux = build_mux(server, port, HttpConnections(), 10)
    assert mux is not None
    await mux.start()
    loop = asyncio.get_running_loop()
    for media in server.udp_ports:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.setblocking(False)
            client.connect(("127.0.0.1", media))
            client.send(ALLOCATE)
            answer = parse_message(await asyncio.wait_for(loop.sock_recv(client, 2000), 10))
            assert answer.attributes["ERROR-CODE"][0] == 401
    await mux.close()


async def test_it_is_left_to_the_process_that_comes_next(server: sfu.Server) -> None:
    port = describe_port(server, SETTINGS, None, 8080)
    mux = build_mux(server, port, HttpConnections(), 10)
    assert mux is not None
    await mux.start()
    await mux.end_media()
    following = build_mux(server, port, HttpConnections(), 10)  # its twins are the only ones
    assert following is not None
    await following.start()
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setblocking(False)
        client.connect(("127.0.0.1", server.udp_ports[0]))
        client.send(ALLOCATE)
        answer = parse_message(await asyncio.wait_for(loop.sock_recv(client, 2000), 10))
        assert answer.attributes["ERROR-CODE"][0] == 401
    await mux.close()
    await following.close()


async def test_unless_it_is_set_there_is_none(server: sfu.Server) -> None:
    port = describe_port(server, Settings(dev=True), None, 8080)
    assert port.turn is not None
    assert [each.url for each in port.turn.issue("alice", 0.0, "sfu.test")] == ["turn:sfu.test:8080?transport=tcp"]


async def test_a_system_that_cannot_lead_it_says_so(server: sfu.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    first = server._shards[0].plane.open_twin()
    made = iter([first])

    def open_twin(plane: Plane) -> socket.socket:
        try:
            return next(made)
        except StopIteration:
            raise OSError(92, "Protocol not available") from None

    monkeypatch.setattr(Plane, "open_twin", open_twin)
    port = describe_port(server, SETTINGS, None, 8080)
    with pytest.raises(sfu.LocalError, match="Protocol not available"):
        build_mux(server, port, HttpConnections(), 10)
    assert first.fileno() == -1, "nothing of it is left open"
