"""A process that records a client of its own until it is killed. Arguments: the folder, the key."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from sfu import Config, Server, load_signing_key
from tests.integration.clients import client
from tests.integration.flashing import Beat, Beep, Flash


async def record(folder: Path, key: Path) -> None:
    async with Server(Config()) as server, client() as alice:
        begun = time.monotonic()
        recording = server.room("court").record(folder, key=load_signing_key(key))
        beat = Beat()
        alice.pc.addTrack(Beep(beat))
        alice.pc.addTrack(Flash(beat))
        answered = server.room("court").join("alice").answer(await alice.offer())
        await alice.take_answer(answered.sdp)
        sys.stdout.write(f"{begun}\n")
        sys.stdout.flush()
        while True:
            await asyncio.sleep(0.1)
            sys.stdout.write(f"{recording.stats()[0].written_bytes}\n")
            sys.stdout.flush()


asyncio.run(record(Path(sys.argv[1]), Path(sys.argv[2])))
