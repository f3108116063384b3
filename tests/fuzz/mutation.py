"""Inputs that are nearly right."""

from __future__ import annotations

import random


def mutated(data: bytes, chance: random.Random) -> bytes:
    """A few bits turned over, octets replaced, put in or taken out, or the end cut off; the target stays."""
    octets = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(1, len(octets))
        match chance.randrange(6):
            case 0 | 1:
                octets[at] ^= 1 << chance.randrange(8)
            case 2:
                octets[at] = chance.choice([0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)])
            case 3:
                octets.insert(at, chance.randrange(256))
            case 4 if len(octets) > 2:
                del octets[at]
            case _ if len(octets) > 2:
                del octets[chance.randrange(2, len(octets)) :]
    return bytes(octets)
