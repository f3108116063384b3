"""How much a shard does, and whether it keeps up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ShardStats:
    """One shard as it is now."""

    index: int
    """Its number, from 0."""
    udp_port: int
    """The port of its media socket."""
    connections: int
    """Connections on it."""
    cpu_s: float | None
    """Processor time that its plane's thread has taken since the start, in seconds; None where that cannot be told."""
    lost_messages: int | None
    """What came in and found the socket's buffer full, since the start: datagrams, or several that the system had put
    together (UDP GRO). None where the system does not tell.
    """
