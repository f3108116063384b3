"""Says whether a record is what was recorded: complete, in order, unchanged, and signed by whom.

Needs the record alone; and, to know *who* signed, a public key that came another way than the record did.
"""

from __future__ import annotations

import dataclasses
import enum
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sfu.recording.errors import RecordError
from sfu.recording.examine import Examination, Progress
from sfu.recording.findings import Fault
from sfu.recording.folder import LEDGER, MANIFEST, SIGNATURE, Folder, Listing, printable
from sfu.recording.journal import Journal
from sfu.recording.lock import lock_for_reading
from sfu.recording.manifest import MAX_MANIFEST_BYTES, FileFact, build_manifest, parse_manifest_files
from sfu.recording.signing import SIGNATURE_BYTES, PublicKey
from sfu.recording.timestamps import CheckedStamp, Roots, check_stamps


class Outcome(enum.IntEnum):
    """What a verification found; the numbers are the exit codes of `sfu verify`."""

    INTACT = 0
    """Closed, complete, unchanged, signed by the key that was given."""
    ALTERED = 1
    """Something was changed, added, removed or moved."""
    NOT_CLOSED = 3
    """All that is there is in order, but the record has no end: it is being written, was never closed, or was cut."""
    OTHER_KEY = 4
    """All is in order, but another key has signed than the one that was asked for."""
    UNPINNED = 5
    """Closed, complete, unchanged, and signed by the key that stands in it; as no key was given, by whomever."""
    RECOVERED = 6
    """Unchanged and signed by the key that was given, but closed by a recovery: its recorder signed a part."""
    DIFFERS = 7
    """Compared with its mirror: nothing is wrong with either by itself, but they do not tell the same."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verification found, and how much of the record it had seen by then."""

    outcome: Outcome
    problem: str
    """The problem in a sentence; empty when the record is intact."""
    file: str
    """The first file that is wrong, by its path within the record's folder; empty if none is."""
    line: int | None
    """Number, from 1, of the first line of the ledger that is wrong, or that tells of what is wrong."""
    fragment: int | None
    """Number, from 0, of the first fragment of that file that is wrong."""
    key_id: str
    """Id of the key that, by the record, has signed it; empty if not even that can be read."""
    pinned: bool
    """Whether a public key was given from outside; without one, anyone may have signed."""
    record: str
    room: str
    began_utc: str
    stopped_utc: str
    stop_cause: str
    lines: int
    signed_lines: int
    """Number of lines that a good signature covers."""
    attested_lines: int | None
    """In a recovered record, how many of these lines the recorder itself had signed; None for any other record."""
    unattested: tuple[FileFact, ...]
    """Files that a recovery found behind these lines and set apart: nobody vouches for them."""
    journaled: bool | None
    """Whether the journal knows that the record was closed as it is; None: no journal was asked."""
    counts: dict[str, int]
    """Number of lines of each type."""
    timestamps: tuple[CheckedStamp, ...]
    encrypted: dict[str, str]
    """Media files whose frames their publisher had encrypted, end to end, and what with: whoever has no key of theirs
    can verify them, and neither see nor hear them.
    """

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        stamps = [each.as_dict() for each in self.timestamps]
        apart = [dataclasses.asdict(each) for each in self.unattested]
        outcome = {"outcome": self.outcome.name.lower(), "exit_code": int(self.outcome)}
        return fields | outcome | {"timestamps": stamps, "unattested": apart}


