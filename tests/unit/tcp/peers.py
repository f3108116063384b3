"""What a client of aioice's hears from its peer."""

from __future__ import annotations

import asyncio

from sfu.wire.sockaddr import Address


class Peer(asyncio.DatagramProtocol):
    """Keeps what has come."""

    def __init__(self) -> None:
        self.received: asyncio.Queue[tuple[bytes, Address]] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """Keep it."""
        self.received.put_nowait((data, addr))
