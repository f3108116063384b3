"""The journal of closed records: which there are, and the head that each ended with. It stands outside of all of them.

Who has a record's folder can take its end away, back to any head that was signed: what is left verifies. The journal
knows better, as long as who can write in a record's folder cannot write here. One line of JSON for each record.
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
    """Its id, which its mirrors have, too."""
    copy: int
    """0 for the main record, then one number for each mirror."""
    lines: int
    head: str
    """SHA-256 of its last line."""
    key: str
    """Id of the key that signed."""
    folder: str
    """Name of its folder when it was closed."""


_TYPES = {"record": str, "copy": int, "lines": int, "head": str, "key": str, "folder": str}


class Journal:
    """A file that is only ever appended to, by any number of threads and processes."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    def add(self, entry: ClosedEntry) -> None:
        """Append, and see it on the disk. RecordError when that fails."""
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
        """Make the file if need be; RecordError when it cannot be written."""
        try:
            with self._locked():
                pass
        except OSError as error:
            raise RecordError(self.path, f"the journal cannot be written: {error.strerror}") from error

    def find(self, record: str, copy: int) -> list[ClosedEntry]:
        """What is known of a record. RecordError when the journal cannot be read, or a line of it is none."""
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
    """Where a node that keeps its records in a folder keeps their journal, unless it is told otherwise."""
    return folder.with_name(folder.name + SUFFIX)


def _find_end(descriptor: int) -> int:
    """Where the last whole line ends: a crash may have left part of another."""
    size = os.fstat(descriptor).st_size
    begin = max(0, size - _MAX_LINE_BYTES)
    data = os.pread(descriptor, size - begin, begin)
    return begin + data.rfind(b"\n") + 1
