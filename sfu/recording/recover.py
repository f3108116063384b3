"""Closes a record whose recorder ended without doing so: kill -9, power, a full disk.

It vouches for nothing but what the recorder had signed. Who has the folder may have written what stands behind the last
signed head, or a crash may have left it there: it is kept, set apart as *unattested*, and the lines that recovery adds
say what was found. Then the record is stopped, signed and closed; it says of itself that it was recovered, for good. A
crash during recovery is repaired by another recovery.
"""

from __future__ import annotations

import datetime
import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sfu.recording.entries import format_utc
from sfu.recording.errors import RecordError, RefusedError
from sfu.recording.examine import Examination, Progress
from sfu.recording.findings import Fault, SourceFacts
from sfu.recording.folder import LEDGER, MANIFEST, PUBLIC_KEY, Folder, Listing, write_whole
from sfu.recording.journal import ClosedEntry, Journal
from sfu.recording.ledger import Ledger
from sfu.recording.lock import open_to_continue
from sfu.recording.manifest import FileFact, build_manifest, write_manifest
from sfu.recording.remainder import SignedPart, describe_set_apart, find_signed_part, is_missing_end, set_apart
from sfu.recording.signing import Signer


@dataclass(frozen=True, slots=True)
class Recovery:
    """What a recovery found and did."""

    record: str
    room: str
    lines: int
    """Whole lines that the ledger had."""
    signed_lines: int
    """Of these, how many were signed: these the record still has. The others were set apart."""
    last_us: int
    """Time of the record at the last signed line."""
    unattested: tuple[FileFact, ...]
    """Files with what was set apart."""
    gaps: tuple[tuple[str, int], ...]
    """Files whose media are missing from a time (us of the record) on."""
    restored: bool
    """The journal knew the record as closed with just these lines: only its manifest was written again."""


def recover_record(
    path: Path | str,
    key: Signer,
    utc: datetime.datetime,
    progress: Progress | None = None,
    journal: Journal | None = None,
    breathe: Callable[[], None] = lambda: None,
) -> Recovery:
    """Close a record that its recorder did not close; `utc` is now. `journal` is asked first, and told then.
    `breathe` is called at each line that is read; what it raises ends the recovery, and another one goes on.

    RefusedError when it is closed already, or the journal knows it as closed, is not a record, was begun with another
    key, when nothing in it is signed, or what was signed is wrong: then nothing was changed. InUseError when it is
    still being written; RecordError when something cannot be read, written or signed.
    """

    def advance(done: int, total: int) -> None:
        breathe()
        if progress is not None:
            progress(done, total)

    path = Path(path)
    with io.FileIO(open_to_continue(path), "r+") as ledger_file, Folder(path) as folder:
        listing = folder.list()
        if MANIFEST in listing.sizes:
            raise RefusedError(path, "this record is closed; there is nothing to recover")
        signed = find_signed_part(folder, key.public, breathe)
        restored = journal is not None and _is_known(path, signed, listing, journal)
        listing.sizes[LEDGER] = signed.bytes
        found = _examine(folder, listing, key, advance)
        if restored and found.uncovered:
            raise RefusedError(path, f"{found.uncovered[0].path} was added after this record was closed")
        gaps = () if restored else _append_end(path, ledger_file, found, signed, key, utc)
        if PUBLIC_KEY not in listing.sizes:
            write_whole(path / PUBLIC_KEY, key.public.pem)
        whole = _examine(folder, folder.list(), key, advance)
        _close(path, whole, key, None if restored else journal)
    start, unattested = signed.start, tuple(whole.unattested)
    about = start.text("record"), start.text("room")
    return Recovery(*about, signed.lines, signed.signed_lines, found.parser.t_us, unattested, gaps, restored)


