"""What a node counts on by its own clock, whatever the directory may think meanwhile."""

from __future__ import annotations

import math
from enum import Enum

from sfu.cluster.node_requests import Renewed
from sfu.cluster.store_clock import StoreClock
from sfu.cluster.timing import MAX_DRIFT, Timing


class LeaseState(Enum):
    """Of a node, by its own clock. In each of them it goes on serving whom it serves."""

    HOLDS = "holds"
    """What is its, is nobody else's."""
    UNCERTAIN = "uncertain"
    """Its lease may be over: it claims nothing, and others may take its rooms."""
    LOST = "lost"
    """Its lease is over, unless a renewal has come to the store of which it knows nothing."""


class Lease:
    """The lease of one node, renewal by renewal.

    A *generation* is a time in which it never ran out. What was claimed in one is ours as long as that lasts, and must
    be asked for again in the next.
    """

    def __init__(self, timing: Timing, epoch: int = 0) -> None:
        self._timing = timing
        self.epoch = epoch
        """0: the directory has not said yet."""
        self.incarnation = ""
        self.generation = 0
        self.clock = StoreClock(timing)
        self._held_until = -math.inf
        self._before = (0, -math.inf)
        """The generation before, and until when what was claimed in it counts."""
        self._over_at = -math.inf

    def take(self, renewed: Renewed, sent: float, now: float) -> bool:
        """A renewal has succeeded. Return whether another generation begins."""
        reborn = renewed.incarnation != self.incarnation
        # a renewal of which we know nothing may have revived it: so our clock has a say, too
        lapsed = reborn or renewed.revived or sent > self._held_until or renewed.epoch != self.epoch
        if lapsed:
            self._before = (self.generation, self._held_until)
            self.generation += 1
        if reborn:
            self.clock.restart()
        self.epoch = renewed.epoch
        self.incarnation = renewed.incarnation
        self.clock.add(renewed.time_ms, sent, now)
        self._held_until = sent + self._timing.hold
        self._over_at = sent + self._timing.lease * (1 + MAX_DRIFT)
        return lapsed

    def end(self) -> None:
        """Count on nothing any more."""
        self._held_until = self._over_at = -math.inf
        self._before = (0, -math.inf)

    def state(self, now: float) -> LeaseState:
        """Return what it is worth now."""
        if now < self._held_until:
            return LeaseState.HOLDS
        return LeaseState.UNCERTAIN if now < self._over_at else LeaseState.LOST

    def covers(self, generation: int, now: float) -> bool:
        """Return whether what was claimed in a generation is ours now."""
        if generation == self.generation:
            return now < self._held_until
        before, until = self._before
        return generation == before > 0 and now < until
