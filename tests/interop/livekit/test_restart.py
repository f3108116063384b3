"""A node restarts in place while people meet and are recorded: they are back in the same room, on the same record."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import httpx
import pytest
import pytest_asyncio
from livekit import api, rtc
from livekit.protocol.agent import JobStatus, JobType, ServerMessage, WorkerMessage

import sfu
from sfu.recording.verify import Outcome, verify_record
from tests.interop.livekit.attendee import Attendee
from tests.interop.livekit.conftest import KEY, SECRET, LiveKitNode

pytestmark = [pytest.mark.stable, pytest.mark.asyncio(loop_scope="session")]


@pytest.fixture
def records(tmp_path: Path) -> Path:
    folder = tmp_path / "records"
    folder.mkdir()
    return folder


@pytest_asyncio.fixture(loop_scope="session")
async def node(records: Path) -> AsyncIterator[LiveKitNode]:
    key = records.with_name("key.pem")
    sfu.load_or_create_signing_key(key)
    variables = {"SFU_RECORD_KEY": str(key), "SFU_LIVEKIT_KEYS": f"{KEY}:{SECRET}"}
    async with LiveKitNode("--record-dir", str(records), variables=variables) as process:
        yield process


async def _restart(node: LiveKitNode) -> None:
    before = await node.restart()
    async with asyncio.timeout(60):
        while await node.serving_process() == before:  # noqa: ASYNC110 - polled
            await asyncio.sleep(0.2)


@pytest.mark.parametrize("single", [True, False], ids=["one-connection", "two-connections"])
async def test_people_are_back_in_the_same_room_and_the_record_is_one(
    node: LiveKitNode, records: Path, single: bool
) -> None:
    name = f"room-{uuid.uuid4().hex[:8]}"
    alice, bob = Attendee(), Attendee()
    options = rtc.RoomOptions(single_peer_connection=single)
    for attendee, identity in ((alice, "alice"), (bob, "bob")):
        await attendee.room.connect(node.ws_url, node.join_token(name, identity), options)
    try:
        await alice.publish()
        await bob.until(lambda: bob.frames["video"] > 5 and bob.frames["audio"] > 5)
        sid = await alice.room.sid
        headers = {"Authorization": f"Bearer {node.token(name, publish=False, record=True)}"}
        async with httpx.AsyncClient(base_url=f"{node.url}/rooms/{name}", headers=headers) as http:
            started = (await http.post("/recording")).json()
            await _written(http, 0)
            for restart in range(1, 3):
                await _restart(node)
                await _until_reconnected(restart, alice, bob)
                await bob.more("video")
                await bob.more("audio")
                recording = (await http.get("/recording")).json()
                assert (recording["id"], recording["state"]) == (started["id"], "recording")
                await _written(http, recording["recorders"][0]["bytes"])
            stopped = (await http.delete("/recording")).json()
        assert await alice.room.sid == sid
    finally:
        await alice.close()
        await bob.close()
    assert stopped["state"] == "stopped"
    key = sfu.load_signing_key(records.with_name("key.pem"))
    verdict = verify_record(records / stopped["folder"], key.public)
    assert verdict.outcome is Outcome.INTACT, verdict
    assert [each.name for each in records.iterdir()] == [stopped["folder"]]
    assert not any(re.search(r"error|critical", line) for line in node.log), node.tail()


async def _until_reconnected(times: int, *attendees: Attendee) -> None:
    for attendee in attendees:
        await attendee.until(lambda: attendee.seen.count("reconnected") == times)  # noqa: B023 - it is over then


async def _written(http: httpx.AsyncClient, more_than: int) -> None:
    async with asyncio.timeout(20):
        while (await http.get("/recording")).json()["recorders"][0]["bytes"] <= more_than:  # noqa: ASYNC110 - polled
            await asyncio.sleep(0.1)


async def test_an_agent_s_job_goes_on_and_is_given_to_nobody_else(node: LiveKitNode) -> None:
    name = f"room-{uuid.uuid4().hex[:8]}"
    alice, agent = Attendee(), Attendee()
    async with aiohttp.ClientSession() as http, api.LiveKitAPI(node.url, KEY, SECRET) as lkapi:
        worker = await _register(http, node)
        await alice.room.connect(node.ws_url, node.join_token(name, "alice"))
        try:
            job = (await _next(worker)).availability.job
            await _tell(worker, WorkerMessage(availability={"job_id": job.id, "available": True}))
            assignment = (await _next(worker)).assignment
            await agent.room.connect(node.ws_url, assignment.token)
            await _restart(node)
            worker = await _register(http, node)
            await _tell(worker, WorkerMessage(migrate_job={"job_ids": [job.id]}))
            await _until_reconnected(1, alice, agent)
            [dispatch] = await lkapi.agent_dispatch.list_dispatch(name)
            [known] = dispatch.state.jobs
            assert (known.id, known.state.status) == (job.id, JobStatus.JS_RUNNING)
            await lkapi.agent_dispatch.delete_dispatch(dispatch.id, name)
            # The first that it hears: the job was not offered again, and it is the one who has it.
            assert (await _next(worker)).termination.job_id == job.id
        finally:
            await alice.close()
            await agent.close()


async def _register(http: aiohttp.ClientSession, node: LiveKitNode) -> aiohttp.ClientWebSocketResponse:
    """A worker, as LiveKit's agents register one."""
    token = api.AccessToken(KEY, SECRET).with_grants(api.VideoGrants(agent=True)).to_jwt()
    socket = await http.ws_connect(f"{node.ws_url}/agent", headers={"Authorization": f"Bearer {token}"})
    await _tell(socket, WorkerMessage(register={"type": JobType.JT_ROOM}))
    assert (await _next(socket)).HasField("register")
    return socket


async def _tell(socket: aiohttp.ClientWebSocketResponse, message: WorkerMessage) -> None:
    await socket.send_bytes(message.SerializeToString())


async def _next(socket: aiohttp.ClientWebSocketResponse) -> ServerMessage:
    return ServerMessage.FromString(await socket.receive_bytes(timeout=20))
