"""Closes a record whose recorder ended without doing so: kill -9, power, a full disk.

Nothing is deleted. What the crash left unfinished is kept, named and hashed; from where on media are missing is said;
then the record is stopped, signed and closed like any other. A crash during recovery is repaired by another recovery.
"""

from __future__ import annotations

import datetime
import hashlib
import io
import os
from dataclasses import dataclass
from pathlib import Path

from sfu.recording.entries import format_utc
from sfu.recording.errors import RecordError
from sfu.recording.examine import Examination, Progress
from sfu.recording.findings import Fault, SourceFacts
from sfu.recording.folder import (
    FOLDER_MODE,
    LEDGER,
    MANIFEST,
    PUBLIC_KEY,
    TORN,
    Folder,
    is_timestamp_file,
    is_torn_file,
    open_as_ours,
    parse_media_file,
    sync_folder,
    write_whole,
)
from sfu.recording.ledger import Ledger
from sfu.recording.lock import lock_for_writing
from sfu.recording.manifest import FileFact, build_manifest, write_manifest
from sfu.recording.signing import SigningKey


@dataclass(frozen=True, slots=True)
class Recovery:
    """What a recovery found and did."""

    record: str
    lines: int
    """Whole lines that the ledger had."""
    signed_lines: int
    """Of these, how many the recorder had signed. The others are in order, too, and signed from now on."""
    last_us: int
    """Time of the record at the last of these."""
    torn_bytes: int
    """Of a line that was not finished."""
    tails: tuple[FileFact, ...]
    """Media files with bytes that no line told of, and how many."""
    gaps: tuple[tuple[str, int], ...]
    """Files whose media are missing from a time (us of the record) on."""


def recover_record(
    path: Path | str, key: SigningKey, utc: datetime.datetime, progress: Progress | None = None
) -> Recovery:
    """Close a record that its recorder did not close; `utc` is now.

    RecordError when it is closed already, is still being written, is not a record, was begun with another key, or when
    its chain is wrong: then the text names the first fault, and nothing was changed.
    """
    path = Path(path)
    with _open_ledger(path) as ledger_file, Folder(path) as folder:
        if MANIFEST in folder.list().sizes:
            raise RecordError(path, "this record is closed; there is nothing to recover")
        found = _examine(folder, key, progress)
        if found.start is None:
            raise AssertionError("an examination that ran to its end has a start")
        gaps = _append_end(path, ledger_file, found, key, utc)
        if PUBLIC_KEY not in folder.list().sizes:
            write_whole(path / PUBLIC_KEY, key.public.pem)
        whole = _examine(folder, key, progress)
        record = found.start.text("record")
        parser = whole.parser
        manifest = build_manifest(record, key.key_id, parser.n, parser.prev, parser.counts, whole.files)
        write_manifest(path, manifest, key)
    tails = tuple(each for each in found.uncovered if parse_media_file(each.path))
    return Recovery(record, found.parser.n, found.signed_lines, found.parser.t_us, found.torn_bytes, tails, gaps)


