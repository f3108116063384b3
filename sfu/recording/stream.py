"""One numbering of a source: its packets in order, and the frames made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import NamedTuple

from sfu.recording.depacketize import Frame, make_depacketizer
from sfu.recording.reorder import ReorderBuffer
from sfu.routing.plane import TappedPacket, TappedPackets


class Loss(NamedTuple):
    """Packets that were given up: all from the first to the last number, but for `packets` of them."""

    ssrc: int
    first_sequence: int
    """Extended, as `ReorderBuffer` counts: the low 16 bits are those on the wire."""
    last_sequence: int
    packets: int
    """Number of packets that are missing."""
    arrival_us: int
    """Arrival time of the packet behind them."""


class NumberedStream:
    """The packets of one value of `TappedPacket.source`: one SSRC, without a restart of its numbering."""

    def __init__(
        self,
        codec: str,
        first: TappedPacket,
        wait_us: int,
        find_sets: Callable[[int], Iterable[bytes]] | None = None,
        *,
        encrypted: bool = False,
    ) -> None:
        """`find_sets`: the H.264 parameter sets of an Encoding that are known from elsewhere. `encrypted`: see
        `make_depacketizer`.
        """
        self.source = first.source
        self.encoding = first.encoding
        self.begun_us = first.arrival_us
        self.arrival_us = first.arrival_us
        """Of the newest packet."""
        found = None if find_sets is None else partial(find_sets, first.encoding)
        self.depacketizer = make_depacketizer(codec, found, encrypted=encrypted)
        self.reorder = ReorderBuffer(wait_us)
        self._ssrc = first.ssrc
        self._next = -1

    def push(self, packet: TappedPacket) -> list[Frame | Loss]:
        """Take a packet; return the frames that are complete with it, and the losses."""
        self.arrival_us = packet.arrival_us
        return self._sort(self.reorder.push(packet))

    def push_run(self, packets: TappedPackets, at: int, end: int) -> Sequence[Frame] | None:
        """Take a run (see TappedPackets); return the frames complete with it. None if it is not next, and was not
        taken.
        """
        first = self.reorder.next
        if first < 0 or packets.sequences[at] != first & 0xFFFF or packets.sources[at] != self.source:
            return None
        self.arrival_us = packets.arrivals[end - 1]
        self._next = first + end - at
        self.reorder.go_on(self._next)
        return self.depacketizer.push_run(packets, at, end, first)

    def poll(self, now_us: int) -> list[Frame | Loss]:
        """Return what is given up because time has passed, and the frames that are complete behind it."""
        return self._sort(self.reorder.poll(now_us))

    def flush(self) -> list[Frame | Loss]:
        """Return what is left; nothing more will be pushed."""
        return self._sort(self.reorder.flush())

    def _sort(self, packets: list[tuple[int, TappedPacket]]) -> list[Frame | Loss]:
        found: list[Frame | Loss] = []
        for sequence, packet in packets:
            expected, self._next = self._next, sequence + 1
            frames = self.depacketizer.push(packet, sequence)
            if sequence != expected and expected >= 0:
                restored = sum(1 for frame in frames if not frame.packets)
                if sequence - restored > expected:
                    count = sequence - restored - expected
                    found.append(Loss(self._ssrc, expected, sequence - restored - 1, count, packet.arrival_us))
            found += frames
        return found
