"""What waits to be sent: messages of each stream, which take turns, cut into DATA chunks."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from sfu.transport.sctp.chunks import DATA_HEADER_LENGTH, FIRST, LAST, UNORDERED, Data
from sfu.transport.sctp.packet import HEADER_LENGTH, MAX_PACKET_LENGTH

MESSAGE_OVERHEAD = 128
"""Octets that each waiting message counts for besides its payload, so that tiny ones are bounded, too."""

_MOST_PAYLOAD = (MAX_PACKET_LENGTH - HEADER_LENGTH - DATA_HEADER_LENGTH) // 4 * 4


@dataclass(eq=False, slots=True)
class Outgoing:
    """A message on its way. `max_retransmits` and `expires_at` None: as often and as long as it takes."""

    stream: int
    protocol: int
    payload: bytes
    ordered: bool = True
    max_retransmits: int | None = None
    expires_at: float | None = None
    sequence: int = 0
    offset: int = 0
    """Octets that have become chunks."""
    first_tsn: int = 0
    last_tsn: int = 0
    """Of the chunks that it has become."""
    abandoned: bool = False

    @property
    def begun(self) -> bool:
        """Whether a part of it has gone out."""
        return self.offset > 0

    def is_over(self, now: float) -> bool:
        """Whether its time has passed."""
        return self.expires_at is not None and now >= self.expires_at

    @property
    def done(self) -> bool:
        """Whether all of it has gone out."""
        return self.offset >= len(self.payload)


@dataclass(eq=False)
class Queue:
    """Messages that wait. A message's chunks stand together, between messages the streams take turns."""

    octets: int = 0
    """Of payload, that have not become chunks."""
    messages: int = 0
    _by_stream: dict[int, deque[Outgoing]] = field(default_factory=dict)
    _turns: deque[int] = field(default_factory=deque)
    _sequences: dict[int, int] = field(default_factory=dict)
    _current: Outgoing | None = None

    def add(self, message: Outgoing) -> None:
        """Append a message."""
        waiting = self._by_stream.get(message.stream)
        if waiting is None:
            waiting = self._by_stream[message.stream] = deque()
            self._turns.append(message.stream)
        waiting.append(message)
        self.octets += len(message.payload)
        self.messages += 1

    def holds(self, stream: int) -> bool:
        """Whether anything of a stream waits."""
        return stream in self._by_stream or (self._current is not None and self._current.stream == stream)

    def next(self, now: float, expired: list[Outgoing]) -> Outgoing | None:
        """The message whose chunks come next; those not begun in their time are added to `expired`."""
        current = self._current
        if current is not None:
            if current.begun or not current.is_over(now):
                return current
            expired.append(current)
            self.give_up(current)
        while self._turns:
            stream = self._turns.popleft()
            waiting = self._by_stream[stream]
            message = waiting.popleft()
            if waiting:
                self._turns.append(stream)
            else:
                del self._by_stream[stream]
            if message.is_over(now):
                expired.append(message)
                self._drop(message)
                continue
            self._current = message
            return message
        return None

    def cut(self, tsn: int, room: int) -> tuple[Outgoing, Data] | None:
        """The next chunk of the current message, in at most `room` octets, or None where it does not pay."""
        message = self._current
        if message is None:
            return None
        rest = len(message.payload) - message.offset
        size = min(rest, _MOST_PAYLOAD)
        if DATA_HEADER_LENGTH + size > room:
            return None
        flags = 0 if message.ordered else UNORDERED
        if not message.begun:
            flags |= FIRST
            if message.ordered:
                message.sequence = self._sequences.get(message.stream, 0)
                self._sequences[message.stream] = (message.sequence + 1) & 0xFFFF
        if size == rest:
            flags |= LAST
            self._current = None
            self.messages -= 1
        payload = message.payload[message.offset : message.offset + size]
        message.offset += size
        self.octets -= size
        return message, Data(flags, tsn, message.stream, message.sequence, message.protocol, payload)

    def give_up(self, message: Outgoing) -> None:
        """Nothing more is sent of a message that was begun."""
        if message is self._current:
            self._current = None
            self._drop(message)

    def clear(self, stream: int) -> list[Outgoing]:
        """Take the messages of a stream out that were not begun."""
        found = list(self._by_stream.pop(stream, ()))
        if found:
            self._turns.remove(stream)
        for message in found:
            self._drop(message)
        return found

    def restart(self, stream: int) -> None:
        """A stream begins anew: its numbers count from 0."""
        self._sequences.pop(stream, None)

    def _drop(self, message: Outgoing) -> None:
        self.octets -= len(message.payload) - message.offset
        self.messages -= 1
