"""Which connectivity checks were seen before: one that was captured can be sent again by who knows no password."""

from __future__ import annotations

REMEMBERED = 1024
"""Of one connection: three quarters of an hour of a browser's checks."""

_OCTETS = 8  # of the twelve of an id (RFC 8489 section 5), which are random


class Transactions:
    """The ids of a connection's latest checks: 8 kB at most."""

    def __init__(self) -> None:
        self._ids = bytearray()
        self._next = 0

    def is_new(self, transaction_id: bytes) -> bool:
        """Whether an authentic check with this id (12 octets) was not seen before; from now on it was."""
        known = transaction_id[-_OCTETS:]
        at = self._ids.find(known)
        while at >= 0 and at % _OCTETS:  # between two ids
            at = self._ids.find(known, at + 1)
        if at >= 0:
            return False
        if len(self._ids) < _OCTETS * REMEMBERED:
            self._ids += known
        else:
            self._ids[self._next : self._next + _OCTETS] = known
            self._next = (self._next + _OCTETS) % len(self._ids)
        return True
