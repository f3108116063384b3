"""The identification of media sections (RFC 5888, RFC 9143), made up where the client gives none."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .errors import NegotiationError
from .sdp import MediaDescription

__all__ = ["is_carried", "is_made_up", "mid_on_wire", "read_mids"]

_MID = re.compile(r"[^\s]{1,64}")
# 16 octets are what a one-byte header extension can carry (RFC 8285 section 4.2).
_CARRIED = re.compile(r"[!-~]{1,16}")


def is_made_up(mid: str) -> bool:
    """Whether we have made up the mid: such a one holds a space, which no mid of a client can."""
    return " " in mid


def is_carried(mid: str) -> bool:
    """Whether packets can carry the mid (RFC 9143 section 15.2) and the client knows it."""
    return _CARRIED.fullmatch(mid) is not None


def mid_on_wire(mid: str) -> str:
    """Return the mid that packets of a section carry, or "" where they cannot carry it."""
    return mid if is_carried(mid) else ""


def read_mids(sections: Sequence[MediaDescription], former: Sequence[str] = ()) -> list[str]:
    """Return each section's mid; one that has none keeps the mid its place had before (`former`), or gets a new one.

    RFC 8829 section 5.10 requires mids to be made up. Raises `NegotiationError` for two open sections with one mid, and
    for a mid that cannot stand in a BUNDLE group.
    """
    given = [media.attributes.first("mid") or "" for media in sections]
    in_use = [mid for mid, media in zip(given, sections, strict=True) if media.open]
    mids: list[str] = []
    for index, (media, mid) in enumerate(zip(sections, given, strict=True)):
        usable = _MID.fullmatch(mid) is not None and mid not in mids
        if media.open and mid and not usable:
            rule = (
                "two media sections have it; each takes one of its own" if mid in mids else "takes 1 to 64 characters"
            )
            raise NegotiationError(f"a=mid:{mid[:20]} of media section {index + 1}: {rule}, or none")
        if usable and (media.open or mid not in in_use):
            mids.append(mid)
            continue
        before = former[index] if index < len(former) else ""
        mids.append(before if before and before not in given and before not in mids else f"section {index + 1}")
    return mids
