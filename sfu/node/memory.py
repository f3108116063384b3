"""How much memory this process may take."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def find_memory_limit(root: Path = Path("/")) -> int:
    """Return the least of what the machine has and what its control groups allow, in bytes; `root` is for tests."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min([machine, *_read_limits(root)])


def _read_limits(root: Path) -> Iterator[int]:
    """Those of each group that this process is in, from version 1 or 2 of control groups (cgroups(7))."""
    try:
        groups = (root / "proc/self/cgroup").read_text("ascii").splitlines()
    except OSError:
        return
    for line in groups:
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        top, name = (
            ("sys/fs/cgroup/memory", "memory.limit_in_bytes") if controllers else ("sys/fs/cgroup", "memory.max")
        )
        folder = Path(path.strip("/"))
        for each in (folder, *folder.parents):
            try:
                text = (root / top / each / name).read_text("ascii").strip()
            except OSError:
                continue  # not there, as at the root
            if text.isdecimal():  # else "max"
                yield int(text)
