"""One direction of a path, without IO: packets go in at a time and come out at a time, or not at all."""

from __future__ import annotations

import dataclasses
import heapq
import random
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar, Unpack

from bench.netem.bottleneck import Bottleneck
from bench.netem.config import Changes, LinkConfig


class Weighs(Protocol):
    """A packet that tells its size."""

    @property
    def size_bytes(self) -> int:
        """Without what the link adds."""


P = TypeVar("P", bound="int | bytes | Weighs")


def size_of(packet: int | bytes | Weighs) -> int:
    """A packet's size in bytes: an int is a packet of which nothing but its size matters."""
    if isinstance(packet, int):
        return packet
    return len(packet) if isinstance(packet, bytes) else packet.size_bytes


@dataclass(slots=True)
class Counts:
    """What became of the packets; sent + duplicated = delivered + lost + overflowed + those still in the link."""

    sent: int = 0
    duplicated: int = 0
    lost: int = 0
    overflowed: int = 0
    delivered: int = 0
    reordered: int = 0
    """Delivered after one that was sent later."""
    sent_bytes: int = 0
    delivered_bytes: int = 0
    left: int = 0
    """Have left the line: the number of the waits that `waited_s` adds up."""
    waited_s: float = 0.0
    longest_wait_s: float = 0.0
    """In the queue, of those that have left it."""


class Delivered(NamedTuple, Generic[P]):
    """A packet at the other end; `at` is when it came there, which may be before the poll that returns it."""

    packet: P
    sent_at: float
    at: float


@dataclass(slots=True)
class _Parcel(Generic[P]):
    packet: P
    order: int
    sent_at: float
    lost: bool = False
    held_s: float = 0.0
    jitter: float = 0.0  # part of the configured one
    spared: bool = False


class Link(Generic[P]):
    """One direction. What it does depends on the configuration, the generator's seed and the times of `send` and
    `change`, not on when it is polled: all chances are drawn when a packet enters, and times are exact.

    `now` never goes backwards (ValueError).
    """

    def __init__(self, config: LinkConfig, rng: random.Random) -> None:
        self.counts = Counts()
        self._config = config
        self._rng = rng
        self._line: Bottleneck[_Parcel[P]] = Bottleneck(config.rate_bps, config.bucket_bytes)
        self._flying: list[tuple[float, int, _Parcel[P]]] = []
        self._now = float("-inf")
        self._order = 0
        self._latest_due = float("-inf")
        self._newest = -1
        self._bad = False

    @property
    def config(self) -> LinkConfig:
        """As it is now."""
        return self._config

    @property
    def now(self) -> float:
        """The time up to which it has been told; -inf at first."""
        return self._now

    @property
    def queued(self) -> int:
        """Packets in the link: waiting, on the line or on their way."""
        return len(self._line) + len(self._flying)

    def queue_delay_s(self, now: float) -> float:
        """How long a packet that is sent now would wait before its first bit leaves."""
        self._advance(now)
        return self._line.wait_s(now)

    def send(self, packet: P, now: float, *, spared: bool = False) -> None:
        """Put a packet in. A spared one knows only the delay: no queue, jitter, loss, reordering or duplicates."""
        size = size_of(packet)
        if size < 0:
            raise ValueError(f"a packet cannot have {size} bytes")
        self._advance(now)
        self.counts.sent += 1
        self.counts.sent_bytes += size
        if spared:
            self._fly(_Parcel(packet, self._next_order(), now, spared=True), now + self._config.delay_s)
            return
        self._enter(packet, size, now)
        if self._happens(self._config.duplicate):
            self.counts.duplicated += 1
            self._enter(packet, size, now)
        self._advance(now)  # without a limit of the rate it has left the line already

    def poll(self, now: float) -> list[Delivered[P]]:
        """Take what has arrived up to `now`, in the order of arrival."""
        self._advance(now)
        arrived: list[Delivered[P]] = []
        while self._flying and self._flying[0][0] <= now:
            due, _, parcel = heapq.heappop(self._flying)
            arrived.append(Delivered(parcel.packet, parcel.sent_at, due))
            self.counts.delivered += 1
            self.counts.delivered_bytes += size_of(parcel.packet)
            if not parcel.spared:
                self.counts.reordered += parcel.order < self._newest
                self._newest = max(self._newest, parcel.order)
        return arrived

    def next_due(self) -> float | None:
        """When to poll next: nothing arrives before. None: nothing is on its way. Ask again after each call."""
        times = [self._flying[0][0]] if self._flying else []
        if self._line.finish is not None:
            times.append(self._line.finish + self._config.delay_s)
        return min(times, default=None)

    def change(self, now: float, **fields: Unpack[Changes]) -> None:
        """Give fields of the configuration new values.

        A rate holds for what is queued too; delay and order hold for what leaves the line from now on; the chances
        for what is sent from now on.
        """
        self._advance(now)
        config = dataclasses.replace(self._config, **fields)
        if config.rate_bps != self._config.rate_bps:
            self._line.set_rate(config.rate_bps, now)
        if config.burst != self._config.burst:
            self._bad = False
        self._config = config
        self._advance(now)

    def _enter(self, packet: P, size: int, now: float) -> None:
        config = self._config
        parcel = _Parcel(packet, self._order, now)
        if not self._line.offer(parcel, size + config.overhead_bytes, now, config.queue_bytes, config.queue_s):
            self.counts.overflowed += 1
            return
        self._next_order()
        parcel.lost = self._is_lost()
        if config.jitter_s > 0:
            parcel.jitter = self._draw_jitter()
        if self._happens(config.reorder):
            parcel.held_s = config.reorder_s

    def _advance(self, now: float) -> None:
        if now < self._now:
            raise ValueError(f"the caller's clock went back from {self._now} to {now}")
        self._now = now
        config = self._config
        for parcel, at, waited_s in self._line.leave(now):
            self.counts.left += 1
            self.counts.waited_s += waited_s
            self.counts.longest_wait_s = max(self.counts.longest_wait_s, waited_s)
            if parcel.lost:
                self.counts.lost += 1
                continue
            due = at + config.delay_s + parcel.jitter * config.jitter_s
            if parcel.held_s > 0:
                due += parcel.held_s  # those behind it do not wait for it
            else:
                if config.keep_order:
                    due = max(due, self._latest_due)
                self._latest_due = max(due, self._latest_due)
            self._fly(parcel, due)

    def _fly(self, parcel: _Parcel[P], due: float) -> None:
        heapq.heappush(self._flying, (due, parcel.order, parcel))

    def _next_order(self) -> int:
        self._order += 1
        return self._order - 1

    def _is_lost(self) -> bool:
        lost = self._happens(self._config.loss)
        burst = self._config.burst
        if burst is None:
            return lost
        if self._happens(burst.r if self._bad else burst.p):
            self._bad = not self._bad
        return self._happens(burst.loss_bad if self._bad else burst.loss_good) or lost

    def _draw_jitter(self) -> float:
        if self._config.jitter_shape == "uniform":
            return self._rng.random()
        while not 0.0 <= (part := self._rng.gauss(0.5, 1 / 6)) <= 1.0:
            pass
        return part

    def _happens(self, share: float) -> bool:
        return share > 0.0 and self._rng.random() < share
