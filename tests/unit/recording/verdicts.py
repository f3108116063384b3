"""What the tests of `verify_record` ask of a record signed with `KEY`."""

from __future__ import annotations

from pathlib import Path

from sfu.recording.signing import SigningKey
from sfu.recording.verify import Outcome, Verdict, verify_record

KEY = SigningKey.generate()


def check(folder: Path) -> Verdict:
    return verify_record(folder, KEY.public)


def altered(folder: Path, file: str, reason: str) -> Verdict:
    verdict = check(folder)
    assert (verdict.outcome, verdict.file) == (Outcome.ALTERED, file), verdict.problem
    assert reason in verdict.problem
    return verdict
