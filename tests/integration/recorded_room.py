"""A room that records real clients, and its record."""

from __future__ import annotations

import asyncio

from sfu import Recording, Server
from sfu.recording.reader import Record
from tests.integration.clients import PATIENCE_S, Client
from tests.integration.flashing import Beat, Beep, Flash


async def publish(server: Server, publisher: Client, name: str, beat: Beat | None = None) -> None:
    beat = beat or Beat()
    publisher.pc.addTrack(Beep(beat))
    publisher.pc.addTrack(Flash(beat))
    peer = server.room("court").join(name, leave_when_idle=True, metadata={"name": name.title(), "role": "judge"})
    answered = peer.answer(await publisher.offer())
    await publisher.take_answer(answered.sdp)


async def written(recording: Recording, more: int) -> None:
    """Wait until so many bytes more are on disk."""
    wanted = recording.stats()[0].written_bytes + more
    async with asyncio.timeout(PATIENCE_S):
        while recording.stats()[0].written_bytes < wanted:  # noqa: ASYNC110 - the recorder is a thread
            await asyncio.sleep(0.05)


def source(record: Record, kind: str, peer: str = "alice"):
    (found,) = (each for each in record.sources if (each.kind, each.peer) == (kind, peer))
    return found
