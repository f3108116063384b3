"""Which connection a datagram of the control side belongs to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

from sfu.transport import Address

Member = TypeVar("Member")


class Demux(Generic[Member]):
    """Finds a member by its local ICE user fragment, or by an address at which it passed a check."""

    def __init__(self) -> None:
        self._by_ufrag: dict[str, Member] = {}
        self._by_address: dict[Address, Member] = {}
        self._ufrags: dict[Member, set[str]] = {}
        self._addresses: dict[Member, set[Address]] = {}

    def set_ufrags(self, member: Member, ufrags: Iterable[str]) -> bool:
        """Let exactly these user fragments lead to `member`; return whether that is a change."""
        wanted = set(ufrags)
        if self._ufrags.get(member) == wanted:
            return False
        for ufrag in self._ufrags.get(member, set()) - wanted:
            del self._by_ufrag[ufrag]
        for ufrag in wanted:
            self._by_ufrag[ufrag] = member
        self._ufrags[member] = wanted
        return True

    def set_addresses(self, member: Member, addresses: Iterable[Address]) -> list[tuple[Member, Address]]:
        """Let exactly these addresses lead to `member`; return those that led to another member, each with that member.

        The newest claim wins. The caller bounds how many addresses a member has.
        """
        wanted = set(addresses)
        for address in self._addresses.get(member, set()) - wanted:
            self._drop_address(member, address)
        lost = []
        for address in wanted:
            holder = self._by_address.get(address)
            if holder is not None and holder is not member:
                self._addresses[holder].discard(address)
                lost.append((holder, address))
            self._by_address[address] = member
        self._addresses[member] = wanted
        return lost

    def remove(self, member: Member) -> None:
        """Forget all about `member`."""
        for ufrag in self._ufrags.pop(member, set()):
            del self._by_ufrag[ufrag]
        for address in self._addresses.pop(member, ()):
            self._drop_address(member, address)

    def find_ufrag(self, ufrag: str) -> Member | None:
        """Return the member with that local user fragment; None: there is none."""
        return self._by_ufrag.get(ufrag)

    def find_address(self, address: Address) -> Member | None:
        """Return the member that passed a check from that address; None: there is none."""
        return self._by_address.get(address)

    def __len__(self) -> int:
        return len(self._ufrags)

    def _drop_address(self, member: Member, address: Address) -> None:
        if self._by_address.get(address) is member:
            del self._by_address[address]
