"""Which TSNs have come, and what a SACK has to say of them (RFC 9260 section 6.2)."""

from __future__ import annotations

import bisect

from sfu.transport.sctp.packet import unwrap

MAX_AHEAD = 8192
"""TSNs beyond the cumulative one that are taken."""

MAX_BLOCKS = 128
"""Stretches beyond the cumulative TSN that are kept apart; what would make another one is dropped, and comes again."""


class Arrivals:
    """The TSNs that have come, as the cumulative one and stretches beyond it."""

    def __init__(self, first: int) -> None:
        """`first`: the initial TSN that the peer has named."""
        self.cumulative = first - 1
        self._begins: list[int] = []
        self._ends: list[int] = []

    @property
    def gaps(self) -> bool:
        """Whether something is missing."""
        return bool(self._begins)

    @property
    def blocks(self) -> list[tuple[int, int]]:
        """The gap ack blocks of a SACK."""
        base = self.cumulative
        return [(begin - base, end - base) for begin, end in zip(self._begins, self._ends, strict=True)]

    def unwrap(self, tsn: int) -> int:
        """A TSN of the wire as a number that does not wrap."""
        return unwrap(tsn, self.cumulative)

    def add(self, tsn: int) -> bool:
        """Note that one has come; False: it had come before, or is too far ahead."""
        if tsn == self.cumulative + 1:
            self._advance(tsn)
            return True
        if not self.cumulative < tsn <= self.cumulative + MAX_AHEAD:
            return False
        begins, ends = self._begins, self._ends
        place = bisect.bisect_right(begins, tsn)
        if place and tsn <= ends[place - 1]:
            return False
        joins_before = place > 0 and ends[place - 1] == tsn - 1
        joins_after = place < len(begins) and begins[place] == tsn + 1
        if joins_before and joins_after:
            ends[place - 1] = ends.pop(place)
            del begins[place]
        elif joins_before:
            ends[place - 1] = tsn
        elif joins_after:
            begins[place] = tsn
        elif len(begins) >= MAX_BLOCKS:
            return False
        else:
            begins.insert(place, tsn)
            ends.insert(place, tsn)
        return True

    def skip(self, tsn: int) -> bool:
        """What is missing up to `tsn` will not come any more; False: nothing was, or it is too far ahead."""
        if not self.cumulative < tsn <= self.cumulative + MAX_AHEAD:
            return False
        self._advance(tsn)
        return True

    def _advance(self, tsn: int) -> None:
        self.cumulative = tsn
        while self._begins and self._begins[0] <= self.cumulative + 1:
            del self._begins[0]
            self.cumulative = max(self.cumulative, self._ends.pop(0))