def verify_record(
    path: Path | str,
    public_key: PublicKey | None = None,
    progress: Progress | None = None,
    tsa_roots: Roots | None = None,
    journal: Journal | None = None,
) -> Verdict:
    """Examine a record. RecordError when the folder is no record, or a file in it or the journal cannot be read.

    `public_key` is the one that must have signed; `tsa_roots` are certificates of time stamping authorities that are
    believed, without which timestamps are covered like all files, but not checked. `journal` knows which records were
    closed, and how they ended.
    """
    path = Path(path)
    with Folder(path) as folder:
        listing = folder.list()
        if LEDGER not in listing.sizes and MANIFEST not in listing.sizes:
            raise RecordError(path, f"this folder is not a record: it has no {LEDGER}")
        if LEDGER not in listing.sizes:
            nothing = Examination(folder, listing, closed=True)
            reason = dict(listing.strange).get(LEDGER, "this file is missing")
            return _judge(nothing, Outcome.ALTERED, Fault(LEDGER, reason), public_key)
        with folder.open(LEDGER) as ledger:
            written = not lock_for_reading(ledger.fileno())
            # What is still written grows: media stand there before the line that tells of them, so look here first.
            size = os.fstat(ledger.fileno()).st_size
            listing = folder.list()
            listing.sizes[LEDGER] = size
            return _verify_locked(folder, listing, written, public_key, progress, tsa_roots, journal)


def _verify_locked(
    folder: Folder,
    listing: Listing,
    written: bool,
    public_key: PublicKey | None,
    progress: Progress | None,
    tsa_roots: Roots | None,
    journal: Journal | None,
) -> Verdict:
    closed = MANIFEST in listing.sizes and not written
    examination = Examination(folder, listing, closed=closed, key=public_key)
    stamps: tuple[CheckedStamp, ...] = ()
    journaled: bool | None = None
    try:
        examination.run(progress)
        if closed:
            _check_manifest(folder, listing, examination)
        stamps = check_stamps(folder, examination.stamps, tsa_roots)
        journaled = None if journal is None else _ask_journal(journal, examination)
    except Fault as fault:
        return _judge(examination, Outcome.ALTERED, fault, public_key)
    outcome, problem = _weigh(examination, closed, written, public_key)
    return _judge(examination, outcome, problem, public_key, stamps, journaled)


def _weigh(
    examination: Examination, closed: bool, written: bool, public_key: PublicKey | None
) -> tuple[Outcome, Fault | None]:
    """Return the outcome for a record in which nothing is wrong."""
    key = examination.key
    if public_key is not None and (key is None or key.key_id != public_key.key_id):
        signer = key.key_id if key is not None else "nobody"
        other = f"this record is signed by the key {signer}, not by the given key {public_key.key_id}"
        return Outcome.OTHER_KEY, Fault("", other)
    if not closed:
        return Outcome.NOT_CLOSED, _tell_open(examination, written)
    if public_key is None:
        anybody = (
            "no key was given from outside: whoever made this record may have made the key, too; "
            "give the one of who should have signed"
        )
        return Outcome.UNPINNED, Fault("", anybody)
    if examination.attested_lines is not None:
        return Outcome.RECOVERED, _tell_recovered(examination, examination.attested_lines)
    return Outcome.INTACT, None


def _ask_journal(journal: Journal, examination: Examination) -> bool:
    """Whether the journal knows the record as it is; raises Fault if it knows the record otherwise."""
    start, parser = examination.start, examination.parser
    if start is None:
        raise AssertionError("an examination that ran to its end has a start")
    known = journal.find(start.text("record"), start.copy)
    if not known or any(each.head == parser.prev for each in known):
        return bool(known)
    last = known[-1]
    raise Fault(
        LEDGER,
        f"the journal knows this record as closed, with {last.lines} lines and the head {last.head}; this one has "
        f"{parser.n} lines and the head {parser.prev}: what was signed later was taken away, or it was recovered since",
    )


def _tell_recovered(examination: Examination, attested: int) -> Fault:
    """Say how much of a recovered record is the recorder's."""
    parts = [f"this record was closed by a recovery; its recorder had signed it up to line {attested}"]
    if examination.version == 1:
        parts.append("what the lines behind it tell of, the recovery found and signed without knowing who wrote it")
    elif examination.unattested:
        count = len(examination.unattested)
        parts.append(
            f"what was found behind it is set apart in {count} files of the folder unattested: nobody vouches for it"
        )
    return Fault("", "; ".join(parts))


