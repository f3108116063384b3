"""The contents of a record, for those who play it or make a film of it. `verify.py` says whether it is intact."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from sfu.recording.entries import Entry, EntryError, parse_utc
from sfu.recording.errors import RecordError
from sfu.recording.folder import LEDGER, MEDIA
from sfu.recording.ledger import LedgerError, parse_ledger

_HEAD_OR_RECOVER = re.compile(
    rb'^\{"n":([0-9]{1,18}),"t_us":[0-9]+,"prev":"[0-9a-f]{64}","type":"(head|recover)"', re.MULTILINE
)
JOINT_US = 100_000
"""Fragments of a source that are no further apart belong to one span."""


@dataclass(frozen=True, slots=True)
class Span:
    """The time during which something holds, in microseconds since the record's start."""

    begin_us: int
    end_us: int


@dataclass(frozen=True, slots=True)
class SourceGap(Span):
    """A span in which media of a source are missing."""

    cause: str
    """`loss`, `mute`, `stall`, `disconnect`, `block`, `pause`, `recorder_fault`, `restart` or
    `key_frame`.
    """


@dataclass(frozen=True, slots=True)
class MediaFragment(Span):
    """A piece of a source's file, with what the ledger says of its bytes."""

    offset: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class RecordPause(Span):
    """A span in which the whole record was paused."""

    ground: str
    authoriser: str
    """Who ordered the pause, as it was claimed."""
    note: str
    subject: str = ""
    """Who was authenticated as the person who paused the record; empty: nobody, or unknown."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark that the application has set."""

    at_us: int
    name: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Order:
    """An order of a moderator."""

    at_us: int
    what: str
    """`block` or `unblock` a track, `remove` a peer, `close_room`."""
    peer: str
    """Name of the peer; empty for an order about the room."""
    kind: str
    """Kind of the track; empty for an order about no track."""
    subject: str
    """Who was authenticated as the person who gave the order; empty: nobody."""


@dataclass(frozen=True, slots=True)
class Moment:
    """The speakers from a time on, or the phase that begins then (one name)."""

    at_us: int
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RecordSource:
    """One speaker's microphone, camera or screen, in one file."""

    number: int
    file: Path
    kind: str
    codec: str
    peer: str
    label: str
    metadata: Mapping[str, Any]
    """Metadata of the peer, such as `name` and `role`."""
    spans: tuple[Span, ...]
    """The spans for which there are media."""
    gaps: tuple[SourceGap, ...]
    fragments: tuple[MediaFragment, ...]
    """The fragments in the order of the file, which is that of time."""
    lost_packets: int
    encryption: str = ""
    """What its frames are encrypted with, end to end, so that nobody without that key can see or hear it; empty:
    nothing.
    """


@dataclass(frozen=True, slots=True)
class Record:
    """A whole record, or as much of it as exists."""

    path: Path
    id: str
    room: str
    start: datetime.datetime
    """Date and time of the record's time 0."""
    metadata: Mapping[str, Any]
    key_id: str
    head: str
    """SHA-256 of the ledger's last line, which stands for every byte of the record."""
    closed: bool
    duration_us: int
    sources: tuple[RecordSource, ...]
    pauses: tuple[RecordPause, ...]
    marks: tuple[Mark, ...]
    phases: tuple[Moment, ...]
    speakers: tuple[Moment, ...]
    orders: tuple[Order, ...] = ()


@dataclass
class _Source:
    entry: Entry
    file: Path
    spans: list[Span] = field(default_factory=list)
    gaps: list[SourceGap] = field(default_factory=list)
    fragments: list[MediaFragment] = field(default_factory=list)
    lost_packets: int = 0


