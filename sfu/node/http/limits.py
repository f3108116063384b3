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
    connection_rate_per_address: float = 200.0
    """New connections a second from one address: to accept one costs as much as two answers. A trusted proxy's do not
    count.
    """
    connection_burst_per_address: int = 8192
    """And so many at once: of the 300 people below each browser opens six, and as many again when they come back."""
    requests_per_address: float = 200.0
    """Whole requests a second without a valid token, from one address (IPv6: one network of 64 bits)."""
    request_burst_per_address: int = 16384
    """And so many at once. A hearing of 300 people who come from one address within seconds: each loads the page, 42
    files with those of its figures, which makes 12,600; another 3,700 are left for who looks for a token, loads again
    or comes back. In the meantime 200 a second come on top.
    """
    requests_per_token: float = 200.0
    """The same with a valid token; such requests count for no address."""
    request_burst_per_token: int = 16384
    """Who joins asks for the room, its events and its own session (6 requests, with trickling), and for each publisher
    5 (WHEP, trickling, its events, layers). With 30 publishers that is 160 a person; 100 people with one token (as many
    peers as one token may bring) send 16,000. Of 300 people with a token each, none comes near it.
    """
    request_buckets: int = 65536
    """Clients that are remembered, about 200 bytes each; beyond that, who was heard least lately begins anew."""
    requests_at_once: int = 16
    """Begun in one round of the event loop, some 5 ms; the others wait, each client's in turn."""
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
