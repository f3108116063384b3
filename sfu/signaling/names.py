"""Names that arrive from outside: rooms and peers.

A room's name is part of URLs and of metrics, so it is a plain ASCII word. A peer's name is what a person calls
herself, so it may be any printable text of bounded length; it is normalised (NFC) so that one name has one spelling.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

ROOM_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}")
PEER_LENGTH = 64
"""Longest peer name, in code points."""
_PEER_BYTES = 256
_PLAIN_PEER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.~@\-]{0,63}")


class InvalidName(ValueError):
    """A name that breaks the rules; the message says which rule."""


def parse_room_name(text: str) -> str:
    """Return `text` if it may name a room: 1 to 64 of ASCII letters, digits, `_`, `.`, `-`, not led by a mark."""
    if ROOM_PATTERN.fullmatch(text) is None:
        raise InvalidName(
            "A room's name is 1 to 64 ASCII letters, digits, '_', '.' or '-', and starts with a letter or a digit."
        )
    return text


def parse_peer_name(text: str) -> str:
    """Return `text` normalised (NFC) if it may name a peer: 1 to 64 printable characters, single inner spaces only."""
    if _PLAIN_PEER.fullmatch(text):
        return text
    name = unicodedata.normalize("NFC", text[: PEER_LENGTH * 4])
    if not 1 <= len(name) <= PEER_LENGTH or len(name.encode("utf-8", "surrogatepass")) > _PEER_BYTES:
        raise InvalidName(f"A peer's name is 1 to {PEER_LENGTH} characters long.")
    # str.isprintable is false for control, format, surrogate and unassigned characters and for every space but U+0020.
    if not name.isprintable():
        raise InvalidName("A peer's name holds printable characters only.")
    if name != " ".join(name.split(" ")).strip() or "  " in name:
        raise InvalidName("A peer's name has no space at its ends and no two in a row.")
    return name


def generate_peer_name(random: Callable[[int], bytes]) -> str:
    """A name for a peer that brought none. `random(n)` returns n random bytes."""
    return f"peer-{random(6).hex()}"
