"""What one process tells another of a recording that it has suspended: plain JSON, read strictly."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sfu.clock import read_boot_id
from sfu.errors import LocalError
from sfu.recording.entries import EntryError, encode, format_utc, is_count, is_hash, is_record_id, parse_utc
from sfu.recording.folder import LEDGER, is_record_file
from sfu.recording.manifest import FileFact
from sfu.recording.options import RecordingOptions
from sfu.recording.restart.absence import EndedSource

VERSION = 1
"""Of the message."""


class SuspensionError(LocalError, ValueError):
    """What should describe a suspended recording does not; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspendedCopy:
    """One record of a suspended recording: the main one, or a mirror."""

    path: str
    failure: str = ""
    """Why it was not suspended: it cannot be continued, and `sfu recover` closes it. Then all else is empty."""
    lines: int = 0
    """Of its ledger."""
    head: str = ""
    """SHA-256 of the ledger's last line."""
    t_us: int = 0
    """Time of that line."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """Lines of each type, as the manifest has them."""
    files: tuple[FileFact, ...] = ()
    """All that is in its folder."""
    sources: int = 0
    """How many it has."""
    ended: tuple[EndedSource, ...] = ()
    """Those that no other continues."""
    timestamps: int = 0
    written_bytes: int = 0
    """Of media."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspendedRecording:
    """A recording whose records are on disk and signed, but not closed: `Room.continue_recording` takes it up."""

    room: str
    id: str
    since: str
    """When it began (RFC 3339)."""
    key: str
    """Id of the key that signs."""
    start_us: int
    """CLOCK_MONOTONIC when its time was 0; negative if that was before the machine started."""
    suspended_us: int
    """CLOCK_MONOTONIC when it was suspended."""
    suspended_utc: str
    boot: str
    """Which start of the machine that clock counts from; empty: not known."""
    options: RecordingOptions
    metadata: Mapping[str, Any]
    """As it was begun with."""
    subject: str | None
    """Who had it begun, as authenticated."""
    selective: bool
    """Whether it takes some Tracks only: whoever continues it must say which."""
    journal: str | None
    pause: Mapping[str, str | None] | None
    """What was said when it was paused (`ground`, `authoriser`, `note`, `subject`); None: it is not paused."""
    copies: tuple[SuspendedCopy, ...]
    """The main record first, then its mirrors."""

    @property
    def paths(self) -> tuple[Path, ...]:
        """The records' folders."""
        return tuple(Path(each.path) for each in self.copies)

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` takes, made of nothing but what JSON has."""
        return {"version": VERSION, **dataclasses.asdict(self)}

    @classmethod
    def from_json(cls, value: object) -> SuspendedRecording:
        """Read what `to_json` made. Raises SuspensionError for anything else."""
        fields = _read(value, _RECORDING, "the message")
        try:
            options = RecordingOptions(**_read(fields["options"], _OPTIONS, "options"))
            encode(fields["metadata"])
        except (LocalError, TypeError) as error:
            raise SuspensionError(f"the options or metadata of a suspended recording are wrong: {error}") from error
        copies = tuple(_read_copy(each) for each in fields["copies"])
        pause = fields["pause"]
        if pause is not None:
            pause = _read(pause, _PAUSE, "pause")
        if not copies or fields["suspended_us"] < fields["start_us"]:
            raise SuspensionError("a suspended recording has a record, and began before it was suspended")
        del fields["version"]
        return cls(**fields | {"options": options, "copies": copies, "pause": pause})


@dataclass(frozen=True, slots=True)
class Asked:
    """How a recording was asked for."""

    room: str
    key: str
    """Id of the key that signs."""
    options: RecordingOptions
    metadata: Mapping[str, Any]
    subject: str | None
    selective: bool
    journal: str | None


def describe_suspension(
    asked: Asked,
    id: str,
    since: datetime.datetime,
    start: float,
    suspended: float,
    utc: datetime.datetime,
    pause: Mapping[str, str | None] | None,
    copies: tuple[SuspendedCopy, ...],
) -> SuspendedRecording:
    """Return the message; `start` and `suspended` are on the monotonic clock, `utc` is when it was suspended."""
    return SuspendedRecording(
        room=asked.room,
        id=id,
        since=format_utc(since),
        key=asked.key,
        start_us=round(start * 1e6),
        suspended_us=round(suspended * 1e6),
        suspended_utc=format_utc(utc),
        boot=read_boot_id(),
        options=asked.options,
        metadata=dict(asked.metadata),
        subject=asked.subject,
        selective=asked.selective,
        journal=asked.journal,
        pause=pause,
        copies=copies,
    )


Check = Callable[[Any], bool]


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_text_or_none(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_time(value: Any) -> bool:
    try:
        return isinstance(value, str) and isinstance(parse_utc(value), datetime.datetime)
    except EntryError:
        return False


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("/") and "\0" not in value


_RECORDING: dict[str, Check] = {
    "version": lambda value: value == VERSION and _is_integer(value),
    "room": _is_text,
    "id": is_record_id,
    "since": _is_time,
    "key": is_hash,
    "start_us": _is_integer,
    "suspended_us": is_count,
    "suspended_utc": _is_time,
    "boot": _is_text,
    "options": _is_object,
    "metadata": _is_object,
    "subject": _is_text_or_none,
    "selective": _is_bool,
    "journal": lambda value: value is None or _is_path(value),
    "pause": lambda value: value is None or _is_object(value),
    "copies": _is_list,
}
_OPTIONS: dict[str, Check] = {
    each.name: _is_text if each.type == "str" else _is_integer if each.type == "int" else _is_number
    for each in dataclasses.fields(RecordingOptions)
}
_PAUSE: dict[str, Check] = {"ground": _is_text, "authoriser": _is_text, "note": _is_text, "subject": _is_text_or_none}
_COPY: dict[str, Check] = {
    "path": _is_path,
    "failure": _is_text,
    "lines": is_count,
    "head": _is_text,
    "t_us": is_count,
    "counts": _is_object,
    "files": _is_list,
    "sources": is_count,
    "ended": _is_list,
    "timestamps": is_count,
    "written_bytes": is_count,
}
_FILE: dict[str, Check] = {
    "path": lambda value: isinstance(value, str) and is_record_file(value),
    "bytes": is_count,
    "sha256": is_hash,
}
_ENDED: dict[str, Check] = {
    "number": is_count,
    "speaker": lambda value: _is_list(value) and len(value) == 5 and all(map(_is_text, value)),
}


def _read(value: object, checks: Mapping[str, Check], what: str) -> dict[str, Any]:
    """Return an object that has just these keys, each as it must be."""
    if not isinstance(value, dict) or value.keys() != checks.keys():
        raise SuspensionError(f"{what} of a suspended recording has other keys than {', '.join(checks)}")
    for key, check in checks.items():
        if not check(value[key]):
            raise SuspensionError(f"{key} of a suspended recording cannot be {ascii(value[key])[:40]}")
    return dict(value)


def _read_copy(value: object) -> SuspendedCopy:
    fields = _read(value, _COPY, "a record")
    files = tuple(FileFact(**_read(each, _FILE, "a file")) for each in fields["files"])
    ended = []
    for each in fields["ended"]:
        about = _read(each, _ENDED, "a source")
        ended.append(EndedSource(about["number"], tuple(about["speaker"])))
    if not all(map(is_count, fields["counts"].values())):
        raise SuspensionError("counts of a suspended recording are not numbers of lines")
    names = {each.path for each in files}
    numbers = {each.number for each in ended}
    if len(names) != len(files) or len(numbers) != len(ended) or any(not 1 <= n <= fields["sources"] for n in numbers):
        raise SuspensionError("a file or a source of a suspended recording is named twice, or is none of it")
    if not fields["failure"] and (LEDGER not in names or not is_hash(fields["head"]) or not fields["lines"]):
        raise SuspensionError("a record of a suspended recording has no ledger")
    return SuspendedCopy(**fields | {"files": files, "ended": tuple(ended)})
