"""Reads how much of the machine the node takes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from sfu import Server
from sfu.node.admission.free_space import FreeSpace
from sfu.node.admission.load import Readings
from sfu.node.memory import find_memory_limit

_SPACE_S = 10.0
"""Seconds between two looks at the disks."""


class Reader:
    """Call it in the thread of the event loop, whose own processor time it reads, too."""

    def __init__(
        self,
        server: Server,
        space: FreeSpace,
        *,
        descriptors: int = 0,
        http_connections: Callable[[], int] = lambda: 0,
        clock: Callable[[], float] = time.monotonic,
        root: Path = Path("/"),
    ) -> None:
        """`descriptors`: how many there are for all but HTTP connections, of which `http_connections` tells how many
        there are now; 0: they are not measured. `root` is for tests.
        """
        self._server = server
        self._space = space
        self._descriptors = descriptors
        self._http_connections = http_connections
        self._clock = clock
        self._self = root / "proc/self"
        self._memory_limit = find_memory_limit(root)
        self._page = os.sysconf("SC_PAGE_SIZE")
        self._space_at = 0.0

    def __call__(self) -> Readings:
        """What there is to read now."""
        now = self._clock()
        if now >= self._space_at:
            self._space_at = now + _SPACE_S
            self._space.refresh()
        return Readings(
            now,
            [stats.cpu_s for stats in self._server.shard_stats()],
            time.thread_time(),
            self._read_memory(),
            self._read_descriptors(),
            self._space.bytes,
        )

    def _read_memory(self) -> float:
        resident = int((self._self / "statm").read_text("ascii").split()[1])
        return resident * self._page / self._memory_limit

    def _read_descriptors(self) -> float:
        if not self._descriptors:
            return 0.0
        folder = self._self / "fd"
        count = folder.stat().st_size or len(os.listdir(folder))  # Linux tells the number as the size since 6.2
        return max(0, count - self._http_connections()) / self._descriptors
