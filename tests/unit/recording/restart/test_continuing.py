"""A recording that one process suspends and another continues is one record, which says what is missing."""

from __future__ import annotations

import asyncio
import fcntl
import os
from pathlib import Path

import pytest

from sfu.errors import LocalError
from sfu.events import RecordingContinued, RecordingPaused, RecordingSuspended
from sfu.recording import opening
from sfu.recording.compare import compare_records
from sfu.recording.folder import LEDGER
from sfu.recording.journal import Journal
from sfu.recording.options import RecordingOptions
from sfu.recording.reader import read_record
from sfu.recording.stamping import Stamped, Stamper
from sfu.recording.verify import Outcome
from tests.unit.fakes import FakeClock

from .process import SIGNING_KEY, Process, Speaker, check, gaps_of, handed_over, lines_of, suspend_one, types_of, until


async def test_a_record_that_was_continued_is_one_record_and_declares_what_is_missing(
    tmp_path: Path, clock: FakeClock
) -> None:
    first, folder = Process(clock), tmp_path / "record"
    recording = first.record(folder)
    since, alice, camera = recording.since, Speaker(1, "alice"), Speaker(2, "alice", "video")
    first.add(recording, alice, camera)
    first.talk(3, alice, camera)
    suspended = await recording.suspend()
    assert (recording.state, recording.done, alice.taken) == ("suspended", True, False)
    assert first.keeper.recordings == ()
    assert isinstance(first.events[-1], RecordingSuspended)
    check(folder, Outcome.NOT_CLOSED)
    assert types_of(folder)[-2:] == ["suspend", "head"]
    with pytest.raises(LocalError, match="has suspended"):
        recording.mark("too late")
    assert await recording.stop() == ()

    clock.now += 2.0
    second = Process(clock)
    again = await second.take_up(handed_over(suspended))
    assert (again.id, again.since, again.paths) == (recording.id, since, recording.paths)
    assert again.elapsed == pytest.approx(5.0)
    assert again.stats()[0].written_bytes == suspended.copies[0].written_bytes > 0
    clock.now += 1.0
    back, camera_back = Speaker(5, "alice"), Speaker(6, "alice", "video")
    second.add(again, back, camera_back)
    second.talk(3, back, camera_back)
    again.mark("exhibit", "judge")
    [closed] = await again.stop()
    assert check(folder).lines == len(lines_of(folder))
    assert closed.path == folder
    [event] = [each for each in second.events if isinstance(each, RecordingContinued)]
    assert (event.recording, event.paths) == (recording.id, (str(folder),))

    told = lines_of(folder)
    [suspend] = [each for each in told if each["type"] == "suspend"]
    [line] = [each for each in told if each["type"] == "continue"]
    assert (suspend["at_us"], line["begin_us"], line["end_us"]) == (3_000_000, 3_000_000, 5_000_000)
    assert (suspend["process"], line["process"], line["key"]) == (os.getpid(), os.getpid(), SIGNING_KEY.key_id)
    assert line["clock"] == "monotonic"
    files = {each["source"]: (each["file"], each.get("continues")) for each in told if each["type"] == "source"}
    assert files == {
        1: ("media/001-audio.mkv", None),
        2: ("media/002-video.mkv", None),
        3: ("media/003-audio.mkv", 1),
        4: ("media/004-video.mkv", 2),
    }
    for source in (1, 2):
        [restart, away] = gaps_of(folder, source)
        assert restart == ("restart", 3.0, 5.0)
        assert away == ("disconnect", 5.0, pytest.approx(6.02))
    record = read_record(folder)
    assert [span.end_us for span in record.sources[0].spans] == [pytest.approx(3_000_000, abs=100_000)]
    assert record.sources[2].spans[0].begin_us == pytest.approx(6_000_000, abs=100_000)
    assert record.duration_us == pytest.approx(9_020_000, abs=100_000)


async def test_who_does_not_come_again_is_declared_missing_to_the_end(tmp_path: Path, clock: FakeClock) -> None:
    process, folder = Process(clock), tmp_path / "record"
    recording = process.record(folder)
    alice, bob = Speaker(1, "alice"), Speaker(2, "bob")
    process.add(recording, alice, bob)
    process.talk(2, alice, bob)
    recording.remove_track(bob.id)
    process.talk(1, alice)
    for _ in range(2):  # two restarts in a row
        suspended = await recording.suspend()
        clock.now += 1.0
        process = Process(clock)
        recording = await process.take_up(handed_over(suspended))
        clock.now += 1.0
    await recording.stop()
    check(folder)
    away = [("restart", 3.0, 4.0), ("disconnect", 4.0, 5.0), ("restart", 5.0, 6.0), ("disconnect", 6.0, 7.0)]
    assert gaps_of(folder, 1) == away
    assert gaps_of(folder, 2) == [("disconnect", 2.0, 3.0), *away]


