"""The ids that the protocol shows: a prefix, and twelve characters that nobody can guess."""

from __future__ import annotations

import secrets

_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_LENGTH = 12

PARTICIPANT, ROOM, TRACK, DATA_TRACK, NODE = "PA_", "RM_", "TR_", "DTR_", "ND_"


def new_sid(prefix: str) -> str:
    """A new id; twelve characters of 58 are 70 bits."""
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
