"""Where connections by TCP are led, and what they may take."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass

from sfu.wire.sockaddr import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpLimits:
    """What clients may take. Times in seconds."""

    connections: int = 4096
    """TLS, TURN and ICE-TCP together. Whoever accepts bounds those of one address; see `Ways.enter`."""
    first_timeout: float = 10.0
    """Until its first octets, its TLS handshake and its allocation have come."""
    silence: float = 60.0
    """Clients of ICE-TCP send checks all the time; an allocation of TURN has an end of its own."""
    stall: float = 30.0
    """How long one may take nothing of what waits for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """Where the mux leads."""

    find_port: Callable[[bytes], int | None]
    """The UDP port of the shard for which a connectivity check is; None: nobody knows it."""
    set_origin: Callable[[Address, Address | None, bool], None]
    """What comes to the shards from an address is of a client elsewhere, by TCP or not; None: no longer."""
    media_host: str
    """Where the shards' ports are reached from here."""
    enter: Callable[[str], bool]
    """Count one more of an IP address, as an accepted connection is; False: there are enough."""
    left: Callable[[str], None]
    """Of an IP address a connection, which was counted as one of HTTP, is none."""


def name_media_host(host: str) -> str:
    """Where a shard that binds `host` is reached from its own machine."""
    bound = ipaddress.ip_address(host)
    return "127.0.0.1" if bound.is_unspecified else str(bound)
