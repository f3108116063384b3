"""Goes through a record from its first line to its last and compares all that is said with all that is there.

Stops at the first thing that is wrong. A record that nobody closed may lack its end: it may hold a torn line, bytes
that no fragment line has announced, or files that no line has named yet. Those are no faults; they are noted for
`recover.py`.
"""

from __future__ import annotations

import datetime
import hashlib
import io
from collections import OrderedDict
from collections.abc import Callable, Iterator

from sfu.recording.entries import FORMAT, MAX_LINE_BYTES, VERSION, VERSIONS, Entry, is_count, parse_utc
from sfu.recording.errors import RecordError, RefusedError
from sfu.recording.findings import Fault, SourceFacts, Stamp, tell_time
from sfu.recording.folder import (
    LEDGER,
    MANIFEST,
    PUBLIC_KEY,
    SIGNATURE,
    Folder,
    Listing,
    is_timestamp_file,
    is_torn_file,
    parse_media_file,
    parse_unattested_file,
    printable,
)
from sfu.recording.heads import head_is_signed
from sfu.recording.ledger import LedgerError, LedgerParser
from sfu.recording.manifest import FileFact
from sfu.recording.restart.rules import RestartRules
from sfu.recording.signing import MAX_PEM_BYTES, PublicKey, parse_public_key

MAX_SOURCES = 65_536
_MAX_HEADS = 65_536
_AFTER_STOP = frozenset(("head", "timestamp", "recover", "unattested", "torn", "tail", "stray"))
_VERSION_1 = frozenset(("torn", "tail", "stray"))
_AT_ONCE = datetime.timedelta(minutes=1)
"""A recorder signs its stop line in the same moment; clocks may be set meanwhile."""

Progress = Callable[[int, int], None]
"""Called with the number of bytes examined so far and that of all files."""


