"""What is under way to the peer: sent, acknowledged, lost, sent again or given up (RFC 9260 section 6, RFC 3758)."""

from __future__ import annotations

import bisect
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass

from sfu.transport.sctp.chunks import FIRST, LAST, Data, ForwardTsn, Sack, build_data
from sfu.transport.sctp.congestion import Congestion
from sfu.transport.sctp.outgoing import Outgoing, Queue
from sfu.transport.sctp.packet import MAX_PACKET_LENGTH, unwrap

MAX_UNDER_WAY = 1024
"""Chunks that are sent and not yet acknowledged: what a SACK costs grows with them."""

_MISSES = 3
"""Later chunks' acknowledgements after which one counts as lost (RFC 9260 section 7.2.4)."""

_MOST_FORWARDED_STREAMS = 200


@dataclass(eq=False, slots=True)
class _Sent:
    """A chunk under way."""

    data: Data | None
    """None: it is given up, and takes the place of its TSN only."""
    message: Outgoing
    octets: int
    sent_at: float
    in_flight: bool = True
    lost: bool = False
    sends: int = 1
    misses: int = 0


class Sender:
    """Sends messages in chunks; `first` is our initial TSN, `window` what the peer has told that it takes."""

    def __init__(self, drops: Counter[str], first: int) -> None:
        self.queue = Queue()
        self.last_tsn = first - 1
        """The last one that was given to a chunk."""
        self.partial = False
        """The peer knows FORWARD TSN, so that messages can be given up."""
        self.window = 0
        self.waiting_since: float | None = None
        """From when on nothing that is under way was acknowledged."""
        self.forwards: ForwardTsn | None = None
        """To be sent: what is given up."""
        self._drops = drops
        self._congestion = Congestion()
        self._under_way: dict[int, _Sent] = {}  # by TSN, in order and without holes
        self._unacknowledged: list[int] = []  # of those, in order
        self._lost: deque[int] = deque()
        self._acknowledged = first - 1
        self._given_up = first - 1  # the peer is told not to wait for anything up to here
        self._at_once = False
        self._due: float | None = None
        self._settled: dict[int, tuple[int, int]] = {}

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is under way."""
        return not self._under_way and not self.queue.messages

    @property
    def rto(self) -> float:
        """Seconds after which what was sent counts as lost."""
        return self._congestion.rto

    def poll_timeout(self) -> float | None:
        """When `handle_timeout` has something to do."""
        return self._due

    def next_chunk(self, room: int, now: float) -> bytes | None:
        """A DATA chunk that may go out now, of at most `room` octets with its padding: first what was lost."""
        while self._lost:
            tsn = self._lost[0]
            sent = self._under_way.get(tsn)
            if sent is None or sent.data is None or not sent.lost:
                self._lost.popleft()
                continue
            if sent.octets > room or not (self._at_once or self._congestion.in_flight < self._congestion.window):
                return None
            self._lost.popleft()
            self._at_once = False
            sent.lost, sent.in_flight = False, True
            sent.sends += 1
            sent.misses = 0
            self._congestion.note_sent(sent.octets, now)
            self._start_timer(now, again=tsn == self._acknowledged + 1)
            return build_data(sent.data)
        return self._next_new(room, now)

    def handle_sack(self, sack: Sack, now: float) -> bool:
        """Take an acknowledgement; False: it cannot be one of what was sent."""
        cumulative = unwrap(sack.cumulative, self._acknowledged)
        if cumulative > self.last_tsn:
            return False
        if cumulative < self._acknowledged:
            return True  # an old one, overtaken
        was_full = self._congestion.in_flight >= self._congestion.window
        advanced = cumulative > self._acknowledged
        octets = self._acknowledge_all(cumulative, now)
        octets += self._acknowledge_blocks(cumulative, sack.blocks, now)
        self.window = sack.window
        if advanced:
            self._congestion.note_acknowledged(octets, was_full=was_full)
            end = self._congestion.recovery_end
            if end is not None and cumulative >= end:
                self._congestion.recovery_end = None
        # A peer without place for more says so with each acknowledgement: it is there, and may take more in time.
        if octets or advanced or sack.window < MAX_PACKET_LENGTH:
            self.waiting_since = now if self._under_way else None
        if not self._under_way:
            self._due = None
        elif advanced:
            self._due = now + self._congestion.rto
        self._forward()
        return True

    def handle_timeout(self, now: float) -> None:
        """Nothing came back in time: all that is under way counts as lost."""
        if self._due is None or now < self._due:
            return
        self._congestion.note_timeout()
        # Also what the peer had beyond a gap: it may have thrown it away (RFC 9260 section 6.3.3, RFC 2018 section 8).
        self._unacknowledged = []
        self._lost.clear()
        for tsn, sent in list(self._under_way.items()):
            self._leave_flight(sent)
            if sent.data is not None:
                self._unacknowledged.append(tsn)
                self._lose(tsn, sent, now)
        self._due = now + self._congestion.rto
        self._forward()

    def abandon_queued(self, stream: int) -> None:
        """Throw away what waits of a stream and was not begun."""
        for message in self.queue.clear(stream):
            self._note_settled(stream, len(message.payload), ends=True)

    def take_settled(self) -> dict[int, tuple[int, int]]:
        """By stream, how many octets, and ends of messages, were acknowledged or given up since it was asked last."""
        settled, self._settled = self._settled, {}
        return settled

    def _note_settled(self, stream: int, octets: int, *, ends: bool) -> None:
        before = self._settled.get(stream, (0, 0))
        self._settled[stream] = (before[0] + octets, before[1] + ends)

    def _next_new(self, room: int, now: float) -> bytes | None:
        congestion = self._congestion
        if congestion.in_flight >= congestion.window or len(self._under_way) >= MAX_UNDER_WAY:
            return None
        expired: list[Outgoing] = []
        message = self.queue.next(now, expired)
        while message is not None and self.partial and message.begun and message.is_over(now):
            self._abandon(message)
            self._forward()
            message = self.queue.next(now, expired)
        for late in expired:
            self._drops["data_expired"] += 1
            self._note_settled(late.stream, len(late.payload), ends=True)
        # With a closed window one chunk at a time asks whether it has opened (RFC 9260 section 6.1, rule A).
        if message is None or (congestion.in_flight >= self.window and self._under_way):
            return None
        cut = self.queue.cut(self.last_tsn + 1, room)
        if cut is None:
            return None
        message, data = cut
        chunk = build_data(data)
        self.last_tsn += 1
        if data.flags & FIRST:
            message.first_tsn = self.last_tsn
        message.last_tsn = self.last_tsn
        self._under_way[self.last_tsn] = _Sent(data, message, len(chunk), now)
        self._unacknowledged.append(self.last_tsn)
        congestion.note_sent(len(chunk), now)
        if self.waiting_since is None:
            self.waiting_since = now
        self._start_timer(now)
        return chunk

    def _start_timer(self, now: float, *, again: bool = False) -> None:
        if self._due is None or again:
            self._due = now + self._congestion.rto

    def _acknowledge_all(self, cumulative: int, now: float) -> int:
        octets = 0
        for tsn in range(self._acknowledged + 1, cumulative + 1):
            sent = self._under_way.pop(tsn)
            octets += self._acknowledge(sent, now)
            if sent.data is not None:
                self._settle(sent)
        self._acknowledged = cumulative
        self._given_up = max(self._given_up, cumulative)
        del self._unacknowledged[: bisect.bisect_right(self._unacknowledged, cumulative)]
        return octets

    def _acknowledge_blocks(self, cumulative: int, blocks: Sequence[tuple[int, int]], now: float) -> int:
        octets = 0
        highest: int | None = None
        waiting = self._unacknowledged
        for first, last in blocks:
            begin = bisect.bisect_left(waiting, cumulative + first)
            end = bisect.bisect_right(waiting, cumulative + last)
            if begin < end:
                highest = waiting[end - 1]
                octets += sum(self._acknowledge(self._under_way[tsn], now) for tsn in waiting[begin:end])
                del waiting[begin:end]
        if highest is None:
            return octets
        for tsn in waiting[: bisect.bisect_left(waiting, highest)]:
            sent = self._under_way[tsn]
            if sent.lost or sent.data is None:
                continue
            sent.misses += 1
            if sent.misses == _MISSES:
                if self._congestion.recovery_end is None:
                    self._congestion.note_loss(self.last_tsn)
                    self._at_once = True
                self._leave_flight(sent)
                self._lose(tsn, sent, now)
        return octets

    def _acknowledge(self, sent: _Sent, now: float) -> int:
        """The peer has it; return the octets that are newly acknowledged."""
        if sent.in_flight and sent.sends == 1:
            self._congestion.note_round_trip(now - sent.sent_at)
        octets = sent.octets if sent.in_flight or sent.lost else 0
        self._leave_flight(sent)
        sent.lost = False
        return octets

    def _leave_flight(self, sent: _Sent) -> None:
        if sent.in_flight:
            sent.in_flight = False
            self._congestion.in_flight -= sent.octets

    def _settle(self, sent: _Sent) -> None:
        if sent.data is not None:
            self._note_settled(sent.message.stream, len(sent.data.payload), ends=bool(sent.data.flags & LAST))
            sent.data = None

    def _lose(self, tsn: int, sent: _Sent, now: float) -> None:
        """Send it again, or give its message up."""
        message = sent.message
        most = message.max_retransmits
        if self.partial and ((most is not None and sent.sends > most) or message.is_over(now)):
            self._abandon(message)
        else:
            sent.lost = True
            self._lost.append(tsn)

    def _abandon(self, message: Outgoing) -> None:
        """Give up a message that was begun: all of its chunks (RFC 3758 section 3.5, A3)."""
        if message.abandoned:
            return
        message.abandoned = True
        self._drops["data_given_up"] += 1
        rest = len(message.payload) - message.offset
        if rest:
            # The peer has to see its end, or would put the next message behind it: a TSN that is never sent.
            self.queue.give_up(message)
            self._note_settled(message.stream, rest, ends=False)
            self.last_tsn += 1
            ending = Data(LAST, self.last_tsn, message.stream, message.sequence, message.protocol, b"")
            self._under_way[self.last_tsn] = _Sent(ending, message, 0, 0.0, in_flight=False, sends=2)
            message.last_tsn = self.last_tsn
        for tsn in range(message.first_tsn, message.last_tsn + 1):
            sent = self._under_way.get(tsn)
            if sent is not None:
                self._leave_flight(sent)
                sent.lost = False
                self._settle(sent)

    def _forward(self) -> None:
        """Move on over what is given up, and tell the peer until it has heard (RFC 3758 section 3.5, C1 to C5)."""
        streams: dict[int, int] = {}
        tsn = self._acknowledged + 1
        while (sent := self._under_way.get(tsn)) is not None and sent.message.abandoned:
            message = sent.message
            if message.ordered:
                if message.stream not in streams and len(streams) >= _MOST_FORWARDED_STREAMS:
                    break
                streams[message.stream] = message.sequence
            tsn += 1
        self._given_up = tsn - 1
        self.forwards = ForwardTsn(tsn - 1, list(streams.items())) if tsn - 1 > self._acknowledged else None
