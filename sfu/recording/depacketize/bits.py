"""Bits of a header, read in order."""

from __future__ import annotations

_MAX_ZEROS = 31


class BitReader:
    """The bits of `data`, the highest of each octet first; beyond the end come zeros, and `exhausted` is set."""

    __slots__ = ("_bits", "_left", "_total", "exhausted")

    def __init__(self, data: bytes) -> None:
        self._bits = int.from_bytes(data)
        self._total = self._left = 8 * len(data)
        self.exhausted = False

    @property
    def at(self) -> int:
        """Number of bits that have been read."""
        return self._total - self._left

    def read(self, count: int) -> int:
        """Read the next `count` bits as an unsigned number."""
        self._left -= count
        if self._left < 0:
            self.exhausted = True
            return 0
        return self._bits >> self._left & ((1 << count) - 1)

    def skip(self, count: int) -> None:
        """Skip bits."""
        self._left -= count
        if self._left < 0:
            self.exhausted = True

    def read_golomb(self) -> int:
        """Read an unsigned Exp-Golomb number: ue(v) of H.264 section 9.1, and uvlc() of AV1 section 4.10.3."""
        zeros = 0
        while not self.read(1):
            zeros += 1
            if zeros > _MAX_ZEROS or self.exhausted:
                self.exhausted = True
                return 0
        return (1 << zeros) - 1 + self.read(zeros)

    def read_signed_golomb(self) -> int:
        """Read a signed Exp-Golomb number: se(v) of H.264 section 9.1.1."""
        code = self.read_golomb()
        return (code + 1) >> 1 if code & 1 else -(code >> 1)
