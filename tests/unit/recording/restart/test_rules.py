"""The verifier believes a restart only as it can have been."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from sfu.recording.errors import RecordError
from sfu.recording.reader import read_record
from sfu.recording.recover import recover_record
from sfu.recording.signing import SigningKey
from sfu.recording.verify import Outcome, verify_record
from tests.recording_samples import BEGAN, SECOND_US, SampleRecord, build_continued, build_record
from tests.restart_forgeries import AGAIN, AT, END, FORGERIES, Forgery, forge

KEY = SigningKey.generate()


@pytest.mark.parametrize("forgery", FORGERIES, ids=lambda each: each.__name__)
def test_a_restart_that_cannot_have_been_is_refused(tmp_path: Path, forgery: Forgery) -> None:
    forge(tmp_path / "record", KEY, forgery)
    verdict = verify_record(tmp_path / "record", KEY.public)
    assert (verdict.outcome, verdict.file) == (Outcome.ALTERED, "ledger.jsonl")
    assert FORGERIES[forgery] in verdict.problem


@pytest.mark.parametrize("forgery", FORGERIES, ids=lambda each: each.__name__)
def test_a_restart_that_cannot_have_been_is_not_recovered_either(tmp_path: Path, forgery: Forgery) -> None:
    folder = forge(tmp_path / "record", KEY, forgery).folder
    for name in ("manifest.json", "manifest.json.sig"):
        (folder / name).unlink()
    with pytest.raises(RecordError, match="recovery would hide it"):
        recover_record(folder, KEY, BEGAN)


def test_what_two_processes_wrote_is_intact(tmp_path: Path) -> None:
    build_continued(tmp_path / "record", KEY)
    verdict = verify_record(tmp_path / "record", KEY.public)
    assert verdict.outcome is Outcome.INTACT, verdict.problem
    assert (verdict.counts["suspend"], verdict.counts["continue"]) == (1, 1)
    record = read_record(tmp_path / "record")
    assert [gap.cause for gap in record.sources[0].gaps] == ["restart"]


@pytest.mark.parametrize("version", [1, 2, 3])
def test_records_of_all_versions_are_intact(tmp_path: Path, version: int) -> None:
    build_record(tmp_path / "record", KEY, version=version)
    assert verify_record(tmp_path / "record", KEY.public).outcome is Outcome.INTACT


def test_version_2_knows_no_restart(tmp_path: Path) -> None:
    """Its lines of these names are events, as they always were, which allow nothing."""
    made = SampleRecord(tmp_path / "record", KEY, version=2)
    made.source(1, "audio", "anna")
    made.suspend(AT)
    made.fragment(1, AT, AGAIN)
    made.close(END)
    assert verify_record(made.folder, KEY.public).outcome is Outcome.INTACT


def recover(folder: Path) -> None:
    recover_record(folder, KEY, BEGAN + datetime.timedelta(hours=1))


@pytest.mark.parametrize("lines_after", ["suspended", "torn", "continued", "gone on"])
def test_a_record_whose_process_ends_around_a_restart_is_recovered(tmp_path: Path, lines_after: str) -> None:
    folder = tmp_path / "record"
    made = build_continued(folder, KEY)
    for name in ("manifest.json", "manifest.json.sig"):
        (folder / name).unlink()
    path = folder / "ledger.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    [suspend] = [n for n, line in enumerate(lines) if b'"type":"suspend"' in line]
    keep = {"suspended": suspend + 2, "torn": suspend + 1, "continued": suspend + 4, "gone on": suspend + 10}[
        lines_after
    ]
    path.write_bytes(b"".join(lines[:keep]))
    recover(folder)
    verdict = verify_record(folder, KEY.public)
    assert verdict.outcome is Outcome.RECOVERED, verdict.problem
    [signed] = [suspend + 2 if lines_after in ("suspended", "continued") else verdict.attested_lines]
    assert verdict.attested_lines == signed
    assert (verdict.counts.get("suspend", 0), verdict.counts.get("continue", 0)) == {
        "suspended": (1, 0), "torn": (0, 0), "continued": (1, 0), "gone on": (1, 1),
    }[lines_after]  # fmt: skip
    assert made.ledger.record == verdict.record
    assert read_record(folder).duration_us >= 4 * SECOND_US
