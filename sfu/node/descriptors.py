"""File descriptors: as many as the system gives, and some of them kept from HTTP, for media and records."""

from __future__ import annotations

import resource
from dataclasses import dataclass

from sfu.recording.store import DESCRIPTORS as RECORD_DESCRIPTORS

_MOST = 1 << 20
"""More are of no use, and some systems take no larger limit."""
_PROCESS = 64
"""Standard streams, event loops, logs, lookups, and files of pages while they are sent."""
_SHARD = 8
"""A media socket, and what wakes its thread and the loop."""


@dataclass(frozen=True, slots=True)
class DescriptorPlan:
    """Who may have how many."""

    limit: int
    """Of the process."""
    reserved: int
    """For media sockets, records and the process itself: HTTP connections never take these."""
    http: int
    """HTTP connections at once, as far as the limit allows what is wanted."""
    wanted: int
    """A limit with which everything that is set could be had."""

    @property
    def is_low(self) -> bool:
        """Whether something that is set cannot be had."""
        return self.limit < self.wanted


def raise_limit() -> int:
    """Raise the soft limit of open files to the hard one; return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST if hard == resource.RLIM_INFINITY else min(hard, _MOST)
    if soft == resource.RLIM_INFINITY or soft >= most:
        return most if soft == resource.RLIM_INFINITY else soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    except (OSError, ValueError):  # some containers forbid even that
        return soft
    return most


def plan_descriptors(limit: int, *, connections: int, shards: int, recordings: int, folders: int) -> DescriptorPlan:
    """Divide `limit`: first media and records, then what is left of it to HTTP `connections`.

    `recordings`: at once, each in so many `folders`. Where there are too few even for these, HTTP has a quarter.
    """
    reserve = _PROCESS + _SHARD * shards + RECORD_DESCRIPTORS * recordings * folders
    http = min(connections, max(limit - reserve, limit // 4))
    return DescriptorPlan(limit, min(reserve, limit - http), http, reserve + connections)
