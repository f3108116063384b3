"""Clients that do not send to us themselves: something of ours stands between, which hands on what they send."""

from __future__ import annotations

from sfu.transport import Address


class Origins:
    """Where the clients are whose datagrams come from addresses of our own, and by which way."""

    def __init__(self) -> None:
        self._origins: dict[Address, Address] = {}
        self._by_tcp: set[Address] = set()

    def set(self, address: Address, origin: Address | None, *, tcp: bool) -> None:
        """Note where a client is that sends from `address`, and whether it comes by TCP; None: it is gone."""
        self._by_tcp.discard(address)
        if origin is None:
            self._origins.pop(address, None)
            return
        self._origins[address] = origin
        if tcp:
            self._by_tcp.add(address)

    def find(self, address: Address) -> Address:
        """Where a client is that sends from an address."""
        return self._origins.get(address, address)

    def is_tcp(self, address: Address | None) -> bool:
        """Whether what is sent to an address goes on by TCP, which loses nothing and holds up what follows instead."""
        return address in self._by_tcp
