"""A recorder as it is opened: what it writes first, and what it leaves when it is closed."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path

import pytest

from sfu.clock import monotonic
from sfu.recording.journal import Journal
from sfu.recording.opening import open_recorder
from sfu.recording.options import RecordingOptions
from sfu.recording.signing import SigningKey
from sfu.recording.verify import Outcome, verify_record

KEY = SigningKey.generate()
RECORD = "5" * 32


def record_and_close(path: Path, copy: int = 0, journal: Journal | None = None) -> None:
    recorder = open_recorder(
        path, RECORD, KEY, "court", {}, start=monotonic(), options=RecordingOptions(), clock=monotonic, copy=copy,
        journal=journal,
    )  # fmt: skip
    recorder.stop("stopped", monotonic())
    deadline = time.monotonic() + 30
    while recorder.running and time.monotonic() < deadline:
        time.sleep(0.01)
    assert recorder.closed is not None and recorder.progress.failure is None


def test_the_journal_knows_what_was_closed_each_copy_by_itself(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    for copy in (0, 1):
        record_and_close(tmp_path / str(copy), copy, journal)
    for copy in (0, 1):
        lines = (tmp_path / str(copy) / "ledger.jsonl").read_bytes().splitlines()
        assert json.loads(lines[0])["copy"] == copy
        [known] = journal.find(RECORD, copy)
        assert (known.lines, known.folder, known.key) == (len(lines), str(copy), KEY.key_id)
        verdict = verify_record(tmp_path / str(copy), KEY.public, journal=journal)
        assert (verdict.outcome, verdict.journaled) == (Outcome.INTACT, True)


def test_a_journal_that_fails_costs_no_record_and_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "sfu.recording"):
        record_and_close(tmp_path / "record", journal=Journal(tmp_path / "missing" / "journal.jsonl"))
    assert [each.getMessage() for each in caplog.records] == ["the journal does not know of a closed record"]
    assert verify_record(tmp_path / "record", KEY.public).outcome is Outcome.INTACT
