"""The open connections of one HTTP listener: how many there are, from where, and what waits in them."""

from __future__ import annotations

import collections
import ipaddress
from collections.abc import Callable, Iterable
from typing import Protocol

from sfu.node.http.limits import HttpLimits
from sfu.node.http.rates import Client, RequestQueue, RequestRates
from sfu.signaling.http.client_address import group_address

_MADE_ROOM = 16
"""How many connections give way at a time."""


class Droppable(Protocol):
    """A connection as its listener sees it."""

    def drop(self, reason: str) -> None:
        """End the connection at once, and count the `reason`."""
        ...

    def give_way(self) -> None:
        """End the connection to make room for another."""
        ...


class HeldBytes:
    """The bytes that wait in connections, bounded together: beyond that, the connection that has held some longest is
    dropped.
    """

    def __init__(self, most: int) -> None:
        self.total = 0
        self._most = most
        self._held: dict[Droppable, int] = {}

    def hold(self, holder: Droppable, size: int) -> None:
        """Note that `size` bytes wait in `holder` now."""
        self.total += size - self._held.get(holder, 0)
        self._held[holder] = size
        while self.total > self._most:
            oldest = next(iter(self._held))
            self.release(oldest)
            oldest.drop("memory")

    def release(self, holder: Droppable) -> None:
        """Note that nothing waits in `holder` any more."""
        self.total -= self._held.pop(holder, 0)


class TrustedProxies:
    """Addresses of reverse proxies, whose connections carry other clients' requests, and whose X-Forwarded-For is
    believed.
    """

    def __init__(self, networks: Iterable[str] = ()) -> None:
        """`networks` are IP addresses and networks in CIDR notation; raises ValueError for anything else."""
        self.networks = tuple(networks)
        self._networks = [ipaddress.ip_network(network, strict=False) for network in self.networks]

    def __contains__(self, host: str) -> bool:
        if not self._networks:
            return False
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        return any(address in network for network in self._networks)

    def find_client(self, host: str, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """Return where a request on a connection from `host` comes from, as uvicorn tells the app: the last address in
        the chain that is not a trusted proxy.
        """
        if host not in self:
            return host
        told = b",".join(value for name, value in headers if name == b"x-forwarded-for").decode("latin-1").split(",")
        chain = [_without_port(part.strip()) for part in told]
        return next((client for client in reversed(chain) if client not in self), chain[0]) or host


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0] if host.count(":") == 1 else host


class HttpConnections:
    """The open connections of a listener, which asks here before it accepts one, and whose connections tell what they
    do.
    """

    def __init__(
        self,
        limits: HttpLimits | None = None,
        proxies: TrustedProxies | None = None,
        rates: RequestRates | None = None,
    ) -> None:
        """`rates` limits requests; by default `limits` holds for each address, and tokens count for nothing."""
        self.limits = limits or HttpLimits()
        self.rates = RequestRates(self.limits) if rates is None else rates
        self.request_queue = RequestQueue(self.limits.requests_at_once)
        self.ended: collections.Counter[str] = collections.Counter()
        """Connections that were refused or cut off, by reason."""
        self.incoming = HeldBytes(self.limits.held_bytes)
        self.outgoing = HeldBytes(self.limits.held_bytes)
        self.on_room: Callable[[], None] = lambda: None
        """Called when a connection has gone, or could make room."""
        self.proxies = proxies or TrustedProxies()
        self._count = 0
        self._by_address: collections.Counter[str] = collections.Counter()
        self._waiting: dict[Droppable, None] = {}

    def __len__(self) -> int:
        return self._count

    def has_room(self) -> bool:
        """Whether there is room for one more connection."""
        return self._count < self.limits.connections

    def enter(self, host: str) -> bool:
        """Count a connection from `host`; return False if that address has enough of them, or opens them too fast."""
        if host not in self.proxies:
            group = group_address(host)
            if self.rates.take(Client("connection", group)) > 0:
                return False
            if self._by_address[group] >= self.limits.connections_per_address:
                self.ended["address"] += 1
                return False
            self._by_address[group] += 1
        self._count += 1
        return True

    def leave(self, host: str) -> None:
        """Count a connection from `host` no more."""
        self._count -= 1
        if host not in self.proxies:
            group = group_address(host)
            self._by_address[group] -= 1
            if not self._by_address[group]:
                del self._by_address[group]
        self.on_room()

    def make_room(self) -> None:
        """End some connections that wait for their client. If none wait, all are at work, and will end in time."""
        for connection in list(self._waiting)[:_MADE_ROOM]:
            self.done_waiting(connection)
            connection.give_way()

    def wait(self, connection: Droppable) -> None:
        """Note that a connection waits for its client from now on."""
        self._waiting.setdefault(connection)
        self.on_room()

    def done_waiting(self, connection: Droppable) -> None:
        """Note that a connection has work to do, or is gone."""
        self._waiting.pop(connection, None)
