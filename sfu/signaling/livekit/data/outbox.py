"""What one client is still to be sent: kept until it has a channel, and while that takes no more."""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from sfu import DataChannel
from sfu.errors import ArgumentError, ConnectionClosedError


class Parcel(NamedTuple):
    """A packet as it goes out. `sequence` 0: its sender does not number."""

    message: bytes
    sender_sid: str = ""
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long and how much is kept for one client."""

    joining_seconds: float
    """So long for one who has no open channel."""
    joining_bytes: int
    """And so much."""
    slow_seconds: float
    """One whose channel is full has to take something within this time."""
    slow_bytes: int
    """At least so much."""


class Outbox:
    """Of one client. Nothing is added while it is `full`, but what was being sent at that moment."""

    def __init__(
        self,
        patience: Patience,
        losses: collections.Counter[str],
        freed: Callable[[], None],
        list_lately: Callable[[], Iterable[Parcel]] = tuple,
    ) -> None:
        """`losses`: counts what is lost, by reason. `freed` is called when it is not full any more. `list_lately` tells
        what the client was to be sent in the last seconds, as far as its senders number it.
        """
        self._patience = patience
        self._losses = losses
        self._freed = freed
        self._list_lately = list_lately
        self._reliable: DataChannel | None = None
        self._lossy: DataChannel | None = None
        self._waiting: collections.deque[tuple[float, Parcel]] = collections.deque()
        self._waiting_bytes = 0
        self._given: dict[str, int] = {}  # the last number of each sender that the channel has taken
        self._lost: dict[str, int] = {}  # the same of channels that have closed
        self._received: Mapping[str, int] = {}  # what the client says that it has got by them
        self._given_bytes = 0
        self._settled_bytes = 0
        self._settled_at: float | None = None  # None: it has only become full
        self._flushing = False
        self.ended = False
        """Whether its client gets nothing any more."""

    def __len__(self) -> int:
        """Packets that wait."""
        return len(self._waiting)

    @property
    def waiting_bytes(self) -> int:
        """What waits, in bytes."""
        return self._waiting_bytes

    @property
    def full(self) -> bool:
        """Whether its channel takes nothing more for now."""
        return self._reliable is not None and bool(self._waiting)

    def take_lossy(self, channel: DataChannel | None) -> None:
        """There is another channel for what may get lost, or none."""
        self._lossy = channel

    def take_reliable(self, channel: DataChannel | None) -> None:
        """There is another channel for what may not get lost, or none. Nobody knows how much of what the former was
        given has arrived: all of it is sent again, but for what the client is known to have. It knows by the numbers
        what it has already.
        """
        self._lost |= self._given
        self._given = {}
        self._given_bytes = 0
        self._settled_at = None
        self._reliable = channel
        if channel is None:
            self._freed()
            return
        channel.low_mark = 0
        channel.on_low = self.flush
        missed = [each for each in self._list_lately() if self._has_missed(each)] if self._lost else []
        self._lost, self._received = {}, {}
        waiting = {(parcel.sender_sid, parcel.sequence) for _, parcel in self._waiting}
        for parcel in reversed(missed):
            if (parcel.sender_sid, parcel.sequence) not in waiting:
                self._waiting.appendleft((0.0, parcel))
                self._waiting_bytes += len(parcel.message)
        self.flush()

    def resume(self, received: Mapping[str, int]) -> None:
        """The client has come back and says what it has `received` last of each sender. What an open channel was given
        comes by itself.
        """
        self._received = received
        kept = [
            (at, parcel)
            for at, parcel in self._waiting
            if not 0 < parcel.sequence <= received.get(parcel.sender_sid, 0)
        ]
        self._waiting = collections.deque(kept)
        self._waiting_bytes = sum(len(parcel.message) for _, parcel in kept)
        if not kept:
            self._freed()

    def send_lossy(self, message: bytes) -> None:
        """Send it now or never."""
        if self._lossy is None:
            self._losses["no_channel"] += 1
            return
        try:
            taken = self._lossy.send(message)
        except ArgumentError:
            self._losses["too_large"] += 1
        except ConnectionClosedError:
            self._losses["no_channel"] += 1
        else:
            if not taken:
                self._losses["lossy"] += 1

    def send(self, parcel: Parcel, now: float) -> None:
        """Send it once that is possible. `now`: seconds since the Unix epoch."""
        if self.ended:
            self._losses["cut_off"] += 1
        elif self._waiting or not self._try(parcel):
            if not self._waiting:
                self._settled_at = None
            self._add(parcel, now)

    def flush(self) -> None:
        """Send what waits, as far as the channel takes it."""
        if self._reliable is None or self._flushing or not self._waiting:
            return
        self._flushing = True
        while self._waiting and self._try(self._waiting[0][1]):
            self._waiting_bytes -= len(self._waiting.popleft()[1].message)
        self._flushing = False
        if not self._waiting:
            self._freed()

    def forget(self, sender_sid: str) -> None:
        """A sender has left."""
        self._given.pop(sender_sid, None)
        self._lost.pop(sender_sid, None)

    def handle_tick(self, now: float) -> bool:
        """Forget what is too old for one who has no channel. False: its client is too slow to go on."""
        self.flush()
        channel = self._reliable
        if channel is None:
            while self._waiting and now >= self._waiting[0][0] + self._patience.joining_seconds:
                self._drop_oldest()
        elif self._waiting:
            settled = self._given_bytes - channel.buffered
            if self._settled_at is None or settled >= self._settled_bytes + self._patience.slow_bytes:
                self._settled_bytes, self._settled_at = settled, now
            return now < self._settled_at + self._patience.slow_seconds
        return True

    def end(self) -> None:
        """Nothing goes to its client any more."""
        self.ended = True
        self._waiting.clear()
        self._waiting_bytes = 0
        self._list_lately = tuple
        self._freed()

    def _has_missed(self, parcel: Parcel) -> bool:
        sender = parcel.sender_sid
        return self._received.get(sender, 0) < parcel.sequence <= self._lost.get(sender, 0)

    def _add(self, parcel: Parcel, now: float) -> None:
        if self._reliable is None:
            while self._waiting and self._waiting_bytes + len(parcel.message) > self._patience.joining_bytes:
                self._drop_oldest()
            if len(parcel.message) > self._patience.joining_bytes:
                self._losses["joining"] += 1
                return
        self._waiting.append((now, parcel))
        self._waiting_bytes += len(parcel.message)

    def _try(self, parcel: Parcel) -> bool:
        """Whether it is done with."""
        channel = self._reliable
        if channel is None:
            return False
        try:
            taken = channel.send(parcel.message)
        except ArgumentError:
            self._losses["too_large"] += 1
            return True
        except ConnectionClosedError:
            self.take_reliable(None)
            return False
        if not taken:
            channel.low_mark = channel.buffered // 2  # told once half of it is there, whatever the buffer's size
            return False
        self._given_bytes += len(parcel.message)
        if parcel.sequence:
            self._given[parcel.sender_sid] = parcel.sequence
        return True

    def _drop_oldest(self) -> None:
        self._waiting_bytes -= len(self._waiting.popleft()[1].message)
        self._losses["joining"] += 1
