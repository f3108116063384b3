"""A record that cannot be written to its end: tried again for a while, then left for a recovery, and said to be so."""

from __future__ import annotations

import contextlib
import datetime
import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from sfu.recording import folder, store
from sfu.recording.folder import LEDGER, MANIFEST
from sfu.recording.journal import Journal
from sfu.recording.opening import open_recorder
from sfu.recording.options import RecordingOptions
from sfu.recording.recorder import Recorder
from sfu.recording.recover import recover_record
from sfu.recording.signing import SigningKey
from sfu.recording.stamping import Stamped, Stamper
from sfu.recording.verify import Outcome, verify_record
from tests.unit.recording.desk import ALICE, Desk
from tests.unit.recording.limits import largest_file, no_more_descriptors

KEY = SigningKey.generate()
RECORD = "5" * 32
UTC = datetime.datetime(2026, 2, 1, tzinfo=datetime.UTC)

Break = Callable[[Path], AbstractContextManager[None]]


@contextmanager
def no_descriptors(_path: Path) -> Iterator[None]:
    """Neither the signature nor the manifest can be made."""
    with no_more_descriptors():
        yield


@contextmanager
def full_ledger(path: Path) -> Iterator[None]:
    """Not even the stop line has room: part of it does."""
    with largest_file((path / LEDGER).stat().st_size + 10):
        yield


@contextmanager
def bad_disk(_path: Path) -> Iterator[None]:
    """What was written for a new file does not come to disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folder.os, "fsync", _fail)
        yield


@contextmanager
def bad_ledger(_path: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store.os, "fdatasync", _fail)
        yield


@contextmanager
def bad_folder(_path: Path) -> Iterator[None]:
    """The manifest has its name, but nobody knows whether it keeps it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folder, "sync_folder", _fail)
        yield


def _fail(_: object) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


BREAKS = (no_descriptors, full_ledger, bad_disk, bad_ledger, bad_folder)


class Closing:
    """A record whose disk is broken when it is to be closed, and mended after so many attempts; None: never."""

    def __init__(self, path: Path, broken: Break, mended_after: int | None) -> None:
        self.path = path
        self.journal = Journal(path.with_name("journal.jsonl"))
        self.now = 1000.0
        self.told: list[str | None] = []
        """What was told at each attempt."""
        self._mended_after = mended_after
        self._broken = contextlib.ExitStack()
        self.recorder: Recorder = open_recorder(
            path, RECORD, KEY, "court", {}, start=self.now, options=RecordingOptions(), clock=lambda: self.now,
            journal=self.journal, wait=self._wait,
        )  # fmt: skip
        self.journal.check()
        with self._broken:
            self._broken.enter_context(broken(path))
            self.recorder.stop("stopped", self.now)
            deadline = time.monotonic() + 60
            while self.recorder.running and time.monotonic() < deadline:
                time.sleep(0.01)

    def _wait(self, seconds: float) -> None:
        self.now += seconds
        self.told.append(self.recorder.progress.unclosed)
        assert not (self.path / MANIFEST).exists()
        if len(self.told) == self._mended_after:
            self._broken.close()


@pytest.mark.parametrize("broken", BREAKS)
def test_what_fails_for_a_while_is_tried_until_the_record_is_closed(tmp_path: Path, broken: Break) -> None:
    closing = Closing(tmp_path / "record", broken, 3)
    recorder = closing.recorder
    assert recorder.closed is not None
    assert (recorder.progress.failure, recorder.progress.unclosed) == (None, None)
    assert len(closing.told) == 3
    assert all(told is not None and "not closed yet" in told for told in closing.told)
    verdict = verify_record(tmp_path / "record", KEY.public, journal=closing.journal)
    assert verdict.outcome is Outcome.INTACT, verdict.problem
    assert len({known.head for known in closing.journal.find(RECORD, 0)}) == 1


@pytest.mark.parametrize("broken", BREAKS)
def test_what_fails_for_good_is_not_closed_and_says_what_closes_it(tmp_path: Path, broken: Break) -> None:
    closing = Closing(tmp_path / "record", broken, None)
    recorder = closing.recorder
    assert recorder.closed is None
    assert recorder.progress.failure == recorder.progress.unclosed
    assert "`sfu recover` on its folder closes it" in str(recorder.progress.failure)
    assert 20 < len(closing.told) < 40
    assert not (tmp_path / "record" / MANIFEST).exists()
    assert verify_record(tmp_path / "record", KEY.public).outcome is Outcome.NOT_CLOSED


@pytest.mark.parametrize("broken", [no_descriptors, bad_disk, bad_folder])
def test_where_only_the_manifest_is_missing_a_recovery_completes_the_record(tmp_path: Path, broken: Break) -> None:
    closing = Closing(tmp_path / "record", broken, None)
    with contextlib.suppress(OSError):
        closing.journal.check()
    known = closing.journal.find(RECORD, 0)
    recovery = recover_record(tmp_path / "record", KEY, UTC, journal=closing.journal)
    verdict = verify_record(tmp_path / "record", KEY.public, journal=closing.journal)
    assert recovery.restored is bool(known)
    assert verdict.outcome is (Outcome.INTACT if known else Outcome.RECOVERED)


def test_a_last_timestamp_that_cannot_be_kept_leaves_a_record_that_is_whole(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "record", LastStamper())
    desk.writer.begin_track(0, ALICE, desk.now_us)
    desk.talk(0, 1_000)
    with no_more_descriptors():
        desk.writer.close(desk.now_us, "stopped")
        desk.writer.seal(desk.now_us)
    assert desk.lines("unstamped") == []
    assert desk.close_sealed().closed


class LastStamper(Stamper):
    """An authority that answers the last head only."""

    def __init__(self) -> None:
        super().__init__("http://nowhere/", 1)

    def offer(self, line: bytes, head: str, now_us: int) -> None:
        pass

    def stamp(self, line: bytes, head: str) -> Stamped:
        return Stamped(head, b"a response", "")
