"""From DATA chunks to messages in order: what came of the peer, held until it is complete and its turn has come."""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from sfu.transport.sctp.chunks import FIRST, LAST, UNORDERED, Data

CHUNK_OVERHEAD = 128
"""Octets that each held fragment counts for besides its payload, so that tiny ones are bounded, too."""


class ViolationError(Exception):
    """The peer breaks the rules in a way that the association cannot go on from; the message says how."""


class Message(NamedTuple):
    """A message as it came, and what it counts for until it is released."""

    stream: int
    protocol: int
    payload: bytes
    held: int


class _Run:
    """Fragments of one message whose TSNs follow each other."""

    __slots__ = ("begin", "end", "flags", "head", "held", "octets", "parts")

    def __init__(self, tsn: int, data: Data) -> None:
        self.begin = self.end = tsn
        self.flags = data.flags & (FIRST | LAST)
        self.head = (data.flags & UNORDERED, data.stream, data.sequence, data.protocol)
        self.parts = [data.payload]
        self.octets = len(data.payload)
        self.held = self.octets + CHUNK_OVERHEAD

    def join(self, after: _Run) -> None:
        if self.head[:2] != after.head[:2] or (not self.head[0] and self.head[2] != after.head[2]):
            raise ViolationError("fragments of two messages are mixed")
        self.end = after.end
        self.flags |= after.flags
        self.parts += after.parts
        self.octets += after.octets
        self.held += after.held


class Reassembly:
    """Puts fragments together; the TSNs that it gets are new ones.

    `most_octets` bounds a message, `most_streams` the streams, `window` what is held: a peer that heeds our window
    never comes near twice of it, and one that passes that ends the association.
    """

    def __init__(self, drops: Counter[str], *, window: int, most_octets: int, most_streams: int) -> None:
        self.held = 0
        """Octets that are held, those of messages that were handed out and not yet released included."""
        self._drops = drops
        self._window = window
        self._most_octets = most_octets
        self._most_streams = most_streams
        self._by_begin: dict[int, _Run] = {}
        self._by_end: dict[int, _Run] = {}
        self._next: dict[int, int] = {}
        self._begins: list[int] = []  # of the runs, in order
        self._waiting: dict[int, dict[int, Message]] = {}  # by stream and sequence number

    @property
    def free(self) -> int:
        """Octets that the peer may send now."""
        return max(0, self._window - self.held)

    def add(self, tsn: int, data: Data, cumulative: int) -> list[Message]:
        """Take a fragment; return the messages whose turn it is by now. `cumulative`: nothing before is missing.

        Raises:
            ViolationError: a message is too long, or fragments cannot belong together.
        """
        if data.stream >= self._most_streams:
            self._drops["sctp_stream_limit"] += 1
            return []
        run = _Run(tsn, data)
        self.held += run.held
        if self.held > 2 * self._window:
            raise ViolationError("the peer sends far beyond our window")
        before = None if run.flags & FIRST else self._by_end.get(tsn - 1)
        if before is not None and not before.flags & LAST:
            self._forget(before)
            before.join(run)
            run = before
        after = None if run.flags & LAST else self._by_begin.get(tsn + 1)
        if after is not None and not after.flags & FIRST:
            self._forget(after)
            run.join(after)
        if run.octets > self._most_octets:
            raise ViolationError(f"a message of more than {self._most_octets} octets, which is our a=max-message-size")
        if not run.flags & FIRST and run.begin <= cumulative:
            self._drops["sctp_orphan_fragment"] += 1  # its beginning was skipped
            self.held -= run.held
            return []
        if run.flags != FIRST | LAST:
            self._by_begin[run.begin] = self._by_end[run.end] = run
            bisect.insort(self._begins, run.begin)
            return []
        unordered, stream, sequence, protocol = run.head
        message = Message(stream, protocol, b"".join(run.parts), run.held)
        return [message] if unordered else self._in_turn(message, sequence)

    def skip(self, tsn: int, streams: Sequence[tuple[int, int]]) -> list[Message]:
        """Nothing up to `tsn` will come any more, and nothing of these streams up to these numbers (RFC 3758 3.6)."""
        for begin in self._begins[: bisect.bisect_right(self._begins, tsn)]:
            run = self._by_begin[begin]
            if run.end <= tsn or not run.flags & FIRST:  # else nothing is missing of it so far
                self._forget(run)
                self.held -= run.held
        ready = []
        for stream, sequence in dict(streams).items():
            upcoming = self._next.get(stream, 0)
            ahead = (sequence + 1 - upcoming) & 0xFFFF
            if stream < self._most_streams and 0 < ahead < 0x8000:
                held = self._waiting.get(stream, {})
                passed = sorted(((number - upcoming) & 0xFFFF, number) for number in held)
                ready += [held.pop(number) for distance, number in passed if distance < ahead]
                self._next[stream] = (sequence + 1) & 0xFFFF
                ready += self._follow(stream)
        return ready

    def reset(self, stream: int) -> None:
        """The peer begins a stream anew (RFC 6525 section 5.2.2)."""
        self._next.pop(stream, None)
        for message in self._waiting.pop(stream, {}).values():
            self.held -= message.held

    def release(self, octets: int) -> None:
        """A message that was handed out is done with; `octets` is its `held`."""
        self.held -= octets

    def _in_turn(self, message: Message, sequence: int) -> list[Message]:
        stream = message.stream
        ahead = (sequence - self._next.get(stream, 0)) & 0xFFFF
        if ahead == 0:
            self._next[stream] = (sequence + 1) & 0xFFFF
            return [message, *self._follow(stream)]
        waiting = self._waiting.setdefault(stream, {})
        if ahead >= 0x8000 or sequence in waiting:
            self._drops["sctp_stale_sequence"] += 1
            self.held -= message.held
        else:
            waiting[sequence] = message
        return []

    def _follow(self, stream: int) -> list[Message]:
        """What waited for its turn only."""
        waiting = self._waiting.get(stream)
        ready: list[Message] = []
        while waiting and (message := waiting.pop(self._next[stream], None)) is not None:
            ready.append(message)
            self._next[stream] = (self._next[stream] + 1) & 0xFFFF
        if waiting is not None and not waiting:
            del self._waiting[stream]
        return ready

    def _forget(self, run: _Run) -> None:
        del self._by_begin[run.begin], self._by_end[run.end]
        del self._begins[bisect.bisect_left(self._begins, run.begin)]
