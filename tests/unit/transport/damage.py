"""Messages that are damaged on their way."""

from __future__ import annotations

from collections.abc import Iterator


def flip_each_bit(data: bytes) -> Iterator[bytes]:
    """The same with one bit turned over, for each bit."""
    for position in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[position // 8] ^= 1 << position % 8
        yield bytes(flipped)
