"""What a server costs: CPU time of its processes, of its core's softirq thread, of its core as a whole.

The receivers' half of the network stack runs as softirq in the sender's context and so is part of the
server's own time, for every server alike; what the kernel defers runs in `ksoftirqd/N` and is added.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_CPUCLOCK_SCHED = 2


@dataclass(frozen=True)
class CpuSample:
    """Readings at one moment, seconds since some fixed start."""

    wall_s: float
    process_s: float
    softirq_s: float
    core_idle_s: float
    main_thread_s: float = 0.0  # of process_s, what the processes' first threads used

    def since(self, earlier: CpuSample) -> CpuUse:
        """What was used between the two samples."""
        wall = self.wall_s - earlier.wall_s
        return CpuUse(
            wall_s=wall,
            process_s=self.process_s - earlier.process_s,
            softirq_s=self.softirq_s - earlier.softirq_s,
            core_busy_s=max(wall - (self.core_idle_s - earlier.core_idle_s), 0.0),
            main_thread_s=self.main_thread_s - earlier.main_thread_s,
        )


@dataclass(frozen=True)
class CpuUse:
    """CPU seconds used in `wall_s`."""

    wall_s: float
    process_s: float
    softirq_s: float
    core_busy_s: float  # everything on the core, other programs included
    main_thread_s: float = 0.0

    @property
    def server_s(self) -> float:
        """The server's share: its processes and its core's softirq thread."""
        return self.process_s + self.softirq_s


def sample(root_pid: int, core: int) -> CpuSample:
    """Read all clocks for the tree under `root_pid`, pinned to `core`."""
    tree = process_tree(root_pid)
    return CpuSample(
        wall_s=time.monotonic(),
        process_s=sum(process_time_s(pid) for pid in tree),
        softirq_s=softirq_time_s(core),
        core_idle_s=parse_core_idle_s((_PROC / "stat").read_text(), core),
        main_thread_s=sum(main_thread_time_s(pid) for pid in tree),
    )


def process_time_s(pid: int) -> float:
    """User and system time of a process with all its threads, to the nanosecond (clock_getcpuclockid(3))."""
    return time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED)


def main_thread_time_s(pid: int) -> float:
    """User and system time of a process's first thread: where it is an interpreter's, what that used."""
    return int((_PROC / str(pid) / "task" / str(pid) / "schedstat").read_text().split()[0]) / 1e9


def process_tree(root_pid: int) -> list[int]:
    """`root_pid` and its descendants."""
    tree = [root_pid]
    for pid in tree:
        for task in (_PROC / str(pid) / "task").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # threads end, as those of a pool do
                tree += [int(child) for child in (task / "children").read_text().split()]
    return tree


def softirq_time_s(core: int) -> float:
    """CPU time of the core's `ksoftirqd` thread; 0 where it can not be seen (another pid namespace)."""
    pid = _softirq_pid(core)
    return 0.0 if pid is None else process_time_s(pid)


_softirq_pids: dict[int, int | None] = {}


def _softirq_pid(core: int) -> int | None:
    if core not in _softirq_pids:
        found = None
        for entry in _PROC.iterdir():
            if entry.name.isdigit():
                try:
                    name = (entry / "comm").read_text().strip()
                except (FileNotFoundError, ProcessLookupError):
                    continue  # it ended meanwhile
                if name == f"ksoftirqd/{core}":
                    found = int(entry.name)
        _softirq_pids[core] = found
    return _softirq_pids[core]


def parse_core_idle_s(stat: str, core: int) -> float:
    """Idle and I/O-wait seconds of a core from the text of /proc/stat."""
    for line in stat.splitlines():
        words = line.split()
        if words and words[0] == f"cpu{core}":
            return (int(words[4]) + int(words[5])) / _TICKS
    raise ValueError(f"/proc/stat has no cpu{core}")


def resident_bytes(root_pid: int) -> int:
    """Resident memory of the process tree."""
    return sum(int((_PROC / str(pid) / "statm").read_text().split()[1]) * _PAGE_BYTES for pid in process_tree(root_pid))
