"""Whatever is changed in a record is found: 1,000 changes, made by someone who knows the format but has not the key."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from sfu.recording.errors import RecordError
from sfu.recording.folder import MANIFEST
from sfu.recording.signing import SigningKey
from sfu.recording.verify import Outcome, Verdict, verify_record
from tests.property.record_changes import ANYONE, sign_again
from tests.property.record_files import (
    Files,
    judge,
    lay_out,
    mutate,
    read,
)
from tests.recording_samples import build_continued, build_record

MUTATIONS = 1000


def is_found(verdict: Verdict | RecordError, files: Files) -> bool:
    """Whether a change was told of. Only a record whose manifest is gone may pass as one that was never closed."""
    if isinstance(verdict, RecordError):
        return "version" in str(verdict) or "not one of a record" in str(verdict)
    if verdict.outcome is Outcome.NOT_CLOSED:
        return MANIFEST not in files and bool(verdict.problem)
    return verdict.outcome is Outcome.ALTERED and bool(verdict.problem) and bool(verdict.file)


@pytest.mark.parametrize(
    ("seed", "build"),
    [
        (1, build_record),
        pytest.param(2, build_record, marks=pytest.mark.slow),
        pytest.param(3, build_continued, marks=pytest.mark.breadth),
    ],
)
def test_of_1000_changes_by_who_has_no_key_1000_are_found(
    tmp_path: Path, seed: int, build: Callable[[Path, SigningKey, int], object]
) -> None:
    key, dice = SigningKey.generate(), random.Random(seed)
    folder = tmp_path / "record"
    build(folder, key, seed)
    original = read(folder)
    assert verify_record(folder).outcome is Outcome.UNPINNED
    missed, made = [], Counter[str]()
    for number in range(MUTATIONS):
        kind, files = mutate(original, dice, ANYONE)
        made[kind] += 1
        lay_out(folder, original, files)
        verdict = judge(folder, key if number % 2 else None)
        if not is_found(verdict, files):
            missed.append((number, kind, verdict))
        lay_out(folder, files, original)
        assert verify_record(folder, key.public).outcome is Outcome.INTACT
    assert not missed
    assert made.keys() == {each.__name__ for each in ANYONE}


def test_a_record_that_was_signed_again_is_found_by_who_knows_the_key(tmp_path: Path) -> None:
    key, dice = SigningKey.generate(), random.Random(3)
    folder = tmp_path / "record"
    build_record(folder, key, 3)
    original = read(folder)
    for _ in range(20):
        _, files = mutate(original, dice, [sign_again])
        lay_out(folder, original, files)
        assert verify_record(folder).outcome is Outcome.UNPINNED  # nothing in the record itself tells
        assert verify_record(folder, key.public).outcome is Outcome.OTHER_KEY
        lay_out(folder, files, original)
