"""The examples of README and guide run as printed, and do what they say: two clients enter, one sees the other."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription, VideoStreamTrack

from sfu import Config, Server

ROOT = Path(__file__).parents[2]


def read_example(page: str) -> dict[str, Any]:
    """The names that a page's example defines."""
    text = (ROOT / page).read_text(encoding="utf-8")
    (block,) = re.findall(r"<!-- example: .*? -->\n```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(block, page, "exec"), names)
    return names


@pytest.fixture(scope="module")
def example() -> dict[str, Any]:
    """The guide's, which is a whole program."""
    return read_example("docs/guide/embedding.md")


async def enter(example: dict[str, Any], server: Server, name: str, client: RTCPeerConnection) -> None:
    await client.setLocalDescription(await client.createOffer())
    answer = example["enter"](server, name, client.localDescription.sdp)
    await client.setRemoteDescription(RTCSessionDescription(answer, "answer"))


async def test_the_readme_s_few_lines_let_two_clients_meet() -> None:
    alice, bob = RTCPeerConnection(), RTCPeerConnection()
    alice.addTrack(VideoStreamTrack())
    receiver = bob.addTransceiver("video", direction="recvonly").receiver
    async with Server(Config(host="127.0.0.1")) as server:
        try:
            await enter(read_example("README.md"), server, "alice", alice)
            await enter(read_example("README.md"), server, "bob", bob)
            async with asyncio.timeout(30):
                await receiver.track.recv()
        finally:
            await asyncio.gather(alice.close(), bob.close())


async def test_the_example_lets_two_clients_meet(example: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    alice, bob = RTCPeerConnection(), RTCPeerConnection()
    alice.addTrack(VideoStreamTrack())
    receiver = bob.addTransceiver("video", direction="recvonly").receiver
    async with Server(Config(host="127.0.0.1")) as server:
        report = asyncio.create_task(example["report"](server))
        try:
            await enter(example, server, "alice", alice)
            await enter(example, server, "bob", bob)
            async with asyncio.timeout(30):
                frame = await receiver.track.recv()
            assert (frame.width, frame.height) == (640, 480)
        finally:
            await asyncio.gather(alice.close(), bob.close())
    await report  # closing the server ends its events
    said = capsys.readouterr().out.splitlines()
    assert said == ["alice joined lobby", "alice publishes video as VP8", "bob joined lobby"]


async def test_the_example_starts_as_a_program(example: dict[str, Any]) -> None:
    program = asyncio.create_task(example["main"]())
    done, _ = await asyncio.wait([program], timeout=1.0)
    assert not done
    program.cancel()
    with pytest.raises(asyncio.CancelledError):
        await program
