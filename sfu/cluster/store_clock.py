"""What a node knows of the store's clock, so that a step of it makes no lease look over that is not."""

from __future__ import annotations

from collections import deque

from sfu.cluster.timing import Timing


class StoreClock:
    """Samples of the store's calendar, each between the sending of a request and its answer.

    A lease was written at a moment that lies either before all samples that count, hence longer ago than `watch`; or
    after one of them, and then the store's clock, up to the latest moment that `find_latest_ms` allows, cannot have
    gone further since than our own by more than that sample's round trip and `travel`. Steps back between two samples
    are seen by the store itself, and are another incarnation.
    """

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._samples: deque[tuple[float, float]] = deque()
        """When sent, and by how much the store's clock was at most ahead of ours."""

    def restart(self) -> None:
        """Forget all: another incarnation has another clock."""
        self._samples.clear()

    def add(self, time_ms: int, sent: float, received: float) -> None:
        """Take what an answer says; one that took too long says nothing."""
        if received - sent > self._timing.uncertainty:
            return
        self._samples.append((sent, time_ms / 1000 - sent))
        oldest = sent - self._timing.watch
        if len(self._samples) > 1 and self._samples[-2][0] < oldest:
            # over so long a gap two clocks may have come apart by themselves
            self._samples = deque([self._samples[-1]])
        while len(self._samples) > 1 and self._samples[1][0] <= oldest:
            self._samples.popleft()

    def watched_at(self) -> float | None:
        """Return from when on, by our clock, `find_latest_ms` has an answer; None: not before more is known."""
        return self._samples[0][0] + self._timing.watch if self._samples else None

    def find_latest_ms(self, now: float) -> int:
        """Return until when, by the store's calendar, a claim that is sent now may be done; 0: not at all."""
        at = self.watched_at()
        if at is None or now < at or now > self._samples[-1][0] + max(self._timing.watch, self._timing.lease):
            return 0
        ahead = min(base for _, base in self._samples)
        return int((now + ahead + self._timing.travel) * 1000)
