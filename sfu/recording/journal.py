"""The journal of closed records: their ids, and the head that each ended with. It is kept outside of all of them.

Whoever has a record's folder can cut off its end, back to any head that was signed, and the rest still verifies. The
journal reveals that, as long as those who can write in a record's folder cannot write here. It holds one line of JSON
for each record.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sfu.recording.entries import EntryError, decode, encode
from sfu.recording.errors import RecordError
from sfu.recording.folder import FILE_MODE, sync_folder

SUFFIX = "-journal.jsonl"
_MAX_LINE_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class ClosedEntry:
    """A record that was closed."""

    record: str
    """Id of the record, which its mirrors share."""
    copy: int
    """0 for the main record, then one number for each mirror."""
    lines: int
    head: str
    """SHA-256 of the ledger's last line."""
    key: str
    """Id of the key that signed the record."""
    folder: str
    """Name of the record's folder when it was closed."""


_TYPES = {"record": str, "copy": int, "lines": int, "head": str, "key": str, "folder": str}


class Journal:
    """A file that is only ever appended to, by any number of threads and processes."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    def add(self, entry: ClosedEntry) -> None:
        """Append an entry and wait until it is on disk. Raises RecordError if that fails."""
        line = encode({key: getattr(entry, key) for key in _TYPES}) + b"\n"
        try:
            with self._locked() as descriptor:
                os.ftruncate(descriptor, _find_end(descriptor))
                view = memoryview(line)
                while view:
                    view = view[os.write(descriptor, view) :]
                os.fsync(descriptor)
        except OSError as error:
            raise RecordError(self.path, f"the journal cannot be written: {error.strerror}") from error

    def check(self) -> None:
        """Create the file if it is missing; raises RecordError if it cannot be written."""
        try:
            with self._locked():
                pass
        except OSError as error:
            raise RecordError(self.path, f"the journal cannot be written: {error.strerror}") from error

    def find(self, record: str, copy: int) -> list[ClosedEntry]:
        """Return what is known of a record. Raises RecordError if the journal cannot be read or has a malformed
        line.
        """
        try:
            data = self.path.read_bytes()
        except OSError as error:
            raise RecordError(self.path, f"the journal cannot be read: {error.strerror}") from error
        lines = data.split(b"\n")[:-1]  # what follows the last newline was never finished
        found = []
        for number, line in enumerate(lines, 1):
            entry = self._parse(number, line)
            if (entry.record, entry.copy) == (record, copy):
                found.append(entry)
        return found

    def _parse(self, number: int, line: bytes) -> ClosedEntry:
        try:
            fields = decode(line)
        except EntryError as error:
            raise RecordError(self.path, f"line {number} of the journal is wrong: {error}") from error
        if list(fields) != list(_TYPES) or any(type(fields[key]) is not kind for key, kind in _TYPES.items()):
            raise RecordError(self.path, f"line {number} of the journal is wrong: it is no entry of a closed record")
        return ClosedEntry(**fields)

    @contextmanager
    def _locked(self) -> Iterator[int]:
        new = not self.path.exists()
        descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        try:
            if new:
                sync_folder(self.path.parent)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield descriptor
        finally:
            os.close(descriptor)


def find_journal_beside(folder: Path) -> Path:
    """Return where a node that keeps its records in a folder keeps their journal, unless it is told otherwise."""
    return folder.with_name(folder.name + SUFFIX)


def _find_end(descriptor: int) -> int:
    """Return where the last whole line ends: a crash may have left part of another one."""
    size = os.fstat(descriptor).st_size
    begin = max(0, size - _MAX_LINE_BYTES)
    data = os.pread(descriptor, size - begin, begin)
    return begin + data.rfind(b"\n") + 1
