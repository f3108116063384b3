"""One media file of a record as it is written: appended to, synced, closed while nothing comes, and put right again."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

from sfu.recording.folder import FILE_MODE, sync_folder

APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
_AGAIN = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW


class MediaFile:
    """A media file, which is created on disk by the first `append`.

    Methods raise OSError. After one the file is as at its last sync, or at the end of the last append that succeeded: a
    partial write is cut off before anything else is done.
    """

    def __init__(self, path: Path) -> None:
        self.size = 0
        self.digest = hashlib.sha256()
        self._path = path
        self._descriptor = -1
        self._identity: tuple[int, int] | None = None
        self._named = False
        self._torn = False
        self._synced = 0, self.digest.copy()

    @property
    def exists(self) -> bool:
        """Whether the file was created."""
        return self._identity is not None

    @property
    def is_open(self) -> bool:
        """Whether the file has a descriptor."""
        return self._descriptor >= 0

    @property
    def is_synced(self) -> bool:
        """Whether everything in it is on disk."""
        return self.size == self._synced[0]

    def append(self, data: bytes) -> int:
        """Append bytes and return their offset. They are surely on disk only after `sync`."""
        self.repair()
        self._torn = True
        write_all(self._descriptor, data)
        self._torn = False
        offset, self.size = self.size, self.size + len(data)
        self.digest.update(data)
        return offset

    def sync(self) -> None:
        """Wait until everything is on disk. If that fails, bytes since the last sync are no part of the file any more.

        Linux forgets what it could not write, and the next sync would succeed; so it is not enough to sync again.
        """
        try:
            os.fdatasync(self._descriptor)
        except OSError:
            self.size, self.digest = self._synced
            self.digest = self.digest.copy()
            self._torn = True
            raise
        self._synced = self.size, self.digest.copy()

    def repair(self) -> None:
        """Open the file and cut off a partial write."""
        self._open()
        if not self._named:
            sync_folder(self._path.parent)
            self._named = True
        if self._torn:
            os.ftruncate(self._descriptor, self.size)
            os.fdatasync(self._descriptor)
            self._torn = False

    def repair_if_torn(self) -> None:
        """Cut off a partial write, if there is one, so that the file holds nothing that was not announced."""
        if self._torn:
            self.repair()

    def close(self) -> None:
        """Release the descriptor; the next `append` opens the file again. Idempotent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _open(self) -> None:
        if self._descriptor >= 0:
            return
        if self._identity is None:
            self._descriptor = os.open(self._path, APPEND | os.O_EXCL, FILE_MODE)
            self._identity = _identify(self._descriptor)
            return
        descriptor = os.open(self._path, _AGAIN)
        if _identify(descriptor) != self._identity:
            os.close(descriptor)
            raise OSError(errno.ESTALE, "another file stands in the place of this one")
        self._descriptor = descriptor


def write_all(descriptor: int, data: bytes) -> None:
    """Write every byte."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _identify(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino
