"""What the targets that describe single packets begin with: rows to write to, and a buffer around the input."""

from __future__ import annotations

import numpy as np

from sfu.wire.kernels.rtp import PACKET

from .loop import loop
from .mutate import Octets
from .target import Words, any_set, copy_octets, fill_octets

HEAD_BYTES = 2
"""Of an input, before what is parsed: mostly which parser, and a detail."""
BEFORE, AFTER = 9, 40
"""So many octets stand around the input the second time that it is parsed."""
ROW, ROWS = 1, 3
"""The row that is written, of so many."""
ROW_WORDS = PACKET.itemsize // 8
FILLING = 0xFF


class Rows:
    """Batches of packets, reused, and the buffer with something before and after the input."""

    def __init__(self, batches: int, longest: int) -> None:
        self.packets = np.zeros((batches, ROWS), PACKET)
        self.words = self.packets.view(np.int64).reshape(batches, ROWS * ROW_WORDS)
        """The same, to compare and to clear."""
        self.amid = np.full(BEFORE + longest + AFTER, FILLING, np.uint8)


@loop
def surround(value: Octets, amid: Octets) -> None:
    """Put an input into the middle."""
    end = BEFORE + len(value)
    copy_octets(value, amid[BEFORE:end])
    fill_octets(amid[end : end + AFTER], FILLING)


@loop
def others_set(words: Words) -> bool:
    """Whether anything was written to the other rows of a batch."""
    return any_set(words[: ROW * ROW_WORDS]) or any_set(words[(ROW + 1) * ROW_WORDS :])