async def test_a_pause_goes_on_and_nothing_is_kept_until_its_end(tmp_path: Path, clock: FakeClock) -> None:
    first, folder = Process(clock), tmp_path / "record"
    recording = first.record(folder)
    alice = Speaker(1, "alice")
    first.add(recording, alice)
    first.talk(2, alice)
    recording.pause(ground="closed_evidence", authoriser="judge", subject="j1")
    clock.now += 1.0
    suspended = await recording.suspend()
    clock.now += 1.0
    second = Process(clock)
    again = await second.take_up(handed_over(suspended))
    assert (again.state, again.ground) == ("paused", "closed_evidence")
    assert second.events == [
        RecordingContinued("court", again.id, (str(folder),)),
        RecordingPaused("court", again.id, "closed_evidence", "judge"),
    ]
    back = Speaker(5, "alice")
    second.add(again, back)
    assert not back.taken
    clock.now += 2.0
    again.note_speakers(["alice"])
    again.resume(authoriser="judge")
    second.talk(2, back)
    await again.stop()
    check(folder)
    assert gaps_of(folder, 1) == [
        ("pause", 2.0, 3.0), ("restart", 3.0, 4.0), ("pause", 4.0, 6.0), ("disconnect", 6.0, pytest.approx(6.02)),
    ]  # fmt: skip
    [pause] = read_record(folder).pauses
    assert (pause.begin_us, pause.end_us, pause.subject) == (2_000_000, 6_000_000, "j1")
    assert [each["peers"] for each in lines_of(folder) if each["type"] == "speakers"] == [["alice"]]


async def test_nobody_speaks_when_it_goes_on(tmp_path: Path, clock: FakeClock) -> None:
    first, folder = Process(clock), tmp_path / "record"
    recording = first.record(folder)
    recording.note_speakers(["alice"])
    again = await Process(clock).take_up(handed_over(await recording.suspend()))
    await again.stop()
    check(folder)
    assert [each["peers"] for each in lines_of(folder) if each["type"] == "speakers"] == [["alice"], []]


async def test_mirrors_are_continued_together_and_tell_the_same(tmp_path: Path, clock: FakeClock) -> None:
    first, folders = Process(clock), (tmp_path / "main", tmp_path / "mirror")
    recording = first.record(*folders)
    alice = Speaker(1, "alice")
    first.add(recording, alice)
    first.talk(2, alice)
    suspended = handed_over(await recording.suspend())
    clock.now += 1.0
    second = Process(clock)
    again = await second.take_up(suspended)
    back = Speaker(3, "alice")
    second.add(again, back)
    second.talk(2, back)
    assert len(await again.stop()) == 2
    compared = compare_records(*folders, check(folders[0]), check(folders[1]))
    assert (compared.outcome, compared.differences) == (Outcome.INTACT, ())
    assert compared.agreeing_frames == pytest.approx(200, abs=4)


async def test_the_journal_knows_it_as_it_was_closed_in_the_end(tmp_path: Path, clock: FakeClock) -> None:
    journal, folder = Journal(tmp_path / "journal.jsonl"), tmp_path / "record"
    recording = Process(clock).record(folder, journal=journal)
    suspended = handed_over(await recording.suspend())
    assert suspended.journal == str(journal.path)
    assert not journal.path.exists()
    again = await Process(clock).take_up(suspended, journal=journal)
    await again.stop()
    assert check(folder, journal=journal).journaled
    [known] = journal.find(recording.id, 0)
    assert known.lines == len(lines_of(folder))


class QuickStamper(Stamper):
    """An authority that answers at once."""

    def offer(self, line: bytes, head: str, now_us: int) -> None:
        self._found = Stamped(head, b"a response to " + head.encode(), "")

    def poll(self) -> Stamped | None:
        found, self._found = self._found, None
        return found

    def stamp(self, line: bytes, head: str) -> Stamped:
        return Stamped(head, b"the last response", "")


async def test_timestamps_of_both_processes_are_numbered_one_after_the_other(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "Stamper", QuickStamper)
    folder, options = tmp_path / "record", RecordingOptions(least_free_bytes=0, timestamp_url="http://authority.test")
    process = Process(clock)
    recording = process.record(folder, options=options)
    clock.now += 3.0  # a head is signed and stamped
    await until(lambda: "head" in types_of(folder))
    suspended = handed_over(await recording.suspend())
    assert suspended.copies[0].timestamps == 1
    again = await Process(clock).take_up(suspended)
    await again.stop()
    assert len(check(folder).timestamps) == 2
    stamps = [each["file"] for each in lines_of(folder) if each["type"] == "timestamp"]
    assert stamps == ["timestamps/0001.tsr", "timestamps/0002.tsr"]


async def test_a_record_may_be_verified_while_it_changes_hands(tmp_path: Path, clock: FakeClock) -> None:
    """Its verifier holds a lock: the record is continued once that is over."""
    folder, suspended = await suspend_one(tmp_path, clock)
    descriptor = os.open(folder / LEDGER, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    resuming = asyncio.ensure_future(Process(clock).take_up(suspended))
    await asyncio.sleep(0.1)
    assert not resuming.done()
    os.close(descriptor)
    await (await resuming).stop()
    check(folder)


async def test_what_was_recorded_in_part_is_not_continued_as_a_whole(tmp_path: Path, clock: FakeClock) -> None:
    first = Process(clock)
    suspended = handed_over(await first.record(tmp_path / "record", tracks=lambda track: False).suspend())
    assert suspended.selective
    with pytest.raises(LocalError, match="takes some Tracks only"):
        await Process(clock).take_up(suspended)
    await (await Process(clock).take_up(suspended, tracks=lambda track: False)).stop()
    check(tmp_path / "record")
