"""A store of records takes up what another process has suspended, or begins what names it."""

from __future__ import annotations

import datetime
import json
import logging
from pathlib import Path

import pytest

from sfu import Config, Server, SigningKey, SuspendedRecording
from sfu.recording.folder import LEDGER
from sfu.recording.ledger import parse_ledger
from sfu.recording.verify import Outcome, verify_record
from sfu.signaling import RecordStore

KEY = SigningKey.generate()
NOON = datetime.datetime(2026, 3, 2, 12, 0, tzinfo=datetime.UTC)


async def suspend(store: RecordStore, *, pause: bool = False) -> SuspendedRecording:
    """What a process hands over that has recorded one room."""
    async with Server(Config()) as server:
        room = server.room("court")
        room.join("alice", metadata={"role": "judge"})
        recording = store.open(room, {"case": "7 C 12"}, utc=NOON, random=b"1234", subject="clerk")
        if pause:
            recording.pause(ground="recess", authoriser="judge")
        [suspended] = await server.suspend_recordings()
        assert server.recordings == () and room.recordings == ()
    return SuspendedRecording.from_json(json.loads(json.dumps(suspended.to_json())))


async def test_a_server_takes_up_what_another_has_suspended(tmp_path: Path) -> None:
    store = RecordStore(tmp_path, KEY)
    suspended = await suspend(store)
    async with Server(Config()) as server:
        room = server.room("court")
        room.join("alice", metadata={"role": "judge"})
        recording = await store.take_up(room, suspended, utc=NOON, random=b"5678")
        assert (room.recording, server.recordings, recording.id) == (recording, (recording,), suspended.id)
        await recording.stop()
    [folder] = tmp_path.iterdir()
    assert verify_record(folder, KEY.public).outcome is Outcome.INTACT
    types = [each.type for each in parse_ledger((folder / LEDGER).read_bytes())]
    assert types.count("join") == 2 and types.index("continue") < len(types) - 1 - types[::-1].index("join")


async def test_what_cannot_be_continued_is_followed_by_a_new_record(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = RecordStore(tmp_path, KEY)
    suspended = await suspend(store, pause=True)
    [old] = tmp_path.iterdir()
    (old / "note.txt").write_bytes(b"x")
    async with Server(Config()) as server:
        with caplog.at_level(logging.ERROR):
            recording = await store.take_up(server.room("court"), suspended, utc=NOON, random=b"5678")
        assert recording.id != suspended.id and recording.paused
        await recording.stop()
    [told] = [each for each in caplog.records if "another one begins" in each.getMessage()]
    assert (told.__dict__["record"], told.__dict__["paths"]) == (suspended.id, [str(old)])
    [new] = [each for each in tmp_path.iterdir() if each != old]
    assert verify_record(new, KEY.public).outcome is Outcome.INTACT
    start = next(parse_ledger((new / LEDGER).read_bytes()))
    about = [start.fields[key] for key in ("follows", "metadata", "subject")]
    assert about == [suspended.id, {"case": "7 C 12"}, "clerk"]


async def test_a_suspended_room_that_became_private_is_not_recorded_again(tmp_path: Path) -> None:
    store = RecordStore(tmp_path, KEY)
    suspended = await suspend(store)
    async with Server(Config()) as server:
        room = server.room("court")
        room.set_private(True)
        with pytest.raises(Exception, match="private"):
            await store.take_up(room, suspended, utc=NOON, random=b"5678")
