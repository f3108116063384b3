"""Forgers wait for a recovery to sign what they wrote: none of them gets an intact record."""

from __future__ import annotations

import datetime
import random
import shutil
from collections import Counter
from pathlib import Path

import pytest

from sfu.recording.errors import RecordError
from sfu.recording.folder import LEDGER
from sfu.recording.journal import ClosedEntry, Journal
from sfu.recording.ledger import LedgerError
from sfu.recording.recover import recover_record
from sfu.recording.signing import SigningKey
from sfu.recording.verify import Outcome, Verdict, verify_record
from tests.property.record_changes import ANYONE
from tests.property.record_files import (
    Files,
    Kind,
    judge,
    lay_out,
    mutate,
    read,
    split,
)
from tests.property.record_forgers import FORGERS, MIRROR, make_one_up, mix_with_the_mirror
from tests.recording_samples import build_record

LATER = datetime.datetime(2026, 2, 1, tzinfo=datetime.UTC)


@pytest.mark.parametrize("forgeries", [90, pytest.param(1000, marks=[pytest.mark.slow, pytest.mark.timeout(900)])])
def test_no_forger_has_an_intact_record_before_and_after_recovery(tmp_path: Path, forgeries: int) -> None:
    """Each forges once or twice, has it recovered, forges what came of it, and has that recovered, too."""
    key, dice = SigningKey.generate(), random.Random(forgeries)
    original = read(build_record(tmp_path / "origin", key, 7).folder)
    MIRROR.clear()
    MIRROR.update(read(build_record(tmp_path / "mirror", key, 7, copy=1).folder))
    assert original[LEDGER] != MIRROR[LEDGER]
    seen, made = Counter[str](), Counter[str]()
    for number in range(forgeries):
        folder, files = tmp_path / "forged", original
        shutil.rmtree(folder, ignore_errors=True)
        for _ in range(2):
            for _ in range(dice.randint(1, 2)):
                kind, files = mutate_again(files, dice, FORGERS + ANYONE if dice.random() < 0.3 else FORGERS)
                made[kind] += 1
            shutil.rmtree(folder, ignore_errors=True)
            lay_out(folder, {}, files)
            assert not is_intact(folder, key), (number, kind)
            try:
                recover_record(folder, key, LATER)
            except RecordError:
                seen["refused"] += 1
                break
            verdict = verify_record(folder, key.public)
            assert verdict.outcome is Outcome.RECOVERED, (number, kind, verdict.problem)
            check_recovered(folder, verdict, original)
            seen["recovered"] += 1
            files = read(folder)
    assert {each.__name__ for each in FORGERS} <= made.keys()
    assert min(seen["recovered"], seen["refused"]) > forgeries // 5, seen


def mutate_again(files: Files, dice: random.Random, kinds: list[Kind]) -> tuple[str, Files]:
    """Change what may be broken already: a kind that no longer finds what it needs leaves it to another."""
    while True:
        try:
            return mutate(files, dice, kinds)
        except (LookupError, ValueError, TypeError, StopIteration, LedgerError):
            continue


def is_intact(folder: Path, key: SigningKey) -> bool:
    verdict = judge(folder, key)
    return isinstance(verdict, Verdict) and verdict.outcome is Outcome.INTACT


def check_recovered(folder: Path, verdict: Verdict, original: Files) -> None:
    """What the recorder is said to have signed are lines of it, and no media stand there that it did not write."""
    files = read(folder)
    lines = split(files)[: verdict.attested_lines]
    assert lines in (split(original)[: len(lines)], split(MIRROR)[: len(lines)])
    for name in [name for name in files if name.startswith("media/")]:
        assert any(each.get(name, b"").startswith(files[name]) for each in (original, MIRROR)), name


def test_a_closed_record_that_the_journal_knows_is_never_another_one(tmp_path: Path) -> None:
    """With the journal a forger gets no recovery at all: it is refused, or the very same record is closed again."""
    key, dice = SigningKey.generate(), random.Random(11)
    made = build_record(tmp_path / "origin", key, 7)
    original, journal = read(made.folder), Journal(tmp_path / "journal.jsonl")
    ledger = made.ledger
    journal.add(ClosedEntry(ledger.record, 0, ledger.n, ledger.prev, key.key_id, "origin"))
    MIRROR.clear()
    MIRROR.update(read(build_record(tmp_path / "mirror", key, 7, copy=1).folder))
    forgers = [each for each in FORGERS if each not in (mix_with_the_mirror, make_one_up)]
    seen = Counter[str]()
    for _ in range(60):
        _, files = mutate(original, dice, forgers)
        folder = tmp_path / "forged"
        shutil.rmtree(folder, ignore_errors=True)
        lay_out(folder, {}, files)
        verdict = verify_record(folder, key.public, journal=journal)
        assert verdict.outcome is (Outcome.NOT_CLOSED if files[LEDGER] == original[LEDGER] else Outcome.ALTERED)
        try:
            recover_record(folder, key, LATER, journal=journal)
        except RecordError:
            seen["refused"] += 1
        else:
            assert read(folder) == original
            seen["restored"] += 1
    assert seen["refused"] > 30 and seen["restored"] > 3, seen
