"""What comes of the peer: which TSNs, what they amount to, and when they are acknowledged (RFC 9260 section 6.2)."""

from __future__ import annotations

from collections import Counter

from sfu.transport.sctp.arrivals import Arrivals
from sfu.transport.sctp.chunks import IMMEDIATE, Data, ForwardTsn, Sack, build_sack
from sfu.transport.sctp.reassembly import Message, Reassembly

_ACK_DELAY = 0.1


class Receiver:
    """The incoming half of an association. `window` bounds the octets that are held."""

    def __init__(self, drops: Counter[str], *, window: int, most_octets: int, most_streams: int) -> None:
        self._drops = drops
        self._window = self._told_window = window
        self._reassembly = Reassembly(drops, window=window, most_octets=most_octets, most_streams=most_streams)
        self._arrivals = Arrivals(0)
        self._ack_due: float | None = None
        self._ack_now = False

    @property
    def cumulative(self) -> int:
        """All up to this TSN has come."""
        return self._arrivals.cumulative

    @property
    def held(self) -> int:
        """Octets that are held."""
        return self._reassembly.held

    def begin(self, first: int) -> None:
        """The peer has named its initial TSN."""
        self._arrivals = Arrivals(first)

    def add(self, data: Data) -> list[Message]:
        """Take a fragment; return the messages whose turn it is by now. May raise ViolationError."""
        tsn = self._arrivals.unwrap(data.tsn)
        # What fills the gap makes place; beyond that nothing is taken, not even what asks whether there is place.
        fills = self._arrivals.gaps and tsn == self._arrivals.cumulative + 1
        if self._reassembly.free < len(data.payload) and not fills:
            self._drops["sctp_window"] += 1
            self._ack_now = True
            return []
        if not self._arrivals.add(tsn):
            self._drops["sctp_duplicate"] += 1
            self._ack_now = True
            return []
        if data.flags & IMMEDIATE:
            self._ack_now = True
        return self._reassembly.add(tsn, data, self._arrivals.cumulative)

    def skip(self, forward: ForwardTsn) -> list[Message]:
        """What the peer gives up will not come; return the messages whose turn it is by now."""
        self._ack_now = True
        tsn = self._arrivals.unwrap(forward.cumulative)
        return self._reassembly.skip(tsn, forward.streams) if self._arrivals.skip(tsn) else []

    def reset(self, stream: int) -> None:
        """The peer begins a stream anew."""
        self._reassembly.reset(stream)

    def release(self, message: Message) -> None:
        """A message that was handed out is done with."""
        self._reassembly.release(message.held)
        # The peer may be waiting for that (a window update).
        if self._told_window < self._window // 2 <= self._reassembly.free:
            self._ack_now = True

    def note_packet(self, now: float) -> None:
        """A packet with data is over: every second one is acknowledged at once, and any while something is missing."""
        if self._ack_due is not None or self._arrivals.gaps:
            self._ack_now = True
        else:
            self._ack_due = now + _ACK_DELAY

    def poll_timeout(self) -> float | None:
        """When an acknowledgement is due."""
        return self._ack_due

    def handle_timeout(self, now: float) -> None:
        """Acknowledge what has waited long enough."""
        if self._ack_due is not None and now >= self._ack_due:
            self._ack_now = True

    def poll_ack(self) -> bytes | None:
        """The SACK chunk that is to be sent now, or None."""
        if not self._ack_now:
            return None
        self._ack_now, self._ack_due = False, None
        self._told_window = self._reassembly.free
        return build_sack(Sack(self._arrivals.cumulative, self._told_window, self._arrivals.blocks))
