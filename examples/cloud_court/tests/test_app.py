"""The app as a whole: its contract and its refusals."""

from __future__ import annotations

import re
from pathlib import Path

from court.errors import CODES
from court_stage import Stage

SOURCES = Path(__file__).parents[1] / "court"


def test_every_refusal_has_a_code_in_the_table_and_each_of_them_is_used() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in SOURCES.rglob("*.py"))
    used = set(re.findall(r'(?:Refusal\(|Decision\("refuse", |code = )\s*"([a-z_.]+)"', text)) | {"not_found"}
    assert used == set(CODES)


async def test_the_contract_names_each_way_once(stage: Stage) -> None:
    ways = stage.app.openapi()
    names = [each["operationId"] for path in ways["paths"].values() for each in path.values()]
    assert len(names) == len(set(names)) > 60
    assert all(path.startswith("/api/") for path in ways["paths"])
