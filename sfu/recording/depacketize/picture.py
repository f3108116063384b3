"""What all video codecs have in common: packets of one timestamp become a picture, if none of them is missing."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from sfu.recording.depacketize.frame import Frame, StreamFormat, TimestampUnwrapper
from sfu.routing.plane import TappedPacket, TappedPackets

MAX_FRAME_BYTES = 8_000_000
"""Largest picture in octets; a larger one is dropped."""
MAX_FRAME_PACKETS = 16_384
"""Most packets of a picture; one of more is dropped."""


class PictureDepacketizer:
    """Packets of one source in order of their extended numbers; a jump in these is a loss.

    A codec says how a picture begins (`_begins`), takes a payload (`_add`, after `_clear`), and puts the picture
    together (`_join`). The last packet of a picture has the marker; where it has not, another timestamp tells.
    `dropped` counts packets that no frame was made of, by reason.
    """

    def __init__(self) -> None:
        self.dropped: Counter[str] = Counter()
        self.format: StreamFormat | None = None
        """As of the last key frame that was put together."""
        self._unwrapper = TimestampUnwrapper()
        self._next = -1
        self._in_step = False  # the next packet begins a picture, or is within one that is whole so far
        self._wire_timestamp = -1
        self._arrival_us = 0
        self._first = 0
        self._count = 0
        self._repaired = 0
        self._bytes = 0

    @property
    def since_us(self) -> float:
        """Arrival time of the first packet of the picture that is incomplete; infinite if there is none."""
        return self._arrival_us if self._count else math.inf

    def push(self, packet: TappedPacket, sequence: int) -> Sequence[Frame]:
        """Return the frames that are complete with this packet; `sequence` is its extended number."""
        if sequence != self._next and self._next >= 0:
            self.abandon("incomplete")
        self._next = sequence + 1
        payload = packet.payload
        if not payload:
            return ()  # padding only, sent to probe for bandwidth
        before: Sequence[Frame] = ()
        if self._count and packet.timestamp != self._wire_timestamp:
            before = self._finish(sequence - 1)
        if not self._count and not self._begin(packet, sequence):
            return before
        if packet.late:
            self._repaired += 1
        self._go_on([payload], packet.marker)
        if packet.marker and self._count:
            return (*before, *self._finish(sequence))
        return before

    def push_run(self, packets: TappedPackets, at: int, end: int, sequence: int) -> Sequence[Frame]:
        """Do as `push` with each packet of a run; `sequence` is the number of the first."""
        found = self.push(packets[at], sequence)
        if end - at > 1:
            whole = packets.has_marker(end - 1)
            taken = self._go_on(packets.payloads[at + 1 : end], whole) if self._count else 0
            self._next += taken
            at, sequence = at + 1 + taken, sequence + 1 + taken
            if at == end and self._count and whole:
                return (*found, *self._finish(sequence - 1))
            for packet in packets[at:end]:  # after a fault
                found = (*found, *self.push(packet, sequence))
                sequence += 1
        return found

    def _go_on(self, payloads: list[bytes], whole: bool) -> int:
        """The picture goes on with these, and is `whole` with the last; how many were taken, all but after a fault."""
        taken, fault = 0, ""
        for payload in payloads:
            taken += 1
            self._bytes += len(payload)
            if not self._add(payload):
                fault = "malformed"
                break
            if self._bytes > MAX_FRAME_BYTES or self._count + taken > MAX_FRAME_PACKETS:
                fault = "oversized"
                break
        self._count += taken
        if fault:
            self.abandon(fault)
            self._in_step = fault == "malformed" and whole and taken == len(payloads)
        return taken

    def _begin(self, packet: TappedPacket, sequence: int) -> bool:
        """Begin a picture with this packet, if one begins with it."""
        if not self._in_step and not self._begins(packet.payload):
            self.dropped["incomplete"] += 1
            self._in_step = packet.marker
            return False
        self._in_step = True
        self._wire_timestamp = packet.timestamp
        self._arrival_us = packet.arrival_us
        self._first = sequence
        self._repaired = 0
        self._bytes = 0
        self._clear()
        return True

    def abandon(self, reason: str) -> None:
        """Drop the picture that is incomplete; the rest of it will be dropped, too."""
        if self._count:
            self.dropped[reason] += self._count
        self._count = 0
        self._in_step = False
        self._clear()

    def _finish(self, last: int) -> Sequence[Frame]:
        count, self._count = self._count, 0
        joined = self._join()
        self._clear()
        if joined is None:
            self.dropped["malformed"] += count
            return ()
        data, key = joined
        timestamp = self._unwrapper.unwrap(self._wire_timestamp)
        return (Frame(data, timestamp, self._arrival_us, key, self._first, last, count, self._repaired),)

    def _begins(self, payload: bytes) -> bool:
        """Whether a picture surely begins with this payload; called for the first payload, and after a loss."""
        raise NotImplementedError

    def _add(self, payload: bytes) -> bool:
        """Add a payload; False if it makes no sense."""
        raise NotImplementedError

    def _join(self) -> tuple[bytes, bool] | None:
        """Return the picture and whether it is a key frame (`format` is then set); None if it makes no sense."""
        raise NotImplementedError

    def _clear(self) -> None:
        """Forget the picture."""
        raise NotImplementedError
