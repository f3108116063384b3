"""Packets and orders that wait for a recorder's thread, in the order of their coming, up to a bound."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from sfu.routing.plane import TappedPackets

Order = Callable[[], None]

MOST_PACKETS = 100_000
"""Most packets that wait, about 100 MB: ten seconds of a hundred tracks, while the disk does not answer."""


class Inbox:
    """Filled by the control thread and the feed, emptied by the recorder's thread."""

    def __init__(self, most_packets: int = MOST_PACKETS) -> None:
        self._most = most_packets
        self._waiting: deque[tuple[Order, int]] = deque()
        self._packets = 0
        self._filled = threading.Condition()

    def put(self, order: Order) -> None:
        """Add something to do."""
        with self._filled:
            self._waiting.append((order, 0))
            self._filled.notify()

    def put_packets(self, packets: TappedPackets, handle: Callable[[TappedPackets], None]) -> bool:
        """Add packets to handle; False if they are dropped, because the recorder is too far behind."""
        with self._filled:
            if self._packets + len(packets) > self._most:
                return False
            self._packets += len(packets)
            self._waiting.append((lambda: handle(packets), len(packets)))
        return True  # packets wait for the recorder's next look; nobody needs to be woken

    def take(self, timeout_s: float) -> list[Order]:
        """Return all that waits, after at most `timeout_s`."""
        with self._filled:
            if not self._waiting:
                self._filled.wait(timeout_s)
            taken = list(self._waiting)
            self._waiting.clear()
            self._packets = 0
        return [order for order, _ in taken]
