"""How long the body of a request is."""

from __future__ import annotations

CHUNKED = -1
"""It comes in chunks, and ends with the last of them."""


def read_body_length(headers: list[tuple[bytes, bytes]]) -> int:
    """Return the length of the body (RFC 9112 section 6.3), which the parser has checked; `CHUNKED` if it comes in
    chunks.
    """
    length = 0
    for name, value in headers:
        if name == b"transfer-encoding":
            return CHUNKED
        if name == b"content-length":
            length = int(value)
    return length
