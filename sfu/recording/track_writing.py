"""Tracks that are recorded, and the files that they are written to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sfu.recording.fault import Fault
from sfu.recording.source import SourceRecorder


@dataclass(frozen=True, slots=True)
class TrackInfo:
    """The description of a Track that is recorded."""

    track: str
    """The Track's id."""
    peer: str
    kind: str
    codec: str
    clock_rate: int
    label: str = ""
    """Distinguishes a Peer's Tracks of one kind, such as `screen`."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """Metadata of the Peer."""
    encryption: str = ""
    """What its frames are encrypted with, end to end; empty: nothing."""
    find_sets: Callable[[int], Iterable[bytes]] | None = field(default=None, compare=False, repr=False)
    """Returns the H.264 parameter sets of an Encoding; called in the recorder's thread."""

    @property
    def speaker(self) -> tuple[str, str, str, str, str]:
        """Key by which Tracks continue one file: those with the same key that follow one another."""
        return self.peer, self.kind, self.label, self.codec, self.encryption


@dataclass
class WrittenSource:
    """A speaker's file in this record, and the source recorder that fills it."""

    number: int
    file: str
    speaker: tuple[str, str, str, str, str]
    recorder: SourceRecorder
    fault: Fault | None = None
    """The fault, while its file cannot be written; see `RecordWriter.poll`."""
    fragments: int = 0
    in_use: bool = True
    left: str = ""
    """The cause of the gap from the end of a pause on, if its Track ended in that pause."""


@dataclass
class TrackWriting:
    """One Track while it is recorded."""

    info: TrackInfo
    source: WrittenSource
    reasons: set[str] = field(default_factory=set)
    cause: str | None = None
    deaf_from_us: int = 0
    deaf_until_us: int = 0