class Examination:
    """Examines one record. `run` raises Fault at the first thing wrong; what was found before can be read here."""

    def __init__(self, folder: Folder, listing: Listing, *, closed: bool, key: PublicKey | None = None) -> None:
        self.parser = LedgerParser()
        self.start: Entry | None = None
        self.last: Entry | None = None
        self.stop: Entry | None = None
        self.key: PublicKey | None = None
        self.sources: dict[int, SourceFacts] = {}
        self.stamps: list[Stamp] = []
        self.signed_lines = 0
        """Lines that a signature covers."""
        self.attested_lines: int | None = None
        """Of these, how many the recorder itself had signed, where a recovery signed the others; None: none did."""
        self.unattested: list[FileFact] = []
        """What a recovery found behind them and set apart."""
        self.restarts = RestartRules(self.sources)
        self.version = VERSION
        self.torn_bytes = 0
        """Of the ledger after its last whole line, in a record that was not closed."""
        self.uncovered: list[FileFact] = []
        """Files and how many of their last bytes no line tells of, in a record that was not closed; without hashes."""
        self._folder = folder
        self._listing = listing
        self._closed = closed
        self._wanted_key = key
        self._ledger_digest = hashlib.sha256()
        self._files: dict[str, FileFact] = {}
        self._heads: OrderedDict[str, None] = OrderedDict()
        self._done_bytes = 0
        self._total_bytes = sum(listing.sizes.values())
        self._progress: Progress = lambda _done, _total: None
        self._takers: dict[str, Callable[[Entry], None]] = {
            "start": self._take_start,
            "source": self._take_source,
            "track": self._take_track,
            "fragment": self._take_fragment,
            "gap": self._take_gap,
            "head": self._take_head,
            "timestamp": self._take_timestamp,
            "torn": self._take_torn,
            "stray": self._take_stray,
            "recover": self._take_recover,
            "unattested": self._take_unattested,
            "tail": self._take_tail,
            "stop": self._take_stop,
            "continue": self._take_continue,
        }

    def run(self, progress: Progress | None = None) -> None:
        """Examine the record; raises Fault at the first thing wrong, RecordError for an unreadable file or unknown
        version.
        """
        if progress is not None:
            self._progress = progress
        for entry in self._read_lines():
            if self.stop is not None and entry.type not in _AFTER_STOP:
                raise self._fault(entry, f"a {entry.type} line cannot stand after the record was stopped")
            if self.version > 1 and entry.type in _VERSION_1:
                raise self._fault(entry, f"a {entry.type} line cannot stand in a record of version {self.version}")
            wrong = self.restarts.check(entry) if self.version > 2 else ""
            if wrong:
                raise self._fault(entry, wrong)
            taker = self._takers.get(entry.type)
            if taker is not None:
                taker(entry)
            self.last = entry
        self._check_end()
        self._check_all_covered()

    @property
    def files(self) -> list[FileFact]:
        """Return all files but the manifest and its signature, as a manifest names them."""
        media = [
            FileFact(each.file, each.covered_bytes, each.digest.hexdigest())
            for each in self.sources.values()
            if each.file in self._listing.sizes
        ]
        ledger = FileFact(LEDGER, self.parser.offset, self._ledger_digest.hexdigest())
        return sorted([*media, *self._files.values(), ledger])

    def _read_lines(self) -> Iterator[Entry]:
        left = self._listing.sizes[LEDGER]
        with io.BufferedReader(self._folder.open(LEDGER), 1 << 16) as file:
            while left:
                line = self._read_line(file, min(MAX_LINE_BYTES + 1, left))
                left -= len(line)
                if not left and not line.endswith(b"\n") and len(line) <= MAX_LINE_BYTES:
                    self._take_torn_line(line)
                    return
                try:
                    entry = self.parser.parse(line)
                except LedgerError as error:
                    raise Fault(LEDGER, error.reason, line=error.line) from error
                self._ledger_digest.update(line)
                self._advance(len(line))
                yield entry

    def _read_line(self, file: io.BufferedReader[io.FileIO], at_most: int) -> bytes:
        try:
            line = file.readline(at_most)
        except OSError as error:
            raise RecordError(self._folder.path / LEDGER, f"this file cannot be read: {error.strerror}") from error
        if not line:
            raise RecordError(self._folder.path / LEDGER, "this file became shorter while it was read")
        return line

    def _take_torn_line(self, line: bytes) -> None:
        if self._closed or not self.parser.n:
            raise Fault(LEDGER, "it is torn: it does not end with a newline", line=self.parser.n + 1)
        self.torn_bytes = len(line)

    def _advance(self, size: int) -> None:
        self._done_bytes += size
        self._progress(self._done_bytes, self._total_bytes)

    @staticmethod
    def _fault(entry: Entry, reason: str) -> Fault:
        return Fault(LEDGER, reason, line=entry.n + 1)

    def _take_start(self, entry: Entry) -> None:
        if entry.text("format") != FORMAT:
            raise RefusedError(
                self._folder.path, f"the ledger is not one of a record, but {printable(entry.text('format'))}"
            )
        self.version = entry.integer("version")
        if self.version not in VERSIONS:
            known = f"{', '.join(map(str, VERSIONS[:-1]))} and {VERSIONS[-1]}"
            raise RefusedError(
                self._folder.path,
                f"this record is of version {self.version}; this program knows versions {known} only",
            )
        if self.version > 1 and not is_count(entry.fields.get("copy")):
            raise self._fault(entry, "it does not say which copy of the record this is")
        self.start = entry
        if PUBLIC_KEY in self._listing.sizes:
            self.key = self._read_key(entry.text("key"))
        elif not self._closed and self._wanted_key is not None and self._wanted_key.key_id == entry.text("key"):
            self.key = self._wanted_key
        else:
            raise Fault(PUBLIC_KEY, "this file is missing, so nobody can tell whether the signatures are good")

    def _read_key(self, key_id: str) -> PublicKey:
        pem = self._folder.read(PUBLIC_KEY, MAX_PEM_BYTES)
        try:
            key = parse_public_key(pem)
        except ValueError as error:
            raise Fault(PUBLIC_KEY, f"this file was changed: {error}") from error
        if key.key_id != key_id:
            raise Fault(PUBLIC_KEY, f"this is not the key that line 1 of the ledger names ({key_id})")
        if key.pem != pem or self._listing.sizes[PUBLIC_KEY] != len(pem):
            raise Fault(PUBLIC_KEY, "this file was changed, although it still holds the same key")
        self._cover(PUBLIC_KEY, len(pem), hashlib.sha256(pem).hexdigest())
        self._advance(len(pem))
        return key

    def _take_source(self, entry: Entry) -> None:
        source, file, kind = entry.integer("source"), entry.text("file"), entry.text("kind")
        if parse_media_file(file) != (source, kind):
            raise self._fault(entry, f"{printable(file)} cannot be the file of {kind} source {source}")
        if source in self.sources:
            raise self._fault(entry, f"source {source} is named a second time")
        if len(self.sources) >= MAX_SOURCES:
            raise self._fault(entry, f"there are more than {MAX_SOURCES} sources")
        self.sources[source] = SourceFacts(source, file, kind, entry.text("peer"), entry.encryption, entry.t_us)

    def _find_source(self, entry: Entry) -> SourceFacts:
        found = self.sources.get(entry.integer("source"))
        if found is None or not found.kind:
            raise self._fault(entry, f"it tells of source {entry.integer('source')}, which no line before has named")
        return found

    def _take_track(self, entry: Entry) -> None:
        source = self._find_source(entry)
        if entry.text("event") == "end":
            source.ended = True
        elif source.ended:
            source.ended, source.known_us = False, max(source.known_us, entry.t_us)

    def _take_gap(self, entry: Entry) -> None:
        source = self._find_source(entry)
        if entry.fields["end_us"] is None:
            source.lost = True
        else:
            source.known_us = max(source.known_us, entry.integer("end_us"))

    def _take_fragment(self, entry: Entry) -> None:
        source = self._find_source(entry)
        index, offset, size = entry.integer("index"), entry.integer("offset"), entry.integer("bytes")
        if index != source.fragments or source.tailed:
            raise self._fault(entry, f"fragment {index} of {source.file} stands where fragment {source.fragments} must")
        if offset != source.covered_bytes or not size:
            raise self._fault(
                entry,
                f"fragment {index} of {source.file} begins elsewhere than at byte {source.covered_bytes}",
            )
        begin_us, end_us = entry.integer("begin_us"), entry.integer("end_us")
        place = (
            f"bytes {offset} to {offset + size - 1}, {source.kind} of {printable(source.peer)!r} "
            f"from {tell_time(begin_us)} to {tell_time(end_us)}, line {entry.n + 1} of the ledger"
        )
        self._compare_media(entry, source, f"fragment {index} ({place})", index)
        source.fragments += 1
        source.known_us = max(source.known_us, end_us)

    def _take_tail(self, entry: Entry) -> None:
        number, file, offset = entry.integer("source"), entry.text("file"), entry.integer("offset")
        name = parse_media_file(file)
        source = self.sources.get(number)
        if name is None or name[0] != number or (source is not None and source.file != file):
            raise self._fault(entry, f"{printable(file)} cannot be the file of source {number}")
        if source is None:
            source = self.sources[number] = SourceFacts(number, file, name[1])
        if source.tailed or offset != source.covered_bytes:
            raise self._fault(entry, f"bytes from {offset} on of {file} are not what follows its last fragment")
        self._compare_media(entry, source, f"what follows its last fragment (line {entry.n + 1} of the ledger)", None)
        source.tailed = True

    def _compare_media(self, entry: Entry, source: SourceFacts, what: str, fragment: int | None) -> None:
        """Compare a piece of a media file with its line; `what` names it in sentences."""
        size = entry.integer("bytes")
        there = self._listing.sizes.get(source.file)
        line = entry.n + 1
        if there is None:
            raise Fault(source.file, f"this file is missing; {what} should stand in it", line=line, fragment=fragment)
        if there < source.covered_bytes + size:
            raise Fault(source.file, f"this file was cut short: it ends within {what}", line=line, fragment=fragment)
        digest = hashlib.sha256()
        for chunk in self._folder.read_chunks(source.file, source.covered_bytes, size):
            digest.update(chunk)
            source.digest.update(chunk)
            self._advance(len(chunk))
        if digest.hexdigest() != entry.text("sha256"):
            raise Fault(source.file, f"{what} was changed", line=line, fragment=fragment)
        source.covered_bytes += size

    def _take_head(self, entry: Entry) -> None:
        if self.key is None or self.start is None:
            raise AssertionError("the first line is a start line")
        if entry.text("head") != entry.prev:
            raise self._fault(entry, "its head is not the hash of the line before")
        if not head_is_signed(self.key, self.start, entry):
            first = self.signed_lines + 1
            raise self._fault(
                entry,
                f"its signature was not made by the record's key over what stands there now: "
                f"of the lines {first} to {entry.n + 1}, one or more was changed, added or removed",
            )
        if self.version == 1 and self.attested_lines is None and self._was_stopped_before(entry):
            self.attested_lines = self.signed_lines
        self.signed_lines = entry.n + 1
        self._heads[entry.head] = None
        if len(self._heads) > _MAX_HEADS:
            self._heads.popitem(last=False)

    def _was_stopped_before(self, head: Entry) -> bool:
        """Whether the line before is a stop line of another time: in version 1 a recovery that found one, which
        nobody had signed, signed it and said nothing of itself.
        """
        if self.stop is None or self.last is not self.stop:
            return False
        return abs(parse_utc(head.text("utc")) - parse_utc(self.stop.text("utc"))) > _AT_ONCE

    def _take_timestamp(self, entry: Entry) -> None:
        if entry.text("head") not in self._heads:
            raise self._fault(entry, "it is a timestamp of something that is not a head line before it")
        self._compare_file(entry, is_timestamp_file)
        self.stamps.append(Stamp(entry.text("file"), entry.text("head"), entry.n + 1))

    def _take_torn(self, entry: Entry) -> None:
        self._compare_file(entry, is_torn_file)

    def _take_stray(self, entry: Entry) -> None:
        self._compare_file(entry, is_timestamp_file)

    def _take_recover(self, entry: Entry) -> None:
        if self.version > 1 and self.signed_lines != entry.n:
            raise self._fault(entry, "a recovery began here, but the lines before it are not signed")
        if self.attested_lines is None:
            self.attested_lines = self.signed_lines

    def _take_unattested(self, entry: Entry) -> None:
        if self.attested_lines is None:
            raise self._fault(entry, "it tells of what a recovery found, but there was no recovery before it")
        self._compare_file(entry, lambda file: parse_unattested_file(file) is not None)
        self.unattested.append(self._files[entry.text("file")])

    def _compare_file(self, entry: Entry, belongs: Callable[[str], bool]) -> None:
        """Compare a small file with the line that covers it."""
        file, size = entry.text("file"), entry.integer("bytes")
        if not belongs(file) or file in self._files:
            raise self._fault(entry, f"{printable(file)} cannot be the file of a {entry.type} line")
        there = self._listing.sizes.get(file)
        if there is None:
            raise Fault(file, f"this file is missing; line {entry.n + 1} of the ledger names it", line=entry.n + 1)
        digest = hashlib.sha256()
        for chunk in self._folder.read_chunks(file, 0, size):
            digest.update(chunk)
            self._advance(len(chunk))
        if there != size or digest.hexdigest() != entry.text("sha256"):
            raise Fault(file, f"this file was changed; line {entry.n + 1} of the ledger tells of it", line=entry.n + 1)
        self._cover(file, size, entry.text("sha256"))

    def _cover(self, file: str, size: int, sha256: str) -> None:
        self._files[file] = FileFact(file, size, sha256)

    def _take_stop(self, entry: Entry) -> None:
        self.stop = entry

    def _take_continue(self, entry: Entry) -> None:
        if self.start is not None and self.version > 2 and entry.text("key") != self.start.text("key"):
            raise self._fault(entry, "another key continues the record than the one that began it")

    def _check_end(self) -> None:
        if self.start is None or self.last is None:
            raise Fault(LEDGER, "the ledger is empty: not even its first line is there", line=1)
        if self._closed and (self.stop is None or self.last.type != "head"):
            raise Fault(
                LEDGER,
                f"the ledger was cut short: there is a manifest, but the lines after line {self.parser.n} "
                "up to the stop and the last signature are missing",
                line=self.parser.n + 1,
            )

    def _check_all_covered(self) -> None:
        """Every file belongs to the record, and the ledger tells of each of its bytes."""
        if self._listing.strange:
            raise Fault(*self._listing.strange[0])
        media = {each.file: each for each in self.sources.values()}
        for file, size in sorted(self._listing.sizes.items()):
            if file in (LEDGER, MANIFEST, SIGNATURE) or file in self._files:
                continue
            source = media.get(file)
            covered = source.covered_bytes if source is not None else 0
            if source is not None and size == covered:
                continue
            if not self._closed:
                self.uncovered.append(FileFact(file, size - covered, ""))
            elif source is None:
                raise Fault(file, "this file was added: no line of the ledger names it")
            else:
                raise Fault(
                    file, f"{size - covered} bytes were added after byte {covered}, where its last fragment ends"
                )
