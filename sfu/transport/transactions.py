"""Recognises repeated connectivity checks: whoever captures one can send it again without knowing a password."""

from __future__ import annotations

from typing import Protocol

REMEMBERED = 1024
"""Transaction ids that are remembered of one connection: three quarters of an hour of a browser's checks."""

_OCTETS = 8  # of the twelve of an id (RFC 8489 section 5), which are random


class Memory(Protocol):
    """Tells the checks of one connection that are new from those that are sent again."""

    def is_new(self, transaction_id: bytes) -> bool:
        """Whether the id (12 octets) of an authentic check is new; it is remembered from now on."""
        ...


class Transactions:
    """The ids of a connection's latest checks, where nobody else answers any: 8 kB at most."""

    def __init__(self) -> None:
        self._ids = bytearray()
        self._next = 0

    def is_new(self, transaction_id: bytes) -> bool:
        """Whether the id (12 octets) of an authentic check is new; it is remembered from now on."""
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
