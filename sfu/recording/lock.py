"""Who writes a record holds a lock on its ledger (flock(2)): it ends with the process, whatever ends that."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from sfu.recording.errors import InUseError, RecordError
from sfu.recording.folder import LEDGER


def lock_for_writing(descriptor: int) -> bool:
    """Lock an open ledger for its one writer; False when it is in use. The lock ends when the file is closed."""
    return _lock(descriptor, fcntl.LOCK_EX)


def lock_for_reading(descriptor: int) -> bool:
    """Lock an open ledger against writers; False when one writes it now. Many may read at once."""
    return _lock(descriptor, fcntl.LOCK_SH)


def open_to_continue(path: Path) -> int:
    """Open the ledger of a record that somebody else began, locked for writing.

    Raises RecordError; InUseError while somebody else writes or verifies it.
    """
    flags = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path / LEDGER, flags)
    except OSError as error:
        raise RecordError(path, f"this folder has no {LEDGER} that can be written: {error.strerror}") from error
    if not lock_for_writing(descriptor):
        os.close(descriptor)
        raise InUseError(path, "this record is still being written, or somebody verifies it now")
    return descriptor


def _lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
