"""How many bits a second the Peers of each tenant bring in and take."""

from __future__ import annotations

import collections
from collections.abc import Mapping

from sfu import Server


class BitRates:
    """Measured over the time between two calls."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._octets: dict[str, int] = {}  # of each open connection, at the last call
        self._measured_at: float | None = None

    def measure(self, now: float) -> Mapping[str, float]:
        """Bits a second by tenant since the last call. `now`: a clock's seconds."""
        before, self._octets = self._octets, {}
        passed: collections.Counter[str] = collections.Counter()
        for room in self._server.rooms.values():
            for peer in room.peers.values():
                for connection in peer.connections:
                    path = connection.bandwidth
                    octets = path.received_octets + path.sent_octets
                    self._octets[connection.id] = octets
                    passed[peer.tenant] += octets - before.get(connection.id, 0)
        since, self._measured_at = self._measured_at, now
        if since is None or now <= since:
            return {}
        return {tenant: 8.0 * octets / (now - since) for tenant, octets in passed.items()}
