"""Names that arrive from outside: rooms and peers.

A room's name is part of URLs and of metrics, so it is a plain ASCII word. A peer's name is what people call themselves,
so it may be any visible text of bounded length.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from sfu.errors import InvalidNameError
from sfu.rooms.names import parse_name

ROOM_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}")
PEER_LENGTH = 64
"""Longest peer name, in code points."""


def parse_room_name(text: str) -> str:
    """Return `text` if it may name a room: 1 to 64 of ASCII letters, digits, `_`, `.`, `-`, the first of them a letter
    or digit.

    Raises:
        InvalidNameError: the text may not name a room.
    """
    if ROOM_PATTERN.fullmatch(text) is None:
        raise InvalidNameError(
            "A room's name is 1 to 64 ASCII letters, digits, '_', '.' or '-', and starts with a letter or a digit."
        )
    return text


def parse_peer_name(text: str) -> str:
    """Return `text` in its normal form if it may name a peer; see `sfu.rooms.names.parse_name`."""
    return parse_name("peer", text, PEER_LENGTH)


def generate_peer_name(random: Callable[[int], bytes]) -> str:
    """Return a name for a peer that brought none. `random(n)` returns n random bytes."""
    return f"peer-{random(6).hex()}"
