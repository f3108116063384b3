"""Compares a record with its mirror: two recorders that were told the same, each by itself.

They write at different moments, so the ledgers are not the same bytes: numbers, hashes and signatures differ, and
media are cut into other fragments. What must be the same is what they tell: each act and event in its order and with
its time, and of each source the same frames in the same order. Only what each recorder had signed is compared.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from sfu.recording.clusters import MediaError, read_blocks, read_layout
from sfu.recording.entries import Entry, encode
from sfu.recording.errors import RecordError
from sfu.recording.findings import tell_time
from sfu.recording.folder import LEDGER, Folder, printable
from sfu.recording.ledger import LedgerError, parse_ledger
from sfu.recording.verify import Outcome, Verdict

_OF_ITS_OWN = frozenset(
    (
        "start",
        "head",
        "timestamp",
        "unstamped",
        "fragment",
        "gap",
        "fault",
        "stop",
        "recover",
        "unattested",
        "torn",
        "tail",
        "stray",
    )
)
"""Types of lines in which two recorders may differ, since each acts by itself. Of media, the frames are compared."""
_OF_THE_START = ("format", "record", "room", "key", "metadata", "subject")
_OF_THE_STOP = ("cause", "subject")
_OF_A_RESTART = {"suspend": ("at_us",), "continue": ("begin_us", "end_us")}
_GRAVE = (Outcome.ALTERED, Outcome.OTHER_KEY)
_BY_WEIGHT = (Outcome.NOT_CLOSED, Outcome.UNPINNED, Outcome.RECOVERED, Outcome.INTACT)


@dataclass(frozen=True, slots=True)
class Comparison:
    """How two records of one hearing compare."""

    outcome: Outcome
    """The worse of the two outcomes; DIFFERS if nothing is wrong with either but they do not tell the same."""
    agreeing_lines: int
    """Number of acts and events that both tell alike."""
    agreeing_frames: int
    """Number of media frames that both have."""
    differences: tuple[str, ...]
    """The differences in sentences: first contradictions, then what one record has and the other lacks."""

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        return fields | {"outcome": self.outcome.name.lower(), "exit_code": int(self.outcome)}


class _Frame(NamedTuple):
    digest: bytes
    at_ms: int


@dataclass
class _Recorded:
    """The contents of one record that are compared."""

    name: str
    start: dict[str, Any] = field(default_factory=dict)
    stop: dict[str, Any] | None = None
    story: list[tuple[bytes, Entry]] = field(default_factory=list)
    fragments: dict[str, list[Entry]] = field(default_factory=dict)
    """The fragments of each file, by the file's name."""


def compare_records(path: Path, other: Path, verdict: Verdict, other_verdict: Verdict) -> Comparison:
    """Compare two records that were verified; raises RecordError if one cannot be read."""
    for each in _GRAVE:
        if each in (verdict.outcome, other_verdict.outcome):
            where = path if verdict.outcome is each else other
            return Comparison(each, 0, 0, (f"they were not compared: see what is said of {where}",))
    a, b = _read(path, verdict), _read(other, other_verdict)
    contradictions, lacks = list[str](), list[str]()
    if a.start["record"] != b.start["record"]:
        contradictions.append(f"they are different records: {a.start['record']} and {b.start['record']}")
        return Comparison(Outcome.DIFFERS, 0, 0, tuple(contradictions))
    for key in _OF_THE_START:
        if a.start[key] != b.start[key]:
            contradictions.append(f"their first lines do not tell the same {key}")
    lines = _compare_stories(a, b, contradictions, lacks)
    frames = 0
    with Folder(path) as folder, Folder(other) as other_folder:
        for file in sorted(a.fragments.keys() | b.fragments.keys()):
            mine, others = _read_frames(folder, file, a), _read_frames(other_folder, file, b)
            frames += _compare_frames(file, (a.name, mine), (b.name, others), contradictions, lacks)
    if a.stop is not None and b.stop is not None:
        contradictions += [f"they tell another {key} of the end" for key in _OF_THE_STOP if a.stop[key] != b.stop[key]]
    differences = (*contradictions, *lacks)
    worse = next(each for each in _BY_WEIGHT if each in (verdict.outcome, other_verdict.outcome))
    return Comparison(Outcome.DIFFERS if differences else worse, lines, frames, differences)


