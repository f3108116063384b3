"""What stands in a room's record of those who never send, and of what its moderators order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sfu import Config, LocalError, Room, Server, SigningKey
from sfu.errors import PrivateError
from sfu.node.player.timeline import describe_record
from sfu.recording.entries import Entry
from sfu.recording.folder import LEDGER
from sfu.recording.ledger import parse_ledger
from sfu.recording.reader import read_record
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
        peer.answer(SEND)
        peer.leave()
    entries = await lines_of(room, tmp_path / "record")
    assert {entry.type for entry in entries} == {"start", "join", "leave", "stop", "head"}
    assert list((tmp_path / "record" / "media").iterdir()) == []


def orders_in(entries: list[Entry]) -> list[tuple[str, str | None, str | None, str | None]]:
    """What moderators ordered: which, about whom, of what kind, by whom."""
    told = (entry for entry in entries if entry.type in ("block", "unblock", "remove", "close_room"))
    return [(each.type, *(each.fields.get(key) for key in ("peer", "kind", "subject"))) for each in told]


async def test_what_moderators_order_stands_there_with_who_was_authenticated(room: Room, tmp_path: Path) -> None:
    alice = room.join("alice")
    alice.answer(SEND)
    room.record(tmp_path / "record", key=KEY)
    audio, video = alice.tracks
    room.block(audio, subject="clerk")
    room.block(audio, subject="another")  # changes nothing
    room.block(video)
    room.unblock(audio, subject="judge")
    room.unblock(audio, subject="judge")
    room.remove(alice, subject="judge")
    room.remove(alice, subject="judge")
    room.close(subject="usher")
    entries = await lines_of(room, tmp_path / "record")
    assert orders_in(entries) == [
        ("block", "alice", "audio", "clerk"),
        ("block", "alice", "video", None),
        ("unblock", "alice", "audio", "judge"),
        ("remove", "alice", None, "judge"),
        ("close_room", None, None, "usher"),
    ]
    assert [entry.fields["track"] for entry in entries if entry.type == "block"] == [audio.id, video.id]
    assert [entry.type for entry in entries][-5:-2] == ["remove", "leave", "close_room"]
    told = describe_record(read_record(tmp_path / "record"))["orders"]
    assert [(each["what"], each["peer"], each["kind"], each["subject"]) for each in told] == [
        ("block", "alice", "audio", "clerk"),
        ("block", "alice", "video", ""),
        ("unblock", "alice", "audio", "judge"),
        ("remove", "alice", "", "judge"),
        ("close_room", "", "", "usher"),
    ]


async def test_what_was_blocked_before_stands_at_the_beginning(room: Room, tmp_path: Path) -> None:
    alice = room.join("alice")
    alice.answer(SEND)
    room.block(alice.tracks[1], subject="clerk")
    alice.leave()
    room.join("judge")
    room.record(tmp_path / "record", key=KEY)
    entries = await lines_of(room, tmp_path / "record")
    assert [entry.type for entry in entries] == ["start", "join", "block", "stop", "head"]
    assert orders_in(entries) == [("block", "alice", "video", "clerk")]
    assert entries[2].fields["track"] is None


async def test_of_two_cameras_each_that_is_blocked_is_told_of(room: Room, tmp_path: Path) -> None:
    alice = room.join("alice")
    alice.answer(make_offer(("video", "sendonly"), ("video", "sendonly")))
    room.record(tmp_path / "record", key=KEY)
    for track in alice.tracks:
        room.block(track, subject="clerk")
    entries = await lines_of(room, tmp_path / "record")
    tracks = [entry.fields["track"] for entry in entries if entry.type == "block"]
    assert tracks == [track.id for track in alice.tracks]


async def test_recordings_beside_each_other_are_each_whole_and_hear_nothing_of_what_is_said_to_another(
    room: Room, tmp_path: Path
) -> None:
    room.join("alice")
    first = room.record(tmp_path / "first", key=KEY)
    with pytest.raises(LocalError, match="stop that recording first"):
        room.record(tmp_path / "second", key=KEY)
    second = room.record(tmp_path / "second", key=KEY, beside=True)
    assert (room.recording, room.recordings) == (first, (first, second))
    first.pause(ground="recess", authoriser="judge")
    with pytest.raises(LocalError, match="off the record"):
        room.record(tmp_path / "third", key=KEY, beside=True)
    room.join("bob")
    first.resume(authoriser="judge")
    with pytest.raises(PrivateError):
        room.set_private(True)
    await first.stop()
    assert (room.recording, room.recordings) == (second, (second,))
    room.join("carol")
    await second.stop()
    assert room.recording is None
    told = {}
    for name in ("first", "second"):
        assert verify_record(tmp_path / name, KEY.public).outcome is Outcome.INTACT
        told[name] = [
            entry.fields.get("peer", entry.type) for entry in parse_ledger((tmp_path / name / LEDGER).read_bytes())
        ]
    assert told["first"] == ["start", "alice", "pause", "bob", "resume", "stop", "head"]
    assert told["second"] == ["start", "alice", "bob", "carol", "stop", "head"]
    assert not (tmp_path / "third").exists()
