"""Packets in order of their numbers: what comes late is waited for, and then given up."""

from __future__ import annotations

from collections import deque

from sfu.routing.plane import TappedPacket

REPAIR_WAIT_US = 500_000
"""How long a missing packet is waited for: a NACK, its repeat and the packet take a round trip or two."""
MAX_HELD = 2048
"""Most packets that wait behind a hole; a second of 25 Mbit/s."""

_HALF = 0x8000
_REMEMBERED = 64  # ranges of what was given up


class ReorderBuffer:
    """The packets of one source (one numbering) in order, each with its extended number.

    A jump in the numbers that come out is a loss: its packets have not come within `wait_us` after one behind them
    had. Time is that of arrival, as the packets and `poll` tell it.
    """

    def __init__(self, wait_us: int = REPAIR_WAIT_US, max_held: int = MAX_HELD) -> None:
        self.duplicates = 0
        self.too_late = 0
        """Packets that came after they had been given up, or that are before the first one."""
        self.lost = 0
        """Packets that were given up."""
        self._wait_us = wait_us
        self._max_held = max_held
        self._first = -1
        self._next = -1
        self._highest = -1
        self._given_up: deque[tuple[int, int]] = deque(maxlen=_REMEMBERED)  # from, up to
        self._held: dict[int, TappedPacket] = {}
        self._holes: deque[tuple[int, int]] = deque()  # (first number behind the hole, when to give it up)

    @property
    def held(self) -> int:
        """Number of packets that wait."""
        return len(self._held)

    @property
    def next(self) -> int:
        """Extended number of the next packet in order, if nothing is held; -1 if unknown, or if packets wait."""
        return -1 if self._held else self._next

    def go_on(self, sequence: int) -> None:
        """Note that all packets up to this extended number went by in order, while nothing was held."""
        self._highest, self._next = sequence - 1, sequence

    def push(self, packet: TappedPacket) -> list[tuple[int, TappedPacket]]:
        """Take a packet; return those that are in order with it."""
        if self._next < 0:
            # begins high enough that no number is negative, whatever comes
            self._first = self._next = self._highest = packet.sequence + 0x10000
        ahead = (packet.sequence - self._highest) & 0xFFFF
        sequence = self._highest + (ahead if ahead < _HALF else ahead - 0x10000)
        if sequence == self._next and not self._held:
            self._next = self._highest = sequence
            self._next += 1
            return [(sequence, packet)]
        if sequence < self._next:
            if sequence < self._first or any(begin <= sequence < end for begin, end in self._given_up):
                self.too_late += 1
            else:
                self.duplicates += 1
            return []
        if sequence in self._held:
            self.duplicates += 1
            return []
        self._held[sequence] = packet
        if sequence > self._highest:
            if sequence > self._highest + 1:
                self._holes.append((sequence, packet.arrival_us + self._wait_us))
            self._highest = sequence
        released = self.poll(packet.arrival_us)
        self._release_run(released)
        while len(self._held) > self._max_held:
            self._give_up(released)
        return released

    def poll(self, now_us: int) -> list[tuple[int, TappedPacket]]:
        """Return the packets that are released because time has passed."""
        released: list[tuple[int, TappedPacket]] = []
        while self._holes and self._holes[0][1] <= now_us:
            self._give_up(released)
        return released

    def flush(self) -> list[tuple[int, TappedPacket]]:
        """Return all that waits; nothing more is coming."""
        released: list[tuple[int, TappedPacket]] = []
        while self._holes:
            self._give_up(released)
        return released

    def _give_up(self, released: list[tuple[int, TappedPacket]]) -> None:
        """Go on behind the first hole."""
        behind = self._holes.popleft()[0]
        for sequence in sorted(number for number in self._held if number < behind):
            self._skip_to(sequence)
            released.append((sequence, self._held.pop(sequence)))
            self._next = sequence + 1
        self._skip_to(behind)
        self._release_run(released)

    def _skip_to(self, sequence: int) -> None:
        if sequence > self._next:
            self.lost += sequence - self._next
            self._given_up.append((self._next, sequence))
            self._next = sequence

    def _release_run(self, released: list[tuple[int, TappedPacket]]) -> None:
        """Return the held packets without a hole before them."""
        held = self._held
        while self._next in held:
            released.append((self._next, held.pop(self._next)))
            self._next += 1
        while self._holes and self._holes[0][0] < self._next:
            self._holes.popleft()
