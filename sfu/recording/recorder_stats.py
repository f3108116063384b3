"""The state of one recorder, for who asks how a Recording fares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sfu.recording.watch import Progress, Watch


@dataclass(frozen=True, slots=True)
class RecorderStats:
    """The state of one recorder of a Recording."""

    path: Path
    written_bytes: int
    """Bytes of media that are on disk."""
    free_bytes: int | None
    missed_packets: int
    failure: str | None
    """Why the recorder has stopped recording."""
    alarms: Mapping[str, str]


def describe_recorder(path: Path, it: Progress, watch: Watch) -> RecorderStats:
    """Return a snapshot."""
    return RecorderStats(path, it.written_bytes, it.free_bytes, it.missed_packets, it.failure, dict(watch.alarms))
