"""Neither a disk that hangs nor a signer that is away holds up a restart; the record is for a recovery then."""

from __future__ import annotations

import asyncio
import datetime
import os
import threading
from pathlib import Path

import pytest

from sfu.recording.errors import RecordError
from sfu.recording.folder import LEDGER
from sfu.recording.lock import open_to_continue
from sfu.recording.manifest import FileFact
from sfu.recording.recover import recover_record
from sfu.recording.remote_signer import SignerError
from sfu.recording.restart.continuing import NotContinuedError
from sfu.recording.store import Store
from sfu.recording.verify import Outcome
from tests.unit.fakes import FakeClock

from .process import SIGNING_KEY, Process, Speaker, check, types_of, until

NOON = datetime.datetime(2026, 3, 2, 12, 0, tzinfo=datetime.UTC)


class AwaySigner:
    """A signer in another process, which may be away."""

    def __init__(self) -> None:
        self.away = False
        self.public = SIGNING_KEY.public
        self.key_id = SIGNING_KEY.key_id

    def sign(self, data: bytes) -> bytes:
        if self.away:
            raise SignerError("signer.sock", "the signer does not answer")
        return SIGNING_KEY.sign(data)


async def talk_to_one(process: Process, folder: Path, key: AwaySigner | None = None):
    recording = process.record(folder, key=key or SIGNING_KEY)
    alice = Speaker(1, "alice")
    process.add(recording, alice)
    process.talk(5, alice)
    await until(lambda: {"head", "fragment"} <= set(types_of(folder)))
    return recording


async def test_a_signer_that_is_away_makes_a_record_for_recovery(tmp_path: Path, clock: FakeClock) -> None:
    process, folder, signer = Process(clock), tmp_path / "record", AwaySigner()
    recording = await talk_to_one(process, folder, signer)
    signer.away = True
    suspended = await recording.suspend(within=0.3)
    [told] = suspended.copies
    assert told.failure and not told.files
    with pytest.raises(NotContinuedError, match="was not suspended"):
        await Process(clock).take_up(suspended)
    clock.now += 10.0  # the recorder gives up
    await until(lambda: recording.done)
    recover_record(folder, SIGNING_KEY, NOON)
    check(folder, Outcome.RECOVERED)


async def test_a_signer_that_comes_back_in_time_signs_the_suspension(tmp_path: Path, clock: FakeClock) -> None:
    process, folder, signer = Process(clock), tmp_path / "record", AwaySigner()
    recording = await talk_to_one(process, folder, signer)
    signer.away = True
    asyncio.get_running_loop().call_later(0.3, setattr, signer, "away", False)
    suspended = await recording.suspend(within=10.0)
    signer.away = True  # and may be away again when the other process goes on: media go to disk all the same
    again = await Process(clock).take_up(suspended, signer)
    signer.away = False
    await again.stop()
    check(folder)


async def test_a_disk_that_hangs_is_given_up_in_time(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    process, folders = Process(clock), (tmp_path / "main", tmp_path / "mirror")
    recording = process.record(*folders)
    answers, append = threading.Event(), Store.append_ledger

    def hang(self: Store, lines: bytes) -> None:
        if self.path == folders[1]:
            answers.wait()
        append(self, lines)

    monkeypatch.setattr(Store, "append_ledger", hang)
    loop = asyncio.get_running_loop()
    before = loop.time()
    suspended = await recording.suspend(within=0.6)
    assert loop.time() - before < 5.0
    assert [each.failure for each in suspended.copies] == ["", "its disk or its signer did not answer in time"]
    again = await Process(clock).take_up(suspended)
    assert again.stats()[0].failure is None
    answers.set()
    await again.stop()
    check(folders[0])


async def test_a_disk_that_hangs_when_the_record_is_continued_is_given_up_and_let_go(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "record"
    suspended = await Process(clock).record(folder).suspend()
    answers, reopen = threading.Event(), Store.reopen

    def hang(path: Path, files: tuple[FileFact, ...]) -> Store:
        answers.wait()
        return reopen(path, files)

    monkeypatch.setattr(Store, "reopen", hang)
    process = Process(clock)
    with pytest.raises(NotContinuedError, match="did not answer in time"):
        await process.take_up(suspended, within=0.2)
    answers.set()
    await until(lambda: "continue" in types_of(folder) and not is_locked(folder))
    recover_record(folder, SIGNING_KEY, NOON)
    check(folder, Outcome.RECOVERED)


def is_locked(folder: Path) -> bool:

    try:
        os.close(open_to_continue(folder))
    except RecordError:
        return True
    return False


async def test_a_full_disk_leaves_the_record_as_it_was_suspended(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "record"
    suspended = await Process(clock).record(folder).suspend()
    before = (folder / LEDGER).read_bytes()

    def fail(self: Store, lines: bytes) -> None:
        raise RecordError(self.path / LEDGER, "cannot be written: No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Store, "append_ledger", fail)
        with pytest.raises(NotContinuedError, match="No space left"):
            await Process(clock).take_up(suspended)
    assert (folder / LEDGER).read_bytes() == before
    await (await Process(clock).take_up(suspended)).stop()  # and later it can be continued
    check(folder)
