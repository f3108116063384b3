"""A queue before a line of limited capacity."""

from __future__ import annotations

from collections import deque
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")

BITS = 8


class Departure(NamedTuple, Generic[T]):
    """An item whose last bit has left the line, `waited_s` after it came in and before its first bit left."""

    item: T
    at: float
    waited_s: float


class _Waiting(NamedTuple, Generic[T]):
    item: T
    size_bytes: int
    since: float


class Bottleneck(Generic[T]):
    """First in, first out, one at a time. Departures do not depend on how often `leave` is called.

    Before `offer` and `set_rate`, take what left up to the same `now` by `leave`.
    """

    def __init__(self, rate_bps: float | None, bucket_bytes: int = 0) -> None:
        """`bucket_bytes`: so much passes at once after a rest, as with a token bucket."""
        self._rate = rate_bps
        self._bucket_bits = self._credit_bits = float(bucket_bytes * BITS)
        self._rests_since = 0.0
        self._positive_rate = rate_bps or None  # what a queue's limit in seconds means while nothing leaves
        self._queue: deque[_Waiting[T]] = deque()
        self._bytes = 0
        self._started = 0.0
        self._finish = 0.0
        self._stalled_bits = 0.0  # of the first item, while the rate is 0

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def waiting_bytes(self) -> int:
        """Bytes behind the item that is on the line."""
        return self._bytes - self._queue[0].size_bytes if self._queue else 0

    @property
    def finish(self) -> float | None:
        """When the item on the line will have left; None: there is none, or it does not move."""
        return self._finish if self._queue and self._rate != 0 else None

    def wait_s(self, now: float) -> float:
        """How long an item that comes now would wait at the current rate (at the last one, while that is 0)."""
        if not self._queue or self._rate is None:
            return 0.0
        behind = self.waiting_bytes * BITS
        if self._rate > 0:
            return self._finish - now + behind / self._rate
        if self._positive_rate is None:
            return float("inf")
        return (self._stalled_bits + behind) / self._positive_rate

    def offer(
        self,
        item: T,
        size_bytes: int,
        now: float,
        queue_bytes: int | None = None,
        queue_s: float | None = None,
    ) -> bool:
        """Take an item, unless it would wait and the queue is full; an idle line takes any."""
        if self._queue:
            if queue_bytes is not None and self.waiting_bytes + size_bytes > queue_bytes:
                return False
            if queue_s is not None and self.wait_s(now) > queue_s:
                return False
        self._queue.append(_Waiting(item, size_bytes, now))
        self._bytes += size_bytes
        if len(self._queue) == 1:
            self._begin(now)
        return True

    def leave(self, now: float) -> list[Departure[T]]:
        """Take away what has left up to `now`, in order."""
        gone: list[Departure[T]] = []
        while self._queue and self._rate != 0 and self._finish <= now:
            first = self._queue.popleft()
            self._bytes -= first.size_bytes
            self._rests_since = self._finish
            gone.append(Departure(first.item, self._finish, self._started - first.since))
            if self._queue:
                self._begin(self._finish)
        return gone

    def set_rate(self, rate_bps: float | None, now: float) -> None:
        """Go on at another rate with all that is queued and the rest of what is on the line."""
        if self._queue:
            left = self._stalled_bits if not self._rate else (self._finish - now) * self._rate
            self._rate = rate_bps
            self._continue(left, now)
        self._rate = rate_bps
        self._positive_rate = rate_bps or self._positive_rate

    def _begin(self, now: float) -> None:
        self._started = now
        bits = float(self._queue[0].size_bytes * BITS)
        if self._rate:
            earned = (now - self._rests_since) * self._rate
            self._credit_bits = min(self._credit_bits + earned, self._bucket_bits)
            spent = min(self._credit_bits, bits)
            self._credit_bits -= spent
            bits -= spent
        self._continue(bits, now)

    def _continue(self, bits: float, now: float) -> None:
        if self._rate == 0:
            self._stalled_bits = bits
        else:
            self._finish = now + (bits / self._rate if self._rate is not None else 0.0)
