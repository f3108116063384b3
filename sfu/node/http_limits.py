"""What a stranger may take of the HTTP side before anybody has asked for a token. Times in seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """Bounds of one listener."""

    connections: int = 8192
    """Open at once. At the limit those that wait for a request make room, the longest waiting first."""
    connections_per_address: int = 1024
    """Of these from one address (IPv6: one network of 64 bits); a trusted proxy's do not count."""
    head_bytes: int = 16384
    """Request line and headers of one request."""
    pipelined_bytes: int = 4096
    """What may wait behind a request that is being answered."""
    held_bytes: int = 16 << 20
    """Of unfinished heads and pipelined requests, over all connections; and as much again of answers nobody reads."""
    head_timeout: float = 10.0
    """From the connection, or from a request's first byte, to the end of its headers."""
    request_timeout: float = 30.0
    """From a request's first byte to the last of its body."""
    idle_timeout: float = 5.0
    """Between two requests of one connection."""
    send_timeout: float = 30.0
    """A client that takes nothing of an answer for so long is left."""
    linger_timeout: float = 2.0
    """After an answer that came before the request's end the rest is read and dropped so long, or the client's system
    would throw the answer away with the connection (RFC 9112 section 9.6).
    """
    linger_bytes: int = 4 << 20
    """And at most so much of it."""