def _is_known(path: Path, signed: SignedPart, listing: Listing, journal: Journal) -> bool:
    """Whether the journal knows this very record as closed; RecordError when it knows more of it than is here."""
    known = journal.find(signed.start.text("record"), signed.start.copy)
    if not known:
        return False
    if signed.bytes == listing.sizes[LEDGER] and any(each.head == signed.head for each in known):
        return True
    raise RefusedError(
        path,
        f"the journal knows this record as closed, with {known[-1].lines} lines and the head {known[-1].head}; what is "
        f"here is signed up to line {signed.signed_lines} and has another: it was altered, and is not recovered",
    )


def _examine(folder: Folder, listing: Listing, key: Signer, progress: Progress | None) -> Examination:
    examination = Examination(folder, listing, closed=False, key=key.public)
    try:
        examination.run(progress)
    except Fault as fault:
        raise RefusedError(
            folder.path, f"this record is wrong, and recovery would hide it: {fault.place}: {fault}"
        ) from fault
    return examination


def _append_end(
    path: Path, file: io.FileIO, found: Examination, signed: SignedPart, key: Signer, utc: datetime.datetime
) -> tuple[tuple[str, int], ...]:
    """Bring the ledger to its end: the rest set apart and told of, gaps declared, stopped, signed. Returns the gaps."""
    left = set_apart(path, file, signed.bytes, found.uncovered)
    if found.attested_lines is not None and found.stop is not None and not left and not found.uncovered:
        return ()  # another recovery has signed all this, and only the manifest is missing
    parser = found.parser
    ledger = Ledger(
        signed.start.text("record"), key, n=parser.n, prev=parser.prev, t_us=parser.t_us, counts=parser.counts
    )
    now_us = parser.t_us  # the clock of the record ended with its process; its time does not go on
    detail = (
        f"the recorder ended without closing the record; the last line that is signed is line {parser.n}, "
        f"{parser.t_us} us after the start; when it ended is not known"
    )
    known = {"last_us": parser.t_us, "lines": signed.lines, "signed_lines": signed.signed_lines}
    lines = [ledger.append("recover", now_us, utc=format_utc(utc), detail=detail, **known)]
    told = {each.path for each in found.unattested}
    lines += [
        ledger.append("unattested", now_us, file=each.path, bytes=each.bytes, sha256=each.sha256)
        for each in describe_set_apart(path)
        if each.path not in told
    ]
    gaps: tuple[tuple[str, int], ...] = ()
    if found.stop is None:
        missing = [each for each in found.sources.values() if is_missing_end(each)]
        gaps = tuple((each.file, each.known_us) for each in missing)
        lines += [_declare_gap(ledger, each) for each in missing]
        counts = {"fragments": ledger.counts["fragment"], "gaps": ledger.counts["gap"]}
        lines.append(ledger.append("stop", now_us, cause="recovered", utc=format_utc(utc), **counts))
    lines.append(ledger.sign_head(now_us, utc))
    _write(path / LEDGER, file, b"".join(lines))
    return gaps


def _declare_gap(ledger: Ledger, source: SourceFacts) -> bytes:
    return ledger.append("gap", 0, source=source.source, cause="recorder_fault", begin_us=source.known_us, end_us=None)


def _close(path: Path, whole: Examination, key: Signer, journal: Journal | None) -> None:
    """Sign what was found to be whole. The journal comes first: what it knows can be closed again, as it is."""
    start, parser = whole.start, whole.parser
    if start is None or whole.uncovered or whole.torn_bytes or whole.signed_lines != parser.n:
        raise RefusedError(path, "this record was changed while it was recovered; nothing of it was closed")
    record = start.text("record")
    manifest = build_manifest(record, key.key_id, parser.n, parser.prev, parser.counts, whole.files, whole.version)
    if journal is not None:
        journal.add(ClosedEntry(record, start.copy, parser.n, parser.prev, key.key_id, path.resolve().name))
    write_manifest(path, manifest, key)


def _write(path: Path, file: io.FileIO, lines: bytes) -> None:
    try:
        while lines:
            lines = lines[file.write(lines) :]
        os.fsync(file.fileno())
    except OSError as error:
        raise RecordError(path, f"the ledger cannot be written: {error.strerror}") from error
