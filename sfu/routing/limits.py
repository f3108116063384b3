"""How much a plane holds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PlaneLimits:
    """The numbers of rows of a plane's tables, which do not grow."""

    connections: int = 2048
    tracks: int = 2048
    encodings: int = 4096
    subscriptions: int = 65536
    logs: int = 8192
    """Subscriptions that can ask for packets again by RTX; each takes 12 kB once it is used."""
    history: int = 16384
    """Packets that are kept for repeats, of all tracks together; each takes 2 kB."""
    resent: int = 1024
    """Subscriptions without RTX that can ask for packets again; each takes 256 kB once it is used, of audio 32 kB."""
