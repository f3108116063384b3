"""A room that is recorded stays, whoever holds it: what is asked about its recording must find it."""

from __future__ import annotations

import gc
from pathlib import Path

from sfu import Server, SigningKey


async def test_a_room_that_nobody_holds_stays_while_it_is_recorded(tmp_path: Path) -> None:
    async with Server() as server:
        recording = server.room("lobby").record(tmp_path / "record", key=SigningKey.generate())
        gc.collect()
        room = server.find_room("lobby")
        assert room is not None
        assert room.recording is recording
        del room
        await recording.stop()
        assert server.recordings == ()
        gc.collect()
        assert server.find_room("lobby") is None


async def test_recordings_that_have_ended_do_not_pile_up_where_nobody_asks_for_them(tmp_path: Path) -> None:
    async with Server() as server:
        room = server.room("lobby")
        for number in range(3):
            await room.record(tmp_path / str(number), key=SigningKey.generate()).stop()
        assert len(server._recordings) == 1