def _read(path: Path, verdict: Verdict) -> _Recorded:
    """Read the part of a record that its recorder had signed."""
    told = _Recorded(str(path))
    signed = verdict.signed_lines if verdict.attested_lines is None else verdict.attested_lines
    files: dict[int, str] = {}
    try:
        for entry in parse_ledger((path / LEDGER).read_bytes()):
            if entry.n >= max(signed, 1):
                break
            if entry.type == "start":
                told.start = {key: entry.fields.get(key) for key in _OF_THE_START}
            elif entry.type == "stop":
                told.stop = {key: entry.fields.get(key) for key in _OF_THE_STOP}
            elif entry.type == "fragment":
                told.fragments.setdefault(files[entry.integer("source")], []).append(entry)
            elif entry.type not in _OF_ITS_OWN:
                told.story.append((encode({"type": entry.type, **_pick(entry)}), entry))
            if entry.type == "source":
                files[entry.integer("source")] = entry.text("file")
    except OSError as error:
        raise RecordError(path / LEDGER, f"this file cannot be read: {error.strerror}") from error
    except LedgerError as error:
        raise RecordError(path / LEDGER, f"this file was changed meanwhile: {error}") from error
    return told


def _pick(entry: Entry) -> dict[str, Any]:
    """Return the fields that two recorders tell alike: each suspends and continues in a moment of its own."""
    keys = _OF_A_RESTART.get(entry.type)
    return dict(entry.fields) if keys is None else {key: entry.fields.get(key) for key in keys}


def _compare_stories(a: _Recorded, b: _Recorded, contradictions: list[str], lacks: list[str]) -> int:
    """Compare acts and events in their order; return how many are the same up to the first that is not."""
    same = 0
    for (mine, _), (others, _) in zip(a.story, b.story, strict=False):
        if mine != others:
            mine_at, others_at = a.story[same][1], b.story[same][1]
            contradictions.append(
                f"they diverge: line {mine_at.n + 1} of {a.name} ({_tell(mine_at)}) is not what "
                f"line {others_at.n + 1} of {b.name} tells ({_tell(others_at)})"
            )
            return same
        same += 1
    for more, less in ((a, b), (b, a)):
        if len(more.story) > same:
            line = more.story[same][1]
            lacks.append(
                f"{more.name} has more: {len(more.story) - same} acts and events from its line {line.n + 1} on "
                f"({_tell(line)}), which {less.name} lacks"
            )
    return same


def _tell(entry: Entry) -> str:
    name = entry.fields.get("name") or entry.fields.get("peer") or ""
    return f"{entry.type} {printable(name)!r}" if isinstance(name, str) and name else entry.type


def _read_frames(folder: Folder, file: str, told: _Recorded) -> list[_Frame]:
    """The frames of a file as far as signed lines tell of it; its fragments where it cannot be read as frames."""
    fragments = told.fragments.get(file)
    if not fragments:
        return []
    end = fragments[-1].integer("offset") + fragments[-1].integer("bytes")
    with folder.open(file) as raw:
        try:
            return list(_hash_blocks(cast(BinaryIO, raw), end))
        except MediaError:
            return [_Frame(bytes.fromhex(each.text("sha256")), each.integer("begin_us") // 1000) for each in fragments]


def _hash_blocks(file: BinaryIO, end: int) -> Iterator[_Frame]:
    for cluster in read_layout(file).clusters:
        if cluster.offset + cluster.size > end:
            return
        for block in read_blocks(file, cluster):
            file.seek(block.offset)
            yield _Frame(hashlib.sha256(file.read(block.size)).digest(), block.at_ms)


def _compare_frames(
    file: str, a: tuple[str, list[_Frame]], b: tuple[str, list[_Frame]], contradictions: list[str], lacks: list[str]
) -> int:
    """Compare the frames of one source; return how many both have."""
    digests = [each.digest for each in a[1]], [each.digest for each in b[1]]
    if digests[0] == digests[1]:
        return len(digests[0])
    only_a = Counter(digests[0]) - Counter(digests[1])
    only_b = Counter(digests[1]) - Counter(digests[0])
    common = len(digests[0]) - only_a.total()
    if not only_a and not only_b:
        contradictions.append(f"{file}: they have the same frames in another order")
    found = []
    for (name, frames), only, other in ((a, only_a, b[0]), (b, only_b, a[0])):
        if only:
            first = next(each for each in frames if each.digest in only)
            found.append(f"{file}: {name} has {only.total()} frames, the first at {_at(first)}, which {other} lacks")
    if len(found) == 2:
        contradictions += found
    else:
        lacks += found
    return common


def _at(frame: _Frame) -> str:
    return tell_time(frame.at_ms * 1000)