class _Reading:
    """Builds a Record from entries, one by one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._sources: dict[int, _Source] = {}
        self._pauses: list[RecordPause] = []
        self._paused: Entry | None = None
        self._marks: list[Mark] = []
        self._phases: list[Moment] = []
        self._speakers: list[Moment] = []
        self._orders: list[Order] = []
        self._start: Entry | None = None
        self._last: Entry | None = None
        self._closed = False

    def take(self, entry: Entry) -> None:
        """Take the next line."""
        self._last = entry
        handle = getattr(self, f"_take_{entry.type}", None)
        if handle is not None:
            handle(entry)

    def _take_start(self, entry: Entry) -> None:
        self._start = entry

    def _take_source(self, entry: Entry) -> None:
        self._sources[entry.integer("source")] = _Source(entry, _resolve(self._path, entry.text("file")))

    def _take_fragment(self, entry: Entry) -> None:
        source = self._find(entry)
        begin, end = entry.integer("begin_us"), entry.integer("end_us")
        place = entry.integer("offset"), entry.integer("bytes"), entry.text("sha256")
        source.fragments.append(MediaFragment(begin, max(begin, end), *place))
        if source.spans and begin - source.spans[-1].end_us <= JOINT_US:
            begin = source.spans.pop().begin_us
        source.spans.append(Span(begin, max(begin, end)))

    def _take_gap(self, entry: Entry) -> None:
        end = entry.fields["end_us"]
        begin = entry.integer("begin_us")
        source = self._find(entry)
        source.gaps.append(SourceGap(begin, entry.t_us if end is None else max(begin, end), entry.text("cause")))
        if entry.text("cause") == "loss" and entry.fields.get("packets") is not None:
            source.lost_packets += entry.integer("packets")

    def _take_pause(self, entry: Entry) -> None:
        self._end_pause(_at(entry))
        self._paused = entry

    def _take_resume(self, entry: Entry) -> None:
        self._end_pause(_at(entry))

    def _end_pause(self, end_us: int) -> None:
        if self._paused is not None:
            about = self._paused.fields
            begin = _at(self._paused)
            texts = (str(about.get(key) or "") for key in ("ground", "authoriser", "note", "subject"))
            self._pauses.append(RecordPause(begin, max(begin, end_us), *texts))
            self._paused = None

    def _take_mark(self, entry: Entry) -> None:
        data = entry.fields.get("data")
        self._marks.append(Mark(_at(entry), entry.text("name"), data if isinstance(data, dict) else {}))

    def _take_phase(self, entry: Entry) -> None:
        self._phases.append(Moment(_at(entry), (entry.text("name"),)))

    def _take_order(self, entry: Entry) -> None:
        peer, kind, subject = (str(entry.fields.get(key) or "") for key in ("peer", "kind", "subject"))
        self._orders.append(Order(_at(entry), entry.type, peer, kind, subject))

    _take_block = _take_unblock = _take_remove = _take_close_room = _take_order

    def _take_speakers(self, entry: Entry) -> None:
        self._speakers.append(Moment(_at(entry), tuple(str(peer) for peer in entry.fields["peers"])))

    def _take_stop(self, entry: Entry) -> None:
        self._closed = True
        self._end_pause(entry.t_us)

    def _find(self, entry: Entry) -> _Source:
        source = self._sources.get(entry.integer("source"))
        if source is None:
            raise EntryError(f"source {entry.integer('source')} was not introduced before")
        return source

    def finish(self) -> Record:
        """Return the record that was read."""
        if self._start is None or self._last is None:
            raise RecordError(self._path / LEDGER, "the ledger is empty: nothing was recorded")
        start, last = self._start, self._last
        self._end_pause(last.t_us)
        return Record(
            self._path,
            start.text("record"),
            start.text("room"),
            parse_utc(start.text("utc")),
            start.fields["metadata"],
            start.text("key"),
            last.head,
            self._closed,
            max([last.t_us, *(span.end_us for source in self._sources.values() for span in source.spans)]),
            tuple(_finish_source(number, source) for number, source in self._sources.items()),
            tuple(self._pauses),
            tuple(self._marks),
            tuple(self._phases),
            tuple(self._speakers),
            tuple(self._orders),
        )


def read_record(path: Path | str) -> Record:
    """Read a record's ledger.

    Raises:
        RecordError: it is no record, or its ledger cannot be read; `sfu recover` mends one that was cut off.
    """
    path = Path(path)
    ledger = path / LEDGER
    try:
        data = ledger.read_bytes()
    except OSError as error:
        raise RecordError(ledger, f"cannot be read: {error.strerror}; is {path} the folder of a record?") from error
    reading = _Reading(path)
    set_apart = _find_unattested(data)
    try:
        for entry in parse_ledger(data):
            if entry.n not in set_apart:
                reading.take(entry)
    except (LedgerError, EntryError) as error:
        raise RecordError(ledger, f"{error}; `sfu verify` tells more") from error
    return reading.finish()


def _find_unattested(data: bytes) -> range:
    """Return the lines that a recovery of version 1 left in place, although its recorder had not signed them."""
    first, _, _ = data.partition(b"\n")
    signed = 0
    for found in _HEAD_OR_RECOVER.finditer(data) if b'"version":1,' in first else ():
        if found[2] == b"recover":
            return range(signed, int(found[1]))
        signed = int(found[1]) + 1
    return range(0)


def _finish_source(number: int, source: _Source) -> RecordSource:
    about = source.entry
    label, metadata = about.fields.get("label", ""), about.fields.get("metadata")
    return RecordSource(
        number,
        source.file,
        about.text("kind"),
        about.text("codec"),
        about.text("peer"),
        label if isinstance(label, str) else "",
        metadata if isinstance(metadata, dict) else {},
        tuple(source.spans),
        tuple(source.gaps),
        tuple(source.fragments),
        source.lost_packets,
        about.encryption,
    )


def _at(entry: Entry) -> int:
    """Return when the event happened, which may be a little before it was written."""
    at = entry.fields.get("at_us")
    return at if isinstance(at, int) and not isinstance(at, bool) and 0 <= at <= entry.t_us else entry.t_us


def _resolve(path: Path, file: str) -> Path:
    """Return the path of a media file, which must be where media files are."""
    parts = PurePosixPath(file).parts
    if len(parts) != 2 or parts[0] != MEDIA or parts[1] in (".", ".."):
        raise EntryError(f"{file[:80]!r} is no media file of a record")
    return path / MEDIA / parts[1]
