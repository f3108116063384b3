"""People come and go for a long time: nothing of them stays behind."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription, VideoStreamTrack

from sfu import Config, Server

SOAK_SECONDS = float(os.environ.get("SOAK_SECONDS", "60"))
WARM_UP = 0.25
"""Share of the time after which memory is expected to have settled."""
MOST_GROWTH_BYTES = 32 << 20
GONE_WITHIN = 10.0


def resident_bytes() -> int:
    """The process's resident memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def enter(server: Server, name: str, client: RTCPeerConnection) -> None:
    await client.setLocalDescription(await client.createOffer())
    peer = server.room("soak").join(name, leave_when_idle=True)
    answered = peer.answer(client.localDescription.sdp, subscribe="all")
    await client.setRemoteDescription(RTCSessionDescription(answered.sdp, "answer"))


async def meet(server: Server) -> None:
    """One publisher, one viewer, one picture; then both go without a word beyond what closing says."""
    publisher, viewer = RTCPeerConnection(), RTCPeerConnection()
    try:
        publisher.addTrack(VideoStreamTrack())
        receiver = viewer.addTransceiver("video", direction="recvonly").receiver
        await enter(server, "publisher", publisher)
        await enter(server, "viewer", viewer)
        async with asyncio.timeout(30):
            await receiver.track.recv()
    finally:
        await asyncio.gather(publisher.close(), viewer.close())


async def is_empty(server: Server) -> None:
    """Wait until no row of the planes' tables is taken."""
    async with asyncio.timeout(GONE_WITHIN):
        while any(server.rows_in_use().values()):  # noqa: ASYNC110 - rows are freed by the planes' threads
            await asyncio.sleep(0.05)


@pytest.mark.slow
async def test_rooms_that_fill_and_empty_leave_nothing_behind() -> None:
    start = time.monotonic()
    settled: int | None = None
    meetings = 0
    async with Server(Config(host="127.0.0.1", shards=2)) as server:
        while (elapsed := time.monotonic() - start) < SOAK_SECONDS:
            await meet(server)
            await is_empty(server)
            assert not server.rooms
            meetings += 1
            if settled is None and elapsed > WARM_UP * SOAK_SECONDS:
                settled = resident_bytes()
    assert meetings > 1
    assert settled is not None
    assert resident_bytes() - settled < MOST_GROWTH_BYTES
