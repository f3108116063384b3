"""A record's folder on disk: media files and the ledger, both only ever appended to."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sfu.recording.errors import RecordError
from sfu.recording.folder import FILE_MODE, FOLDER_MODE, LEDGER, MEDIA, Folder, discard_whole, sync_folder, write_whole
from sfu.recording.lock import lock_for_writing, open_to_continue
from sfu.recording.manifest import FileFact
from sfu.recording.media_file import APPEND, MediaFile, write_all

MOST_OPEN = 32
"""Most media files that are open at once; in a hearing with hundreds of speakers few speak."""
DESCRIPTORS = MOST_OPEN + 4
"""Most descriptors that a record needs: those media files, its ledger, and further files for a moment."""
_LOCK_TRIES, _LOCK_AGAIN_S = 200, 0.005
_SYNCS = 8
"""Files synced at a time: file systems commit several together in their journals."""


class Store:
    """A record's folder, made by `create`. All methods raise RecordError, naming the file."""

    def __init__(self, path: Path, ledger: int) -> None:
        self.path = path
        self._ledger = ledger
        self._torn = False
        """Lines of the ledger were half written."""
        self._media: dict[str, MediaFile] = {}
        """Those written last stand last."""
        self._sizes = {LEDGER: 0}
        self._digests = {LEDGER: hashlib.sha256()}
        self._ended: list[FileFact] = []
        """Files that another process has written, to which nothing is added any more."""
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
            ledger = os.open(path / LEDGER, APPEND | os.O_EXCL, FILE_MODE)
        except OSError as error:
            raise RecordError(path, f"no record can be made here: {error.strerror}") from error
        try:
            _lock_new(path, ledger)
            sync_folder(path)
        except BaseException:
            os.close(ledger)
            raise
        return cls(path, ledger)

    @classmethod
    def reopen(cls, path: Path, files: Sequence[FileFact]) -> Store:
        """Go on with a record that another process has suspended. `files` are what it had: nothing else may be there.

        Its ledger is read, and must be the same bytes; of other files only the size is looked at, since a verification
        reads them.
        """
        expected = {each.path: each for each in files}
        ledger = open_to_continue(path)
        try:
            with Folder(path) as folder:
                listing = folder.list()
                for name, reason in listing.strange:
                    raise RecordError(path / name, reason)
                for name in sorted(listing.sizes.keys() | expected.keys()):
                    if name not in expected or listing.sizes.get(name) != expected[name].bytes:
                        raise RecordError(path / name, "this file is not as it was when the record was suspended")
                digest = hashlib.sha256()
                for chunk in folder.read_chunks(LEDGER, 0, expected[LEDGER].bytes):
                    digest.update(chunk)
            if digest.hexdigest() != expected[LEDGER].sha256:
                raise RecordError(path / LEDGER, "this is not the ledger that was suspended: it was changed since")
        except BaseException:
            os.close(ledger)
            raise
        made = cls(path, ledger)
        made._ended = [each for each in files if each.path != LEDGER]
        made._sizes[LEDGER], made._digests[LEDGER] = expected[LEDGER].bytes, digest
        return made

    def append_media(self, file: str, data: bytes) -> int:
        """Append to a media file, new or not, and return the offset. The bytes are surely on disk only after
        `sync_media`.

        An error is this file's alone: nothing of `data` is in it, and others can be written.
        """
        media = self._reach(file)
        try:
            return media.append(data)
        except OSError as error:
            raise RecordError(self.path / file, f"cannot be written: {error.strerror}") from error

    def sync_media(self, files: list[str]) -> dict[str, RecordError]:
        """Wait until what was appended to these files is on disk; return those of which it is not, and why.

        What was appended to them since the last sync is no part of them any more.
        """
        found = [self._sync(files[0])] if len(files) == 1 else list(self._pool.map(self._sync, files))
        return {file: error for file, error in zip(files, found, strict=True) if error is not None}

    def try_media(self, file: str) -> None:
        """Raise RecordError if a media file can surely not be written at present."""
        media = self._reach(file)
        try:
            media.repair()
        except OSError as error:
            raise RecordError(self.path / file, f"cannot be written: {error.strerror}") from error

    def is_empty(self, file: str) -> bool:
        """Whether nothing was written to a media file yet."""
        return file not in self._media or not self._media[file].size

    def repair_media(self) -> None:
        """Cut off all partial writes, so that no file holds anything that the ledger does not announce."""
        for file, media in self._media.items():
            try:
                media.repair_if_torn()
            except OSError as error:
                reason = f"cannot be put right: {error.strerror}; `sfu recover` can close the record"
                raise RecordError(self.path / file, reason) from error

    def _reach(self, file: str) -> MediaFile:
        """The file, as the one written last; of the open ones that are on disk, those written first are closed."""
        media = self._media.pop(file, None) or MediaFile(self.path / file)
        self._media[file] = media
        if not media.is_open:
            opened = [each for each in self._media.values() if each.is_open]
            idle = [each for each in opened if each.is_synced]
            for each in idle[: max(0, len(opened) + 1 - MOST_OPEN)]:
                each.close()
        return media

    def append_ledger(self, lines: bytes) -> None:
        """Append whole lines, and wait until they are on disk. After an error they may be given again."""
        try:
            self._repair_ledger()
            self._torn = True
            write_all(self._ledger, lines)
            os.fdatasync(self._ledger)
            self._torn = False
        except OSError as error:
            with contextlib.suppress(OSError):  # readers then find whole lines; else recovery keeps the torn one
                self._repair_ledger()
            raise RecordError(self.path / LEDGER, f"cannot be written: {error.strerror}") from error
        self._note(LEDGER, lines)

    def _repair_ledger(self) -> None:
        if self._torn:
            os.ftruncate(self._ledger, self._sizes[LEDGER])
            self._torn = False

    def write_file(self, file: str, data: bytes) -> None:
        """Write a whole file of the record, or none of it."""
        path = self.path / file
        try:
            path.parent.mkdir(FOLDER_MODE, exist_ok=True)
        except OSError as error:
            raise RecordError(path, f"cannot be written: {error.strerror}") from error
        try:
            write_whole(path, data)
        except RecordError:
            discard_whole(path)
            raise
        self._digests[file] = hashlib.sha256()
        self._sizes[file] = 0
        self._note(file, data)

    def facts(self) -> list[FileFact]:
        """Return every file, with what was written to it."""
        facts = [FileFact(file, self._sizes[file], digest.hexdigest()) for file, digest in self._digests.items()]
        made = [(file, media) for file, media in self._media.items() if media.exists]
        return facts + self._ended + [FileFact(file, media.size, media.digest.hexdigest()) for file, media in made]

    def free_bytes(self) -> int:
        """Return how many bytes the file system has left for us."""
        try:
            found = os.statvfs(self.path)
        except OSError as error:
            raise RecordError(self.path, f"cannot be looked at: {error.strerror}") from error
        return found.f_bavail * found.f_frsize

    def check_place(self) -> None:
        """Raise RecordError if the record is not where it was made: what is written then would be found by nobody."""
        try:
            there = os.path.samestat(os.stat(self.path / LEDGER), os.fstat(self._ledger))
        except OSError as error:
            raise RecordError(self.path / LEDGER, f"is not there any more: {error.strerror}") from error
        if not there:
            raise RecordError(self.path / LEDGER, "is another file than the one that is written")

    def close(self) -> None:
        """Close all files, and with the ledger its lock. Idempotent."""
        self._pool.shutdown()
        for media in self._media.values():
            media.close()
        if self._ledger >= 0:
            os.close(self._ledger)
            self._ledger = -1

    def _note(self, file: str, data: bytes) -> None:
        self._sizes[file] += len(data)
        self._digests[file].update(data)

    def _sync(self, file: str) -> RecordError | None:
        try:
            self._media[file].sync()
        except OSError as error:
            return RecordError(self.path / file, f"cannot be brought to disk: {error.strerror}")
        return None


def _lock_new(path: Path, ledger: int) -> None:
    """Lock a ledger that was just made: who looks for records that were left open may look at it in this moment."""
    for _ in range(_LOCK_TRIES):
        if lock_for_writing(ledger):
            return
        time.sleep(_LOCK_AGAIN_S)
    raise RecordError(path / LEDGER, "somebody else holds it")
