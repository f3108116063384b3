"""File descriptors: as many as the system gives, some of which are reserved for media and records."""

from __future__ import annotations

import resource
from dataclasses import dataclass

from sfu.recording.store import DESCRIPTORS as RECORD_DESCRIPTORS

_MOST = 1 << 20
"""The largest limit that is set: more are of no use, and some systems take no larger one."""
_PROCESS = 64
"""Descriptors for standard streams, event loops, logs, lookups, and files of pages while they are sent."""
_SHARD = 8
"""Descriptors of a shard: a media socket, and what wakes its thread and the loop."""


_TCP = 3
"""Of a connection that comes by TLS or carries media: its own, and a pair towards the HTTP server or two legs."""


@dataclass(frozen=True, slots=True)
class DescriptorPlan:
    """How many descriptors there are, and what they are for."""

    limit: int
    """The limit of the process."""
    reserved: int
    """Descriptors for media sockets, records and the process itself, which HTTP connections never take."""
    http: int
    """HTTP connections at once: as many as wanted, if the limit allows."""
    tcp: int
    """Connections at once that come by TLS or carry media: as many as wanted, if that takes no more than a quarter."""
    wanted: int
    """The limit that all settings together would need."""

    @property
    def is_low(self) -> bool:
        """Whether the limit is too low for the settings."""
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


def plan_descriptors(
    limit: int, *, connections: int, shards: int, recordings: int, folders: int, tcp: int = 0
) -> DescriptorPlan:
    """Divide `limit`: media and records come first, and HTTP `connections` get what is left.

    `recordings` is how many run at once, each in `folders` folders; `tcp` is how many connections come by TLS or carry
    media. HTTP may always have a quarter of the limit.
    """
    needed = _PROCESS + _SHARD * shards + RECORD_DESCRIPTORS * recordings * folders
    given = min(tcp, max(limit - needed, 0) // 4 // _TCP)
    reserve = needed + _TCP * given
    http = min(connections, max(limit - reserve, limit // 4))
    return DescriptorPlan(limit, min(reserve, limit - http), http, given, needed + _TCP * tcp + connections)
