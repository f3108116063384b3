"""What a stranger may take of the HTTP side before a token is checked. Times are in seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """Bounds of one listener."""

    connections: int = 8192
    """Connections open at once. At the limit, those that wait for a request make room, the longest waiting first."""
    connections_per_address: int = 1024
    """Connections open at once from one address (IPv6: one network of 64 bits); a trusted proxy's do not count."""
    connection_rate_per_address: float = 200.0
    """New connections a second from one address: to accept one costs as much as two answers. A trusted proxy's do not
    count.
    """
    connection_burst_per_address: int = 8192
    """New connections at once from one address: each browser of the 300 people below opens six, and six again on its
    return.
    """
    requests_per_address: float = 200.0
    """Whole requests a second without a valid token, from one address (IPv6: one network of 64 bits)."""
    request_burst_per_address: int = 16384
    """Such requests at once. In a hearing 300 people may come from one address within seconds. Each loads the page, 44
    files with those of its figures, which makes 13,200; another 3,100 are left for those who look for a token, reload
    or return. Meanwhile another 200 a second are allowed.
    """
    requests_per_token: float = 200.0
    """Whole requests a second with one valid token; they count for no address."""
    request_burst_per_token: int = 16384
    """Such requests at once. A client that joins asks for the room, its events and its own session (6 requests, with
    trickling), and sends 5 for each publisher (WHEP, trickling, its events, layers). With 30 publishers that is 160 a
    person; 100 people with one token (as many peers as one token may bring) send 16,000. Of 300 people with a token
    each, none comes near it.
    """
    request_buckets: int = 65536
    """Clients whose requests are remembered, about 200 bytes each; beyond that, the one that was heard least lately
    begins anew.
    """
    requests_at_once: int = 16
    """Requests that begin in one round of the event loop, some 5 ms; others wait, each client's in turn."""
    head_bytes: int = 16384
    """Bytes of the request line and headers of one request."""
    pipelined_bytes: int = 4096
    """Bytes that may wait behind a request that is being answered."""
    held_bytes: int = 16 << 20
    """Bytes of unfinished heads and pipelined requests over all connections, and as many again of answers that nobody
    reads.
    """
    head_timeout: float = 10.0
    """Longest time from the connection, or from a request's first byte, to the end of its headers."""
    request_timeout: float = 30.0
    """Longest time from a request's first byte to the last of its body."""
    idle_timeout: float = 5.0
    """Longest time between two requests of one connection."""
    send_timeout: float = 30.0
    """Time after which a client that takes nothing of an answer is cut off."""
    linger_timeout: float = 2.0
    """Longest time in which the rest of a request is read and dropped after an early answer: otherwise the client's
    system could throw the answer away with the connection (RFC 9112 section 9.6).
    """
    linger_bytes: int = 4 << 20
    """Most bytes that are read and dropped after an early answer."""
