"""A record's folder on disk: media files and the ledger, both only ever appended to."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sfu.recording.errors import RecordError
from sfu.recording.folder import FILE_MODE, FOLDER_MODE, LEDGER, MEDIA, sync_folder, write_whole
from sfu.recording.lock import lock_for_writing
from sfu.recording.manifest import FileFact

_SYNCS = 8
"""Files synced at a time: journals of file systems commit several together."""


class Store:
    """Made by `create`. All methods raise RecordError, naming the file."""

    def __init__(self, path: Path, ledger: int) -> None:
        self.path = path
        self._ledger = ledger
        self._files: dict[str, int] = {}
        self._sizes = {LEDGER: 0}
        self._digests = {LEDGER: hashlib.sha256()}
        self._pool = ThreadPoolExecutor(_SYNCS, thread_name_prefix="sfu-sync")

    @classmethod
    def create(cls, path: Path) -> Store:
        """Make the folder, which must not exist or be empty.

        Those above it must be there: one that is missing is rather a disk that is not mounted.
        """
        try:
            path.mkdir(FOLDER_MODE, exist_ok=True)
            if any(path.iterdir()):
                raise RecordError(path, "holds something already; a record needs a folder of its own")
            (path / MEDIA).mkdir(FOLDER_MODE)
            ledger = os.open(path / LEDGER, _APPEND | os.O_EXCL, FILE_MODE)
        except OSError as error:
            raise RecordError(path, f"no record can be made here: {error.strerror}") from error
        try:
            lock_for_writing(ledger)  # nobody else knows of it yet
            sync_folder(path)
        except BaseException:
            os.close(ledger)
            raise
        return cls(path, ledger)

    def append_media(self, file: str, data: bytes) -> int:
        """Append to a media file, new or not; return the offset. Not on disk for sure before `sync_media`."""
        try:
            descriptor = self._files.get(file)
            if descriptor is None:
                descriptor = self._files[file] = os.open(self.path / file, _APPEND | os.O_EXCL, FILE_MODE)
                self._sizes[file] = 0
                self._digests[file] = hashlib.sha256()
                sync_folder((self.path / file).parent)
            _write_all(descriptor, data)
        except OSError as error:
            raise RecordError(self.path / file, f"cannot be written: {error.strerror}") from error
        offset = self._sizes[file]
        self._note(file, data)
        return offset

    def sync_media(self, files: list[str]) -> None:
        """Wait until what was appended to these files is on disk."""
        if len(files) == 1:
            self._sync(files[0])
        else:
            list(self._pool.map(self._sync, files))

    def append_ledger(self, lines: bytes) -> None:
        """Append whole lines, and wait until they are on disk."""
        try:
            _write_all(self._ledger, lines)
            os.fdatasync(self._ledger)
        except OSError as error:
            raise RecordError(self.path / LEDGER, f"cannot be written: {error.strerror}") from error
        self._note(LEDGER, lines)

    def write_file(self, file: str, data: bytes) -> None:
        """Write a whole file of the record."""
        try:
            (self.path / file).parent.mkdir(FOLDER_MODE, exist_ok=True)
        except OSError as error:
            raise RecordError(self.path / file, f"cannot be written: {error.strerror}") from error
        write_whole(self.path / file, data)
        self._digests[file] = hashlib.sha256()
        self._sizes[file] = 0
        self._note(file, data)

    def facts(self) -> list[FileFact]:
        """Every file, with what was written to it."""
        return [FileFact(file, self._sizes[file], digest.hexdigest()) for file, digest in self._digests.items()]

    def free_bytes(self) -> int:
        """What the file system has left for us."""
        try:
            found = os.statvfs(self.path)
        except OSError as error:
            raise RecordError(self.path, f"cannot be looked at: {error.strerror}") from error
        return found.f_bavail * found.f_frsize

    def close(self) -> None:
        """Close all files, and with the ledger its lock. Idempotent."""
        self._pool.shutdown()
        for descriptor in self._files.values():
            os.close(descriptor)
        self._files.clear()
        if self._ledger >= 0:
            os.close(self._ledger)
            self._ledger = -1

    def _note(self, file: str, data: bytes) -> None:
        self._sizes[file] += len(data)
        self._digests[file].update(data)

    def _sync(self, file: str) -> None:
        try:
            os.fdatasync(self._files[file])
        except OSError as error:
            raise RecordError(self.path / file, f"cannot be brought to disk: {error.strerror}") from error


_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
