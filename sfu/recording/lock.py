"""Who writes a record holds a lock on its ledger (flock(2)): it ends with the process, whatever ends that."""

from __future__ import annotations

import fcntl


def lock_for_writing(descriptor: int) -> bool:
    """Lock an open ledger for its one writer; False when it is in use. The lock ends when the file is closed."""
    return _lock(descriptor, fcntl.LOCK_EX)


def lock_for_reading(descriptor: int) -> bool:
    """Lock an open ledger against writers; False when one writes it now. Many may read at once."""
    return _lock(descriptor, fcntl.LOCK_SH)


def _lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
