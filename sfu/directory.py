"""Which connection a datagram of the control side belongs to."""

from __future__ import annotations

import collections
from collections.abc import Iterable
from typing import Generic, TypeVar

from sfu.transport import Address

Member = TypeVar("Member")

MAX_ADDRESSES = 8
"""Source addresses remembered for one connection; a client that roams drops its oldest."""


class Directory(Generic[Member]):
    """Finds a member by its local ICE user fragment, or by an address at which it passed a check."""

    def __init__(self) -> None:
        self._by_ufrag: dict[str, Member] = {}
        self._by_address: dict[Address, Member] = {}
        self._ufrags: dict[Member, set[str]] = {}
        self._addresses: dict[Member, collections.deque[Address]] = {}

    def set_ufrags(self, member: Member, ufrags: Iterable[str]) -> None:
        """Let exactly these user fragments lead to `member`."""
        wanted = set(ufrags)
        if self._ufrags.get(member) == wanted:
            return
        for ufrag in self._ufrags.get(member, set()) - wanted:
            del self._by_ufrag[ufrag]
        for ufrag in wanted:
            self._by_ufrag[ufrag] = member
        self._ufrags[member] = wanted

    def add_address(self, member: Member, address: Address) -> None:
        """Let `address` lead to `member`; the newest claim wins, since it passed the newest check."""
        self._by_address[address] = member
        known = self._addresses.setdefault(member, collections.deque())
        if address in known:
            known.remove(address)
        known.append(address)
        if len(known) > MAX_ADDRESSES:
            self._drop_address(member, known.popleft())

    def remove(self, member: Member) -> None:
        """Forget all about `member`."""
        for ufrag in self._ufrags.pop(member, set()):
            del self._by_ufrag[ufrag]
        for address in self._addresses.pop(member, ()):
            self._drop_address(member, address)

    def find_ufrag(self, ufrag: str) -> Member | None:
        """The member with that local user fragment."""
        return self._by_ufrag.get(ufrag)

    def find_address(self, address: Address) -> Member | None:
        """The member that passed a check from that address."""
        return self._by_address.get(address)

    def __len__(self) -> int:
        return len(self._ufrags)

    def _drop_address(self, member: Member, address: Address) -> None:
        if self._by_address.get(address) is member:
            del self._by_address[address]
