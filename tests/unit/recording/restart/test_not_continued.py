"""What is not as it was suspended is not continued: it is told, left as it is, and followed by another record."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sfu.errors import LocalError, PrivateError
from sfu.events import RecordingNotContinued, RecordingPaused, RecordingStarted
from sfu.recording.entries import EntryError
from sfu.recording.folder import LEDGER
from sfu.recording.restart.continuing import NotContinuedError
from sfu.recording.restart.suspension import SuspendedRecording
from sfu.recording.signing import SigningKey
from sfu.recording.verify import Outcome
from sfu.recording.watch import WRITE_FAILED
from tests.unit.fakes import FakeClock

from .process import SIGNING_KEY, Process, Speaker, check, handed_over, lines_of, suspend_one


async def refused(clock: FakeClock, suspended: SuspendedRecording, reason: str, key: SigningKey = SIGNING_KEY) -> None:
    process = Process(clock)
    with pytest.raises(NotContinuedError, match=reason):
        await process.take_up(suspended, key, within=0.5)
    assert process.keeper.recordings == () and not process.keeper.busy
    [told] = process.events
    assert isinstance(told, RecordingNotContinued)
    assert (told.recording, told.paths) == (suspended.id, tuple(each.path for each in suspended.copies))


def change_a_line(folder: Path) -> None:
    data = (folder / LEDGER).read_bytes()
    (folder / LEDGER).write_bytes(data.replace(b'"alice"', b'"mally"', 1))


def add_a_line(folder: Path) -> None:
    with (folder / LEDGER).open("ab") as file:
        file.write(b"{}\n")


def cut_media(folder: Path) -> None:
    with (folder / "media" / "001-audio.mkv").open("r+b") as file:
        file.truncate(100)


def add_media(folder: Path) -> None:
    (folder / "media" / "002-audio.mkv").write_bytes(b"x")


def add_a_stranger(folder: Path) -> None:
    (folder / "note.txt").write_bytes(b"x")


def remove_the_key(folder: Path) -> None:
    (folder / "public-key.pem").unlink()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (change_a_line, "not the ledger that was suspended"),
        (add_a_line, "not as it was when the record was suspended"),
        (cut_media, "001-audio.mkv: .*not as it was"),
        (add_media, "002-audio.mkv: .*not as it was"),
        (add_a_stranger, "does not belong to a record"),
        (remove_the_key, "public-key.pem: .*not as it was"),
    ],
)
async def test_a_record_that_was_changed_meanwhile_is_not_continued(
    tmp_path: Path, clock: FakeClock, change: object, reason: str
) -> None:
    folder, suspended = await suspend_one(tmp_path, clock)
    assert callable(change)
    change(folder)
    before = (folder / LEDGER).read_bytes()
    await refused(clock, suspended, reason)
    assert (folder / LEDGER).read_bytes() == before


async def test_another_key_continues_no_record(tmp_path: Path, clock: FakeClock) -> None:
    _, suspended = await suspend_one(tmp_path, clock)
    await refused(clock, suspended, "begun with another key", SigningKey.generate())


async def test_two_processes_do_not_continue_one_record(tmp_path: Path, clock: FakeClock) -> None:
    folder, suspended = await suspend_one(tmp_path, clock)
    again = await Process(clock).take_up(suspended)
    await refused(clock, suspended, "still being written")
    await again.stop()
    await refused(clock, suspended, "not as it was")
    check(folder)


async def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, clock: FakeClock) -> None:
    folder, suspended = await suspend_one(tmp_path, clock)
    folder.rename(tmp_path / "elsewhere")
    await refused(clock, suspended, "has no ledger.jsonl")


async def test_a_mirror_that_cannot_be_continued_is_an_alarm_and_the_other_goes_on(
    tmp_path: Path, clock: FakeClock
) -> None:
    first, folders = Process(clock), (tmp_path / "main", tmp_path / "mirror")
    suspended = handed_over(await first.record(*folders).suspend())
    change_media = folders[1] / "note.txt"
    change_media.write_bytes(b"x")
    second = Process(clock)
    again = await second.take_up(suspended)
    alice = Speaker(1, "alice")
    second.add(again, alice)
    second.talk(2, alice)
    again._tick()
    assert [WRITE_FAILED in each.alarms for each in again.stats()] == [False, True]
    assert "was not continued after a restart" in str(again.stats()[1].failure)
    assert again.paths == folders
    [closed] = await again.stop()
    assert closed.path == folders[0]
    check(folders[0])
    check(folders[1], Outcome.ALTERED)


async def test_a_recorder_that_had_failed_is_described_as_such(tmp_path: Path, clock: FakeClock) -> None:
    first, folders = Process(clock), (tmp_path / "main", tmp_path / "mirror")
    recording = first.record(*folders)
    (folders[1] / LEDGER).rename(tmp_path / "gone")
    for recorder in recording._recorders:
        recorder._inbox.put(lambda: None)
    suspended = handed_over(await recording.suspend())
    assert [bool(each.failure) for each in suspended.copies] == [False, True]
    again = await Process(clock).take_up(suspended)
    assert "was not suspended" in str(again.stats()[1].failure)
    await again.stop()
    check(folders[0])


async def test_neither_another_room_nor_a_private_one_takes_it_up(tmp_path: Path, clock: FakeClock) -> None:
    _, suspended = await suspend_one(tmp_path, clock)
    with pytest.raises(LocalError, match="a recording of room 'lobby'"):
        await Process(clock).take_up(replace(suspended, room="lobby"))
    process = Process(clock)
    process.keeper.private = True
    with pytest.raises(PrivateError):
        await process.take_up(suspended)


async def test_a_new_record_that_follows_names_the_first_and_is_off_the_record_if_that_was(
    tmp_path: Path, clock: FakeClock
) -> None:
    first = Process(clock)
    recording = first.record(tmp_path / "record")
    recording.pause(ground="recess", authoriser="judge")
    suspended = handed_over(await recording.suspend())
    second = Process(clock, seed=8)
    new = second.record(tmp_path / "new", follows=suspended)
    assert (new.state, new.id != recording.id) == ("paused", True)
    assert [type(each) for each in second.events] == [RecordingStarted, RecordingPaused]
    back = Speaker(1, "alice")
    second.add(new, back)
    assert not back.taken
    await new.stop()
    check(tmp_path / "new")
    told = lines_of(tmp_path / "new")
    assert told[0]["follows"] == recording.id
    assert [(each["ground"], each["authoriser"]) for each in told if each["type"] == "pause"] == [("recess", "judge")]


async def test_a_new_record_names_one_that_ended_with_its_process_by_its_id_alone(
    tmp_path: Path, clock: FakeClock
) -> None:
    process = Process(clock)
    with pytest.raises(EntryError, match="no record has the id"):
        process.record(tmp_path / "none", follows="../x")
    assert process.keeper.recordings == () and not (tmp_path / "none").exists()
    new = process.record(tmp_path / "new", follows="ab" * 16)
    with pytest.raises(LocalError, match="is being recorded"):
        process.record(tmp_path / "another", follows="cd" * 16)
    await new.stop()
    check(tmp_path / "new")
    assert lines_of(tmp_path / "new")[0]["follows"] == "ab" * 16
