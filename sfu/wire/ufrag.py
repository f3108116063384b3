"""Our user fragments (RFC 8445 section 5.3), as numbers."""

from __future__ import annotations

UFRAG_BYTES = 8
"""Length of the user fragments that we give out."""


def pack_ufrag(ufrag: str) -> int:
    """Return a local user fragment as the number that `parse_ufrag` returns. Raises ValueError if it is none of
    ours.
    """
    raw = ufrag.encode("ascii")
    if len(raw) != UFRAG_BYTES:
        raise ValueError(f"user fragment {ufrag!r} has not {UFRAG_BYTES} characters")
    return int.from_bytes(raw)
