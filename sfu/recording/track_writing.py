"""Tracks that are recorded, and the files that they go to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sfu.recording.fault import Fault
from sfu.recording.source import SourceRecorder


@dataclass(frozen=True, slots=True)
class TrackInfo:
    """What is told of a Track that is recorded."""

    track: str
    """Its id."""
    peer: str
    kind: str
    codec: str
    clock_rate: int
    label: str = ""
    """Tells the Tracks of one kind of a Peer apart, such as `screen`."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """Of the Peer."""
    find_sets: Callable[[int], Iterable[bytes]] | None = field(default=None, compare=False, repr=False)
    """Gives the H.264 parameter sets of an Encoding; called in the recorder's thread."""

    @property
    def speaker(self) -> tuple[str, str, str, str]:
        """Tracks that come one after the other and are alike in this continue one file."""
        return self.peer, self.kind, self.label, self.codec


@dataclass
class WrittenSource:
    """A speaker's file in this record, and what makes it."""

    number: int
    file: str
    speaker: tuple[str, str, str, str]
    recorder: SourceRecorder
    fault: Fault | None = None
    """Its file cannot be written; see `RecordWriter.poll`."""
    fragments: int = 0
    in_use: bool = True
    left: str = ""
    """Why its Track ended in a pause of the record: what its gap is called from the end of the pause on."""


@dataclass
class TrackWriting:
    """One Track while it is recorded."""

    info: TrackInfo
    source: WrittenSource
    reasons: set[str] = field(default_factory=set)
    cause: str | None = None
    deaf_from_us: int = 0
    deaf_until_us: int = 0
