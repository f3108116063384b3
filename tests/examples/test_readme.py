"""The README's example runs as printed, and does what it says: two clients enter, one sees the other."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription, VideoStreamTrack

from sfu import Config, Server

README = Path(__file__).parents[2] / "README.md"


@pytest.fixture(scope="module")
def example() -> dict[str, Any]:
    """The names that the example defines."""
    (block,) = re.findall(r"<!-- example: .*? -->\n```python\n(.*?)```", README.read_text(), re.DOTALL)
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile(block, str(README), "exec"), names)
    return names


async def enter(example: dict[str, Any], server: Server, name: str, client: RTCPeerConnection) -> None:
    await client.setLocalDescription(await client.createOffer())
    answer = await example["enter"](server, name, client.localDescription.sdp)
    await client.setRemoteDescription(RTCSessionDescription(answer, "answer"))


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
