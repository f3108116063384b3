"""The programs in `examples/` do what they say, with real media of aiortc clients."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import ModuleType

import httpx
import pytest
from aiortc import RTCBundlePolicy
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from sfu import Config, Server, SigningKey
from sfu.events import TrackPublished
from sfu.recording.verify import Outcome, verify_record
from tests.integration.clients import PATIENCE_S, Client, Tone, client

EXAMPLES = Path(__file__).parents[2] / "examples"
SDP = {"Content-Type": "application/sdp"}


def load(name: str) -> ModuleType:
    """An example as a module; it starts nothing by that."""
    spec = importlib.util.spec_from_file_location(f"examples_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server(Config(host="127.0.0.1")) as running:
        yield running
        assert "drop_internal_error" not in running.counters()


@contextlib.asynccontextmanager
async def running(task: asyncio.Task[None]) -> AsyncIterator[None]:
    """Meanwhile; an error of the task is the test's."""
    try:
        yield
        if task.done():
            task.result()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], object]) -> None:
    """Wait for what has no event."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def attend(url: str, name: str, attending: Client) -> None:
    """A client of `plain.py`."""
    async with connect(url) as socket:
        await socket.send(json.dumps({"name": name}))
        async for message in socket:
            await socket.send(json.dumps({"answer": await attending.answer(json.loads(message)["offer"])}))


async def test_the_plain_program_shows_each_the_others(server: Server) -> None:
    plain = load("plain")
    room = server.room("lobby")
    async with serve(lambda socket: plain.attend(room, socket), "127.0.0.1", 0) as sockets:
        url = f"ws://127.0.0.1:{sockets.sockets[0].getsockname()[1]}"
        async with (
            client(RTCBundlePolicy.MAX_BUNDLE) as alice,
            client(RTCBundlePolicy.MAX_BUNDLE) as bob,
            running(asyncio.create_task(attend(url, "bob", bob))),
            running(asyncio.create_task(attend(url, "alice", alice))),
        ):
            alice.send()
            await until(lambda: bool(bob.received["video"]))
            await bob.see_bar_move()
        for said in ("[]", "no JSON", '{"name": ""}'):
            async with connect(url) as socket:
                await socket.send(said)
                with pytest.raises(ConnectionClosed, match=r"1003|1008"):
                    await socket.recv()
    await until(lambda: not room.peers)


async def test_the_chat_passes_lines_on_to_the_others(server: Server) -> None:
    chat, room = load("chat").Chat(), server.room("lobby")
    async with client() as alice, client() as bob:
        channels, heard = {}, dict[str, list[str]]()
        for name, each in (("alice", alice), ("bob", bob)):
            channels[name] = each.pc.createDataChannel("chat")
            channels[name].on("message", heard.setdefault(name, []).append)
            await each.take_answer(await chat.enter(room, name, await each.offer()))
        await until(lambda: all(channel.readyState == "open" for channel in channels.values()))
        channels["alice"].send("hello")
        await until(lambda: heard["bob"] == ["alice: hello"])
        assert heard["alice"] == []
        other = bob.pc.createDataChannel("files")
        await until(lambda: other.readyState == "closed")


async def test_the_platform_in_fastapi_lets_in_who_is_logged_in() -> None:
    app = load("fastapi_app").app
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://platform.test") as http,
        client() as alice,
        client() as bob,
    ):
        sessions = {name: {"Authorization": f"Bearer the-session-of-{name}"} for name in ("alice", "bob", "eve")}
        refused = await http.post("/media/rooms/lobby/whip", content="v=0", headers=SDP | sessions["eve"])
        assert (refused.status_code, refused.json()["detail"]) == (401, "This session is over; log in again.")
        alice.send()
        sent = await http.post("/media/rooms/lobby/whip", content=await alice.offer(), headers=SDP | sessions["alice"])
        assert (sent.status_code, sent.headers["Location"][:28]) == (201, "/media/rooms/lobby/sessions/")
        await alice.take_answer(sent.text)
        assert (await http.get("/who/lobby")).json() == {"alice": ["audio", "video"]}
        bob.receive("audio", "video")
        seen = await http.post("/media/rooms/lobby/whep", content=await bob.offer(), headers=SDP | sessions["bob"])
        await bob.take_answer(seen.text)
        await bob.see_bar_move()
        assert (await http.post("/who/lobby/alice/mute")).status_code == 204
        assert [track.blocked for track in app.state.server.room("lobby").tracks] == [True, False]
        assert (await http.post("/who/lobby/eve/mute")).status_code == 404


async def test_the_recorder_keeps_what_is_published(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = SigningKey.generate()
    recorder = asyncio.create_task(load("recorder").record_rooms(server, tmp_path, key))
    await asyncio.sleep(0)
    room = server.room("court-7")
    async with client() as alice:
        alice.send()
        answered = room.join("alice", leave_when_idle=True).answer(await alice.offer())
        await alice.take_answer(answered.sdp)
        await until(lambda: room.recording is not None and room.recording.stats()[0].written_bytes > 0)
    said = list[str]()
    await until(lambda: said.append(capsys.readouterr().out) or "".join(said).endswith("\n"))
    [record] = tmp_path.iterdir()
    verdict = verify_record(record, key.public)
    assert verdict.outcome is Outcome.INTACT
    assert re.fullmatch(rf"{record} is closed; its head is [0-9a-f]{{64}}\n", "".join(said))
    await server.close()
    await recorder


async def test_the_bridge_carries_a_tone_from_room_to_room(server: Server) -> None:
    floor, booth = server.room("floor"), server.room("interpreters")
    published = booth.events()
    bridge = asyncio.create_task(load("audio_bridge").bridge_rooms(floor, booth))
    async with running(bridge), client() as alice, client() as bob:
        alice.pc.addTrack(Tone(440))
        answered = floor.join("alice").answer(await alice.offer())
        await alice.take_answer(answered.sdp)
        async with asyncio.timeout(PATIENCE_S):
            async for event in published:
                if isinstance(event, TrackPublished):
                    break
        bob.receive("audio")
        answered = booth.join("bob").answer(await bob.offer(), subscribe="bridge")
        await bob.take_answer(answered.sdp)
        async with asyncio.timeout(PATIENCE_S):
            while await bob.hear() != pytest.approx(440, abs=5):
                pass
