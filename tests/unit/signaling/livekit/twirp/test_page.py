"""The page about the server API says of every method what becomes of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sfu.signaling.livekit.twirp.methods import list_methods

ROOT = Path(__file__).parents[5]
ROWS = re.findall(
    r"^\| `(\w+/\w+)` \| \*([a-z ]+)\* \| (.+) \|$",
    (ROOT / "docs" / "livekit-server-api.md").read_text(),
    re.MULTILINE,
)
SOURCES = [
    *ROOT.glob("tests/interop/livekit/**/*.py"),
    *ROOT.glob("tests/integration/test_livekit_*.py"),
    *ROOT.glob("tests/unit/signaling/livekit/**/*.py"),
]


def test_every_method_is_there_once() -> None:
    assert sorted(name for name, _, _ in ROWS) == sorted(list_methods())
    assert {state for _, state, _ in ROWS} <= {"works", "answered with an error", "not done"}


@pytest.mark.parametrize("name", sorted({name for _, _, text in ROWS for name in re.findall(r"`(test_\w+)", text)}))
def test_the_tests_that_it_names_are_there(name: str) -> None:
    assert any(f"def {name}(" in path.read_text() or path.stem == name for path in SOURCES)


def test_what_works_names_its_test_and_only_that() -> None:
    assert [name for name, state, text in ROWS if ("`test_" in text) != (state == "works")] == []
