"""Virtual time: a heap of events, and links in it that carry several flows."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from typing import NamedTuple, Unpack

from bench.netem.config import Changes, LinkConfig
from bench.netem.link import Counts, Link
from bench.netem.schedule import Playback, Schedule


class Simulator:
    """A clock that jumps from event to event; what is due at the same time happens in the order it was asked for."""

    def __init__(self, start: float = 0.0) -> None:
        self._now = start
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()

    @property
    def now(self) -> float:
        """Virtual seconds."""
        return self._now

    def at(self, time: float, action: Callable[[], None]) -> None:
        """Call `action` at a time that is not past (ValueError)."""
        if not time >= self._now:
            raise ValueError(f"it is {self._now} already: nothing can happen at {time}")
        heapq.heappush(self._events, (time, next(self._count), action))

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Call `action` in so many seconds."""
        self.at(self._now + seconds, action)

    def every(self, seconds: float, action: Callable[[], None]) -> None:
        """Call `action` in so many seconds, and again and again."""
        if seconds <= 0:
            raise ValueError(f"virtual time would stand still with an event every {seconds} s")

        def again() -> None:
            action()
            self.after(seconds, again)

        self.after(seconds, again)

    def run_until(self, time: float) -> None:
        """Let all happen that is due up to and at `time`, which it then is."""
        while self._events and self._events[0][0] <= time:
            self._now, _, action = heapq.heappop(self._events)
            action()
        self._now = max(self._now, time)


class Parcel(NamedTuple):
    """A packet of some flow, and what is to happen when it arrives."""

    size_bytes: int
    arrive: Callable[[], None]


class Wire:
    """A link in virtual time. All flows that send on it share its queue and line.

    Paths of several wires are made by an arrival that sends on the next.
    """

    def __init__(self, simulator: Simulator, config: LinkConfig, seed: int = 1) -> None:
        self._simulator = simulator
        self._link: Link[Parcel] = Link(config, random.Random(seed))
        self._armed: float | None = None
        self._playback: Playback | None = None

    @property
    def counts(self) -> Counts:
        """Of all flows."""
        return self._link.counts

    @property
    def config(self) -> LinkConfig:
        """As it is now."""
        return self._link.config

    @property
    def queued(self) -> int:
        """Packets waiting, on the line or on their way."""
        return self._link.queued

    def queue_delay_s(self) -> float:
        """How long a packet sent now would wait."""
        return self._link.queue_delay_s(self._simulator.now)

    def send(self, size_bytes: int, arrive: Callable[[], None]) -> None:
        """Send a packet; `arrive` is called at the time it arrives, if it does (twice if it is duplicated)."""
        self._link.send(Parcel(size_bytes, arrive), self._simulator.now)
        self._arm()

    def change(self, **fields: Unpack[Changes]) -> None:
        """Give fields of the configuration new values now."""
        self._link.change(self._simulator.now, **fields)
        self._arm()

    def play(self, schedule: Schedule) -> None:
        """Let the rate follow a schedule that starts now, in place of an earlier one."""
        self._playback = playback = Playback(schedule, self._link, self._simulator.now)

        def step() -> None:
            if self._playback is not playback:
                return
            playback.poll(self._simulator.now)
            self._arm()
            follow()

        def follow() -> None:
            due = playback.next_due()
            if due is not None:
                self._simulator.at(due, step)

        follow()

    def _arm(self) -> None:
        due = self._link.next_due()
        if due is not None and (self._armed is None or due < self._armed):
            self._armed = due
            self._simulator.at(due, lambda: self._wake(due))

    def _wake(self, due: float) -> None:
        if due != self._armed:  # an earlier one has taken its place
            return
        self._armed = None
        for delivered in self._link.poll(self._simulator.now):
            delivered.packet.arrive()
        self._arm()
