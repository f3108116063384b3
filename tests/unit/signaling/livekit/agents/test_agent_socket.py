"""The WebSocket that workers of agents register over."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any

import jwt
import pytest
from google.protobuf import json_format
from livekit.protocol.agent import JobType, ServerMessage, WorkerMessage
from livekit.protocol.agent_dispatch import RoomAgentDispatch
from livekit.protocol.models import ServerInfo
from starlette.websockets import WebSocket

from sfu.signaling.livekit.agents import socket as socket_module
from sfu.signaling.livekit.agents.socket import LIMITS, AgentSocket
from tests.unit.signaling.livekit.agents.hall import LOBBY, SECRET, Hall, available

REGISTER = WorkerMessage(register={"type": JobType.JT_ROOM, "agent_name": "helper"})


class Client:
    """The other end of one WebSocket (ASGI), in the same event loop."""

    def __init__(self, endpoint: AgentSocket, **video: Any) -> None:
        claims = {"iss": "one", "exp": time.time() + 60, "video": video}
        token = jwt.encode(claims, SECRET)
        scope = {
            "type": "websocket",
            "path": "/agent",
            "query_string": b"",
            "headers": [(b"authorization", f"Bearer {token}".encode())] if video else [],
        }
        self._to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._from_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._to_app.put_nowait({"type": "websocket.connect"})
        self.reads = asyncio.Event()
        self.reads.set()
        self.task = asyncio.ensure_future(endpoint.serve(WebSocket(scope, self._to_app.get, self._take)))

    async def _take(self, message: Any) -> None:
        await self.reads.wait()
        self._from_app.put_nowait(message)

    def send(self, message: WorkerMessage | bytes | str) -> None:
        if isinstance(message, WorkerMessage):
            message = message.SerializeToString()
        key = "text" if isinstance(message, str) else "bytes"
        self._to_app.put_nowait({"type": "websocket.receive", key: message})

    async def receive(self) -> dict[str, Any]:
        async with asyncio.timeout(10):
            return await self._from_app.get()

    async def read(self) -> ServerMessage:
        return ServerMessage.FromString((await self.receive())["bytes"])

    async def accepted(self) -> Client:
        assert (await self.receive())["type"] == "websocket.accept"
        return self

    async def leave(self) -> None:
        self._to_app.put_nowait({"type": "websocket.disconnect", "code": 1006})
        async with asyncio.timeout(10):
            await self.task


@pytest.fixture
def endpoint(hall: Hall) -> AgentSocket:
    return AgentSocket(
        hall.keys, hall.workers, hall.dispatches, ServerInfo(version="x"), clock=time.time, name=hall.name
    )


async def test_a_worker_registers_and_gets_a_job_over_its_socket(endpoint: AgentSocket, hall: Hall) -> None:
    client = await Client(endpoint, agent=True).accepted()
    client.send(WorkerMessage(ping={"timestamp": 1}))  # before it has registered that counts for nothing
    client.send(REGISTER)
    answer = await client.read()
    assert answer.register.server_info.version == "x"
    assert list(hall.workers.by_id) == [answer.register.worker_id]
    hall.dispatches.open_room(LOBBY, [RoomAgentDispatch(agent_name="helper")])
    offer = (await client.read()).availability
    client.send(WorkerMessage(**available(offer.job.id)))
    assert (await client.read()).assignment.job.id == offer.job.id
    client.send(WorkerMessage(ping={"timestamp": 7}))
    assert (await client.read()).pong.last_timestamp == 7
    await client.leave()
    assert not hall.workers.by_id
    assert hall.jobs[-1] == ("agent_job_ended", "lobby", "JS_FAILED")


async def test_a_worker_may_speak_json(endpoint: AgentSocket) -> None:
    client = await Client(endpoint, agent=True).accepted()
    client.send('{"register": {"type": "JT_ROOM", "ofANewerWorker": 1}}')
    answer = json_format.Parse((await client.receive())["text"], ServerMessage())
    assert answer.register.worker_id
    await client.leave()


async def test_what_is_not_understood_is_counted_and_passed_over(endpoint: AgentSocket) -> None:
    client = await Client(endpoint, agent=True).accepted()
    for message in (b"\xff\xff", "[" * 5000, "{", REGISTER):
        client.send(message)
    assert (await client.read()).HasField("register")
    for message in (REGISTER, b"", WorkerMessage(ping={})):
        client.send(message)
    assert (await client.read()).HasField("pong")
    await client.leave()
    assert endpoint.ignored == {"malformed": 3, "unknown": 2}


@pytest.mark.parametrize("video", [{"roomJoin": True, "room": "lobby"}, {"roomAdmin": True}, {}])
async def test_who_has_no_grant_for_it_is_no_worker(endpoint: AgentSocket, video: dict[str, Any]) -> None:
    client = Client(endpoint, **video)
    assert (await client.receive())["type"] == "websocket.close"
    await client.task


async def test_who_does_not_register_in_time_is_cut_off(endpoint: AgentSocket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket_module, "_REGISTER_S", 0.05)
    client = await Client(endpoint, agent=True).accepted()
    client.send(WorkerMessage(ping={}))
    assert (await client.receive())["type"] == "websocket.close"
    await client.task


async def test_who_sends_too_much_is_cut_off(endpoint: AgentSocket) -> None:
    client = await Client(endpoint, agent=True).accepted()
    client.send(b"x" * (LIMITS.max_frame_bytes + 1))
    assert (await client.receive())["code"] == 1009
    await client.task


async def test_who_does_not_read_is_cut_off(endpoint: AgentSocket, hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket_module, "LIMITS", replace(LIMITS, max_queued=8))
    client = await Client(endpoint, agent=True).accepted()
    client.send(REGISTER)
    await client.read()
    client.reads.clear()
    for _ in range(20):
        client.send(WorkerMessage(ping={}))
    while hall.workers.by_id:  # noqa: ASYNC110 - the test has a timeout
        await asyncio.sleep(0.01)
    assert endpoint.cut["slow_reader"] == 1
    client.reads.set()
    await client.task


async def test_who_floods_is_answered_slowly(
    endpoint: AgentSocket, hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_module, "LIMITS", replace(LIMITS, rate=200.0, burst=10.0))
    client = await Client(endpoint, agent=True).accepted()
    client.send(REGISTER)
    await client.read()
    began = asyncio.get_running_loop().time()
    for number in range(40):
        client.send(WorkerMessage(ping={"timestamp": number + 1}))
    assert [(await client.read()).pong.last_timestamp for _ in range(40)] == [*range(1, 41)]
    assert asyncio.get_running_loop().time() - began >= (40 - 10) / 200.0 - 0.01
    assert endpoint.cut["held_back"] > 0
    await client.leave()


async def test_there_is_room_for_a_bounded_number_of_workers(
    endpoint: AgentSocket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_module, "MAX_WORKERS", 2)
    clients = [await Client(endpoint, agent=True).accepted() for _ in range(2)]
    refused = Client(endpoint, agent=True)
    assert (await refused.receive())["code"] == 1013
    for client in clients:
        await client.leave()
    again = await Client(endpoint, agent=True).accepted()
    await again.leave()
