"""A record that is being written, seen from outside: how much of whom is on disk."""

from __future__ import annotations

import asyncio
from pathlib import Path

from sfu.recording.entries import Entry
from sfu.recording.folder import LEDGER
from sfu.recording.ledger import parse_ledger
from tests.integration.clients import PATIENCE_S


def fragments_of(folder: Path) -> list[Entry]:
    """What the ledger tells of media, whose last line may not be whole."""
    ledger = (folder / LEDGER).read_bytes()
    whole = ledger[: ledger.rfind(b"\n") + 1]
    return [entry for entry in parse_ledger(whole) if entry.type == "fragment"]


def written_until_us(folder: Path) -> int:
    """The record's time at which the last media on disk end."""
    return max((entry.integer("end_us") for entry in fragments_of(folder)), default=0)


def covered_s(folder: Path, sources: int, since_us: int = 0) -> float:
    """Seconds that are on disk of each source, behind a moment of the record; 0 until there are so many sources."""
    begins: dict[int, int] = {}
    ends: dict[int, int] = {}
    for entry in fragments_of(folder):
        if entry.integer("end_us") > since_us:
            begins.setdefault(entry.integer("source"), max(since_us, entry.integer("begin_us")))
            ends[entry.integer("source")] = entry.integer("end_us")
    if len(ends) < sources:
        return 0.0
    return min(ends[source] - begins[source] for source in ends) / 1e6


async def covers(folder: Path, seconds: float, *, sources: int, since_us: int = 0) -> None:
    """Wait until so much of each source is on disk."""
    async with asyncio.timeout(seconds + PATIENCE_S):
        while covered_s(folder, sources, since_us) < seconds:  # noqa: ASYNC110 - the recorder is a thread
            await asyncio.sleep(0.1)
