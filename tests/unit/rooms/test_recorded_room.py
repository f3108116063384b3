"""What stands in a room's record of those who never send, and of what its moderators order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sfu import Config, Room, Server, SigningKey
from sfu.recording.entries import Entry
from sfu.recording.folder import LEDGER
from sfu.recording.ledger import parse_ledger
from sfu.recording.verify import Outcome, verify_record
from tests.unit.offers import make_offer

SEND = make_offer(("audio", "sendonly"), ("video", "sendonly"))
KEY = SigningKey.generate()


@pytest.fixture
async def room() -> AsyncIterator[Room]:
    async with Server(Config()) as server:
        yield server.room("court")


async def lines_of(room: Room, path: Path) -> list[Entry]:
    """Close the room's record, see that it is intact, and return its ledger."""
    assert room.recording is not None
    await room.recording.stop()
    verdict = verify_record(path, KEY.public)
    assert verdict.outcome is Outcome.INTACT, verdict.problem
    return list(parse_ledger((path / LEDGER).read_bytes()))


async def test_who_never_connects_makes_no_source_however_often(room: Room, tmp_path: Path) -> None:
    room.record(tmp_path / "record", key=KEY)
    for number in range(20):
        peer = room.join(f"mallory {number}")
        await peer.answer(SEND)
        peer.leave()
    entries = await lines_of(room, tmp_path / "record")
    assert {entry.type for entry in entries} == {"start", "join", "leave", "stop", "head"}
    assert list((tmp_path / "record" / "media").iterdir()) == []
