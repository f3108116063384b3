"""The free space of disks, read in a thread, since a disk that hangs must not hold up a scrape or the server."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path


class FreeSpace:
    """That of the disks of some folders."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = tuple(folders)
        self._asking: threading.Thread | None = None
        self.bytes: dict[int, int] = {}
        """By place, as found last. A disk that cannot be asked is missing."""
        self._ask()

    def refresh(self) -> None:
        """Read the free space anew, unless the last reading is still under way."""
        if self._folders and (self._asking is None or not self._asking.is_alive()):
            self._asking = threading.Thread(target=self._ask, name="sfu-free-space", daemon=True)
            self._asking.start()

    def _ask(self) -> None:
        found = {}
        for place, folder in enumerate(self._folders):
            try:
                status = os.statvfs(folder)
            except OSError:
                continue  # its series ends, and a recorder that writes there raises an alarm
            found[place] = status.f_bavail * status.f_frsize
        self.bytes = found