def _open_ledger(path: Path) -> io.FileIO:
    """The ledger, locked for writing."""
    name = path / LEDGER
    try:
        descriptor = os.open(name, os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise RecordError(path, f"this folder has no {LEDGER} that can be written: {error.strerror}") from error
    if not lock_for_writing(descriptor):
        os.close(descriptor)
        raise RecordError(path, "this record is still being written, or somebody verifies it now")
    return io.FileIO(descriptor, "r+")


def _examine(folder: Folder, key: SigningKey, progress: Progress | None) -> Examination:
    examination = Examination(folder, folder.list(), closed=False, key=key.public)
    try:
        examination.run(progress)
    except Fault as fault:
        raise RecordError(
            folder.path, f"this record is wrong, and recovery would hide it: {fault.place}: {fault}"
        ) from fault
    if examination.key is None or examination.key.key_id != key.key_id:
        raise RecordError(folder.path, "this record was begun with another key; recover it with that one")
    return examination


def _append_end(
    path: Path, file: io.FileIO, found: Examination, key: SigningKey, utc: datetime.datetime
) -> tuple[tuple[str, int], ...]:
    """Bring the ledger to its end: all bytes covered, gaps declared, stopped, signed. Returns the gaps."""
    parser = found.parser
    if found.start is None or found.last is None:
        raise AssertionError("an examination that ran to its end has a start")
    ledger = Ledger(
        found.start.text("record"), key, n=parser.n, prev=parser.prev, t_us=parser.t_us, counts=parser.counts
    )
    now_us = parser.t_us  # the clock of the record ended with its process; its time does not go on
    lines = _cover_torn(path, file, found, ledger) + _cover_files(path, found, ledger)
    gaps: tuple[tuple[str, int], ...] = ()
    if found.stop is None:
        missing = [each for each in found.sources.values() if not (each.ended or each.lost or not each.kind)]
        gaps = tuple((each.file, each.told_us) for each in missing)
        lines += [_declare_gap(ledger, each) for each in missing]
    if lines or found.stop is None:
        detail = (
            f"the recorder ended without closing the record; the last line that it finished is line {parser.n}, "
            f"{parser.t_us} us after the start; when it ended is not known"
        )
        known = {"last_us": parser.t_us, "lines": parser.n, "signed_lines": found.signed_lines}
        lines.append(ledger.append("recover", now_us, utc=format_utc(utc), detail=detail, **known))
    if found.stop is None:
        counts = {"fragments": ledger.counts["fragment"], "gaps": ledger.counts["gap"]}
        lines.append(ledger.append("stop", now_us, cause="recovered", utc=format_utc(utc), **counts))
    if lines or found.last.type != "head":
        lines.append(ledger.sign_head(now_us, utc))
    _write(path / LEDGER, file, b"".join(lines))
    return gaps


def _declare_gap(ledger: Ledger, source: SourceFacts) -> bytes:
    return ledger.append("gap", 0, source=source.source, cause="recorder_fault", begin_us=source.told_us, end_us=None)


def _cover_torn(path: Path, file: io.FileIO, found: Examination, ledger: Ledger) -> list[bytes]:
    """Move a torn line to a file of its own; cover such files, also one of a recovery that was itself interrupted."""
    uncovered = [each.path for each in found.uncovered if is_torn_file(each.path)]
    if found.torn_bytes:
        folder = path / TORN
        try:
            folder.mkdir(FOLDER_MODE, exist_ok=True)
            sync_folder(path)
            number = 1 + max((int(each.stem) for each in folder.glob("[0-9]*.bin")), default=0)
            name = f"{TORN}/{number:04}.bin"
            torn = os.pread(file.fileno(), found.torn_bytes, found.parser.offset)
            write_new(path / name, torn)
            os.ftruncate(file.fileno(), found.parser.offset)
            os.fsync(file.fileno())
        except OSError as error:
            raise RecordError(path / TORN, f"the torn line cannot be kept: {error.strerror}") from error
        uncovered.append(name)
    return [ledger.append("torn", 0, **_describe(path, name)) for name in uncovered]


def write_new(path: Path, data: bytes) -> None:
    """Write a file that must not be there yet, and see it on the disk; OSError when that fails."""
    with open(path, "xb", opener=open_as_ours) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)


def _cover_files(path: Path, found: Examination, ledger: Ledger) -> list[bytes]:
    """Lines for the bytes of which the ledger does not tell."""
    by_file = {each.file: each for each in found.sources.values()}
    lines = []
    for each in found.uncovered:
        media = parse_media_file(each.path)
        if media is not None:
            source = by_file.get(each.path) or SourceFacts(media[0], each.path)
            fields = _describe(path, each.path, source.covered_bytes)
            lines.append(ledger.append("tail", 0, source=source.source, offset=source.covered_bytes, **fields))
        elif is_timestamp_file(each.path):
            lines.append(ledger.append("stray", 0, **_describe(path, each.path)))
    return lines


def _describe(path: Path, name: str, offset: int = 0) -> dict[str, str | int]:
    """The fields that cover a file from an offset on."""
    digest, size = hashlib.sha256(), 0
    with Folder(path) as folder:
        for chunk in folder.read_chunks(name, offset, 1 << 62):
            digest.update(chunk)
            size += len(chunk)
    return {"file": name, "bytes": size, "sha256": digest.hexdigest()}


def _write(path: Path, file: io.FileIO, lines: bytes) -> None:
    try:
        while lines:
            lines = lines[file.write(lines) :]
        os.fsync(file.fileno())
    except OSError as error:
        raise RecordError(path, f"the ledger cannot be written: {error.strerror}") from error