def _tell_open(examination: Examination, written: bool) -> Fault:
    """Say what is known of a record without an end."""
    state = "is still being written" if written else "was not closed"
    if examination.restarts.suspended is not None and not written:
        state = "was suspended, so that another process continues it, which none has done"
    lines, signed = examination.parser.n, examination.signed_lines
    parts = [f"this record {state}: it is in order up to line {lines} of the ledger, signed up to line {signed}"]
    if examination.torn_bytes:
        parts.append(f"the ledger ends with {examination.torn_bytes} bytes of a line that was not finished")
    parts += [
        f"the ledger does not tell of the last {each.bytes} bytes of {each.path}" for each in examination.uncovered[:3]
    ]
    return Fault("", "; ".join(parts))


def _check_manifest(folder: Folder, listing: Listing, examination: Examination) -> None:
    """Check that the manifest follows from all other files, and is signed."""
    start, key = examination.start, examination.key
    if start is None or key is None:
        raise AssertionError("an examination that ran to its end has a start and a key")
    if SIGNATURE not in listing.sizes:
        raise Fault(SIGNATURE, "this file is missing")
    if listing.sizes[MANIFEST] > MAX_MANIFEST_BYTES:
        raise Fault(MANIFEST, "this file was changed: it is too long")
    manifest = folder.read(MANIFEST, MAX_MANIFEST_BYTES)
    parser = examination.parser
    expected = build_manifest(
        start.text("record"), key.key_id, parser.n, parser.prev, parser.counts, examination.files, examination.version
    )
    if manifest != expected:
        raise _compare_manifest(manifest, examination)
    signature = folder.read(SIGNATURE, SIGNATURE_BYTES + 1)
    if not key.verify(manifest, signature):
        raise Fault(SIGNATURE, "this is not the signature of the record's key over the manifest")


def _compare_manifest(manifest: bytes, examination: Examination) -> Fault:
    """Say how a manifest and the files differ."""
    try:
        named = {each.path: each for each in parse_manifest_files(manifest)}
    except ValueError as error:
        return Fault(MANIFEST, f"this file was changed: {error}")
    there = {each.path: each for each in examination.files}
    for path in sorted(named.keys() | there.keys()):
        if path not in there:
            return Fault(printable(path), "this file is missing; the manifest names it")
        if path not in named:
            return Fault(path, "this file was added, or the manifest changed: it does not name the file")
        if named[path] != there[path]:
            return Fault(path, "this file is not what the manifest says: one of the two was changed")
    return Fault(MANIFEST, "this file was changed: it does not say what the ledger and the files say")


def _judge(
    examination: Examination,
    outcome: Outcome,
    fault: Fault | None,
    public_key: PublicKey | None,
    stamps: tuple[CheckedStamp, ...] = (),
    journaled: bool | None = None,
) -> Verdict:
    start, stop, parser = examination.start, examination.stop, examination.parser
    return Verdict(
        outcome=outcome,
        problem=str(fault) if fault is not None else "",
        file=fault.file if fault is not None else "",
        line=fault.line if fault is not None else None,
        fragment=fault.fragment if fault is not None else None,
        key_id=start.text("key") if start is not None else "",
        pinned=public_key is not None,
        record=start.text("record") if start is not None else "",
        room=start.text("room") if start is not None else "",
        began_utc=start.text("utc") if start is not None else "",
        stopped_utc=stop.text("utc") if stop is not None else "",
        stop_cause=stop.text("cause") if stop is not None else "",
        lines=parser.n,
        signed_lines=examination.signed_lines,
        attested_lines=examination.attested_lines,
        unattested=tuple(examination.unattested),
        journaled=journaled,
        counts=dict(sorted(parser.counts.items())),
        timestamps=stamps,
        encrypted={each.file: each.encryption for each in examination.sources.values() if each.encryption},
    )
