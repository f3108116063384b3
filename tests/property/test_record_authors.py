"""Records by authors who have the key and mean ill: the verifier and the recovery give an answer, and no traceback."""

from __future__ import annotations

import datetime
import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sfu.recording.entries import EntryError, parse_utc
from sfu.recording.errors import RecordError
from sfu.recording.folder import LEDGER
from sfu.recording.ledger import Ledger
from sfu.recording.recover import recover_record
from sfu.recording.signing import SigningKey
from sfu.recording.verify import Outcome, verify_record
from tests.recording_samples import begin_continued, begin_record

RECORDS = 300
VALUES: list[Any] = [
    0, 1, -1, 2**31, 2**62, 2**63 - 1, True, None, 1.5, 1e300, "", "0", "a" * 300, "\x00", "../../x", "media", [], {},
    [[]], {"source": 1}, "0" * 64, "media/001-audio.mkv", "media/002-video.mkv", "timestamps/0001.tsr", "torn/0001.bin",
    "audio",
]  # fmt: skip
LATER = datetime.datetime(2026, 2, 1, tzinfo=datetime.UTC)


def write_by_an_author(folder: Path, key: SigningKey, dice: random.Random, ill: float) -> None:
    """Write the ledger anew with some lines edited, dropped or repeated, as many as `ill` says: chained and signed."""
    found = [json.loads(line) for line in (folder / LEDGER).read_bytes().splitlines()]
    ledger, lines = Ledger(found[0]["record"], key), []
    for fields in found:
        times = dice.choice([0, 2]) if lines and dice.random() < ill else 1
        for _ in range(times):
            lines.append(author_line(ledger, dict(fields), dice if dice.random() < ill else None))
    if dice.random() < 0.2:
        lines.append(dice.randbytes(dice.randint(0, 60)).replace(b"\n", b""))
    (folder / LEDGER).write_bytes(b"".join(lines))


def author_line(ledger: Ledger, fields: dict[str, Any], dice: random.Random | None) -> bytes:
    kind, t_us = fields["type"], fields["t_us"]
    rest = {name: value for name, value in fields.items() if name not in ("n", "t_us", "prev", "type")}
    if dice is None and kind == "head":
        return ledger.sign_head(t_us, parse_utc(rest["utc"]))
    if dice is None and kind == "timestamp":
        rest["head"] = ledger.prev
    if dice is not None:
        kind = dice.choice(
            [
                kind,
                kind,
                kind,
                "tail",
                "torn",
                "stray",
                "unattested",
                "gap",
                "stop",
                "recover",
                "suspend",
                "continue",
                "source",
                "other",
            ]
        )
        for name in dice.sample(sorted(rest), min(len(rest), dice.randint(1, 2))):
            rest[name] = dice.choice(VALUES)
    try:
        return ledger.append(kind, t_us, **rest)
    except EntryError:  # not even a line: say something else
        return ledger.append("mark", t_us, name="instead", data=rest.get("metadata"))


@pytest.mark.parametrize(
    ("seed", "begin", "ill"),
    [
        (1, begin_record, 0.06),
        pytest.param(2, begin_record, 0.06, marks=pytest.mark.breadth),
        (3, begin_continued, 0.015),
    ],
)
def test_whatever_an_author_signs_gets_an_answer_and_what_is_recovered_verifies(
    tmp_path: Path, seed: int, begin: Callable[..., object], ill: float
) -> None:
    key, dice = SigningKey.generate(), random.Random(seed)
    answers = Counter[str]()
    for number in range(RECORDS):
        folder = tmp_path / str(number)
        begin(folder, key, seed, seconds=4)
        write_by_an_author(folder, key, dice, ill)
        try:
            before = verify_record(folder, key.public).outcome
        except RecordError:
            answers["unreadable"] += 1
            continue
        assert before in (Outcome.NOT_CLOSED, Outcome.ALTERED)
        # what is wrong may be set apart, if nobody had signed it
        try:
            recover_record(folder, key, LATER)
        except RecordError:
            answers["not recovered"] += 1
            assert verify_record(folder, key.public).outcome is before
        else:
            answers["recovered"] += 1
            verdict = verify_record(folder, key.public)
            assert verdict.outcome is Outcome.RECOVERED, verdict.problem
    assert min(answers["recovered"], answers["not recovered"]) > RECORDS // 10, answers
