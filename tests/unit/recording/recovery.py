"""Records that are recovered, and what is seen of it."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

from sfu.recording.signing import SigningKey
from sfu.recording.verify import Outcome, verify_record

KEY = SigningKey.generate()
UTC = datetime.datetime(2026, 2, 1, 12, 0, tzinfo=datetime.UTC)


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def lines_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "ledger.jsonl").read_bytes().splitlines()]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


def recovered(folder: Path, attested: int | None = None) -> None:
    verdict = verify_record(folder, KEY.public)
    assert verdict.outcome is Outcome.RECOVERED, verdict.problem
    assert attested is None or verdict.attested_lines == attested
    assert f"its recorder had signed it up to line {verdict.attested_lines}" in verdict.problem


def apart(folder: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in (folder / "unattested").iterdir()}
