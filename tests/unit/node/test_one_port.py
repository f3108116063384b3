"""The port for programs with an app of their own: what is served on it, and how it begins and ends."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import websockets
from aioice import turn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

import sfu
from sfu.node.one_port import OnePort, PortOptions
from sfu.wire.kernels.modes import PLAIN
from tests.unit.offers import make_offer
from tests.unit.tcp.certificates import make_certificate

pytestmark = pytest.mark.skipif(PLAIN, reason="plain Python makes no system calls for kernels")

PATIENCE = 20.0


async def get(request: Request) -> JSONResponse:
    return JSONResponse([request.url.scheme, request.client and request.client.host, request.app.state.begun])


async def speak(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(websocket.url.scheme)
    await websocket.receive()


@asynccontextmanager
async def live(app: Starlette) -> AsyncIterator[None]:
    app.state.begun = True
    yield
    app.state.begun = False


@pytest.fixture
async def server() -> AsyncIterator[sfu.Server]:
    async with sfu.Server(sfu.Config(host="127.0.0.1")) as server:
        yield server


@asynccontextmanager
async def served(port: OnePort) -> AsyncIterator[Starlette]:
    app = Starlette(routes=[Route("/", get), WebSocketRoute("/socket", speak)], lifespan=live)
    started = asyncio.Event()
    with port:
        serving = asyncio.create_task(port.serve(app, started.set))
        await asyncio.wait_for(started.wait(), PATIENCE)
        try:
            yield app
        finally:
            port.stop()
            await asyncio.wait_for(serving, PATIENCE)


def offered_candidates(server: sfu.Server) -> str:
    room = server.room("lobby")
    return room.join(f"peer {len(room.peers)}").answer(make_offer(("audio", "sendonly"))).sdp


async def test_an_app_of_ones_own_and_media_share_one_port_with_tls(server: sfu.Server, tmp_path: Path) -> None:
    chain, key = make_certificate(tmp_path)
    trust = ssl.create_default_context(cafile=str(chain))
    port = OnePort(server, PortOptions(port=0, tls_cert=str(chain), tls_key=str(key), shutdown_s=1))
    number = int(port.url.rpartition(":")[2])
    assert port.url == f"https://127.0.0.1:{number}"
    assert port.turn is not None
    assert "tcptype passive" not in offered_candidates(server), "nobody listens yet"
    async with served(port) as app:
        async with httpx.AsyncClient(verify=trust) as client:
            assert (await client.get(port.url)).json() == ["https", "127.0.0.1", True]
            assert (await client.get(f"http://127.0.0.1:{number}")).json() == ["http", "127.0.0.1", True]
        async with websockets.connect(f"wss://127.0.0.1:{number}/socket", ssl=trust) as websocket:
            assert await asyncio.wait_for(websocket.recv(), PATIENCE) == "wss"
        assert f"127.0.0.1 {number} typ host tcptype passive" in offered_candidates(server)
        told = port.turn.issue("alice", time.time(), "127.0.0.1")
        assert [each.url.partition(":")[0] for each in told] == ["turn", "turns"]
        transport, _ = await turn.create_turn_endpoint(
            asyncio.DatagramProtocol,
            server_addr=("127.0.0.1", number),
            username=told[0].username,
            password=told[0].credential,
            transport="tcp",
            ssl=trust,
        )
        transport.close()
    assert not app.state.begun
    assert "tcptype passive" not in offered_candidates(server)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", number))


async def test_a_port_that_is_taken_and_a_key_that_is_missing_are_told(server: sfu.Server, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(sfu.LocalError, match="set another port"):
        OnePort(server, PortOptions(port=taken.getsockname()[1]))
    chain, _ = make_certificate(tmp_path)
    with pytest.raises(sfu.ConfigError, match="tls_key"):
        OnePort(server, PortOptions(port=0, tls_cert=str(chain)))


async def test_on_an_address_that_no_client_is_told_there_is_http_alone(tmp_path: Path) -> None:
    async with sfu.Server(sfu.Config(host="127.0.0.1", announce=("203.0.113.7",))) as server:
        port = OnePort(server, PortOptions(port=0, shutdown_s=1))
        assert port.turn is None
        async with served(port), httpx.AsyncClient() as client:
            assert (await client.get(port.url)).json() == ["http", "127.0.0.1", True]
            assert "tcptype passive" not in offered_candidates(server)
