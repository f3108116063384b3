"""Two ends of a DTLS association in virtual time, and a path between them that loses, repeats and reorders."""

from __future__ import annotations

import heapq
import itertools
import random
from collections import Counter
from dataclasses import dataclass, field

from sfu.transport.channel import (
    BufferDrained,
    Channel,
    ChannelClosed,
    ChannelOpened,
    DataEvent,
    DataLimits,
    MessageArrived,
    TransportEnded,
)
from sfu.transport.data_transport import DataTransport

LIMITS = DataLimits(channels=16, message=256 * 1024, buffer=1 << 20)
FIRST = float("-inf")


class End:
    """One side, which keeps what it is told."""

    def __init__(self, rng: random.Random, *, client: bool, limits: DataLimits = LIMITS) -> None:
        self.drops: Counter[str] = Counter()
        self.data = DataTransport(limits, randbytes=rng.randbytes, drops=self.drops)
        self.client = client
        self.opened: list[Channel] = []
        self.got: list[tuple[str, bytes | str]] = []
        self.closed: list[str] = []
        self.ended = ""
        self.reads = True
        self.unread: list[MessageArrived] = []
        self.drained = 0

    def start(self, now: float, *, port: int = 5000, most: int = 256 * 1024) -> None:
        self.data.start(client=self.client, remote_port=port, most_octets=most, now=now)

    def take(self, event: DataEvent, now: float) -> None:
        if isinstance(event, ChannelOpened):
            self.opened.append(event.channel)
        elif isinstance(event, MessageArrived):
            self.got.append((event.channel.label, event.content))
            if self.reads:
                self.data.release(event.message, now)
            else:
                self.unread.append(event)
        elif isinstance(event, ChannelClosed):
            self.closed.append(event.channel.label)
        elif isinstance(event, BufferDrained):
            self.drained += 1
        elif isinstance(event, TransportEnded):
            self.ended = event.reason

    def release_all(self, now: float) -> None:
        for event in self.unread:
            self.data.release(event.message, now)
        self.unread.clear()


@dataclass
class Path:
    """Between ends 0 and 1. `delay` in seconds; the other figures are probabilities."""

    ends: tuple[End, End]
    rng: random.Random
    delay: float = 0.02
    loss: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    blocked: bool = False
    now: float = 100.0
    sent: int = 0
    _queue: list[tuple[float, int, int, bytes]] = field(default_factory=list)
    _order: itertools.count[int] = field(default_factory=itertools.count)

    def start(self) -> None:
        for end in self.ends:
            end.start(self.now)

    def run(self, seconds: float) -> None:
        """Let time pass."""
        until = self.now + seconds
        while True:
            self._collect()
            due = [end.data.poll_timeout() for end in self.ends]
            times = [max(at, self.now) for at in due if at is not None]
            if self._queue:
                times.append(self._queue[0][0])
            if not times or min(times) > until:
                self.now = until
                return
            self.now = max(self.now, min(times))
            while self._queue and self._queue[0][0] <= self.now:
                _, _, to, packet = heapq.heappop(self._queue)
                self.ends[to].data.handle_record(packet, self.now)
            for end, at in zip(self.ends, due, strict=True):
                if at is not None and at <= self.now:
                    end.data.handle_timeout(self.now)

    def _collect(self) -> None:
        for index, end in enumerate(self.ends):
            while (packet := end.data.poll_transmit()) is not None:
                self._carry(1 - index, packet)
            while (event := end.data.poll_event()) is not None:
                end.take(event, self.now)

    def _carry(self, to: int, packet: bytes) -> None:
        self.sent += 1
        for _ in range(1 + (self.rng.random() < self.duplicate)):
            if self.blocked or self.rng.random() < self.loss:
                continue
            late = self.rng.random() * self.delay * 3 if self.rng.random() < self.reorder else 0.0
            heapq.heappush(self._queue, (self.now + self.delay + late, next(self._order), to, packet))


def make_path(seed: int = 1, *, limits: DataLimits = LIMITS, **settings: float) -> Path:
    rng = random.Random(seed)
    ends = (End(rng, client=True, limits=limits), End(rng, client=False, limits=limits))
    return Path(ends, rng, **settings)
