"""Records in memory, for what needs no media."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sfu.recording.reader import Mark, Moment, Record, RecordPause, RecordSource, SourceGap, Span
from tests.unit.recording.compose.hearings import START

S = 1_000_000


def source(
    number: int,
    peer: str,
    kind: str,
    spans: list[tuple[float, float]],
    gaps: list[tuple[float, float, str]] | None = None,
    label: str = "",
    **metadata: Any,
) -> RecordSource:
    return RecordSource(
        number, Path(f"/record/media/{number:03}-{kind}.mkv"), kind, "opus" if kind == "audio" else "vp8", peer, label,
        metadata, tuple(Span(round(a * S), round(b * S)) for a, b in spans),
        tuple(SourceGap(round(a * S), round(b * S), cause) for a, b, cause in gaps or []), (), 0,
    )  # fmt: skip


def record(
    duration: float,
    *sources: RecordSource,
    pauses: tuple[RecordPause, ...] = (),
    marks: tuple[tuple[float, str], ...] = (),
    phases: tuple[tuple[float, str], ...] = (),
    speakers: tuple[tuple[float, tuple[str, ...]], ...] = (),
    room: str = "Hearing",
) -> Record:
    return Record(
        Path("/record"), "ab" * 16, room, START, {}, "cd" * 32, "ef" * 32, True, round(duration * S), sources, pauses,
        tuple(Mark(round(at * S), name, {}) for at, name in marks),
        tuple(Moment(round(at * S), (name,)) for at, name in phases),
        tuple(Moment(round(at * S), names) for at, names in speakers),
    )  # fmt: skip
