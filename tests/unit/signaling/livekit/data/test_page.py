"""The page about clients says of every kind of packet what becomes of it, and why one is not passed on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from livekit.protocol.models import DataPacket

ROOT = Path(__file__).parents[5]
PAGE = (ROOT / "docs" / "livekit.md").read_text().partition("## Data\n")[2].partition("\n## ")[0]
SOURCES, TRACKS = (
    "".join(path.read_text() for path in (ROOT / "sfu/signaling/livekit" / name).glob("*.py"))
    for name in ("data", "data_tracks")
)
TESTS = [*ROOT.glob("tests/interop/livekit/*.py"), *ROOT.glob("tests/unit/signaling/livekit/data/*.py")]


def first_cells() -> set[str]:
    cells = re.findall(r"^\| (`[^|]+) \|", PAGE, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


def test_every_kind_and_every_reason_is_there_and_nothing_else() -> None:
    kinds = {field.name for field in DataPacket.DESCRIPTOR.oneofs_by_name["value"].fields}
    reasons = set(re.findall(r'(?:losses\[|PacketError\()"(\w+)"', SOURCES))
    of_tracks = set(re.findall(r'"(data_track_\w+)"', TRACKS))
    of_tracks |= {f"data_track_{name}" for name in re.findall(r'PacketError\("(\w+)"', TRACKS)}
    assert len(reasons) > 5 and len(of_tracks) > 5
    assert first_cells() == kinds | reasons | of_tracks


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(test_\w+)(?:\.py)?`", PAGE))))
def test_the_tests_that_it_names_are_there(name: str) -> None:
    assert any(f"def {name}(" in path.read_text() or path.stem == name for path in TESTS)
