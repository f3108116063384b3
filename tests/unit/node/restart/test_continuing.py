"""What the next process knows of who was in, and for whom it records."""

from __future__ import annotations

import json
from pathlib import Path

import sfu
from sfu.clock import utc_now
from sfu.node.restart.continuing import hand_over_rooms, take_over_rooms
from sfu.signaling import RecordStore


async def test_people_are_expected_back_by_the_next_process() -> None:
    async with sfu.Server() as server:
        server.room("lobby").join("alice")
        state = json.loads(json.dumps(await hand_over_rooms(server, None, None, None)))
    async with sfu.Server() as server:
        await take_over_rooms(state, server, None, None, None)
        assert server.attendance.is_returning("lobby", "alice")
        assert not server.attendance.is_returning("lobby", "bob")


async def test_a_recording_that_goes_on_still_counts_for_its_tenant(tmp_path: Path) -> None:
    key = sfu.SigningKey.generate()
    before, after = RecordStore(tmp_path, key), RecordStore(tmp_path, key)
    async with sfu.Server() as server:
        before.open(server.room("lobby"), {}, utc=utc_now(), random=b"0123", tenant="acme")
        state = json.loads(json.dumps(await hand_over_rooms(server, before, None, None)))
    async with sfu.Server() as server:
        await take_over_rooms(state, server, after, None, None)
        assert [recording.done for recording in server.recordings] == [False]
        assert after.count("acme") == 1
    assert after.count("acme") == 0
