"""A recording as JSON, for who may look at it: paths of the machine are left out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from sfu import ClosedRecord, RecorderStats, Recording
from sfu.signaling.records.store import name_place
from sfu.signaling.streams.roster import JsonObject, describe_recording

_UNTOLD = "The server has logged why."
_ABSOLUTE_PATH = re.compile(r"(?<![\w.\-])/")


def describe_recorders(recording: Recording) -> JsonObject:
    """`{"id", "state", "ground"?, "since", "folder", "recorders"}`; `folder` is within the operator's own."""
    return {
        **describe_recording(recording),
        "since": recording.since.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "folder": recording.paths[0].name,
        "recorders": [_describe_recorder(index, stats) for index, stats in enumerate(recording.stats())],
    }


def describe_closed(recording: Recording, closed: Sequence[ClosedRecord]) -> JsonObject:
    """`{"id", "state", "folder", "head", "recorders"}`, each recorder with its own `head`; null where it failed."""
    heads = {record.path: record.head for record in closed}
    recorders = [
        {**_describe_recorder(index, stats), "head": heads.get(stats.path)}
        for index, stats in enumerate(recording.stats())
    ]
    return {
        **describe_recording(recording),
        "folder": recording.paths[0].name,
        "head": heads.get(recording.paths[0]),
        "recorders": recorders,
    }


def _describe_recorder(index: int, stats: RecorderStats) -> JsonObject:
    return {
        "place": name_place(index),
        "bytes": stats.written_bytes,
        "free_bytes": stats.free_bytes,
        "missed_packets": stats.missed_packets,
        "alarms": {what: strip_paths(detail, stats.path) for what, detail in stats.alarms.items()},
        "failure": None if stats.failure is None else strip_paths(stats.failure, stats.path),
    }


def strip_paths(reason: str, record: Path) -> str:
    """Return a reason without the record's own path; one that may name other paths is withheld."""
    told = reason.replace(f"{record}/", "").replace(str(record), record.name)
    return _UNTOLD if told.startswith("internal error") or _ABSOLUTE_PATH.search(told) else told
