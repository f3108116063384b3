"""How long leases last and how far clocks are trusted, the same for all nodes of a cluster."""

from __future__ import annotations

from dataclasses import dataclass

PROTOCOL = 1
"""What nodes write into the directory and mean by it: nodes of two protocols share no cluster."""
CLOCK_TOLERANCE_MS = 100
"""By so much the store's clock may go back before it counts as another life of the store (see `scripts`)."""
MAX_DRIFT = 0.01
"""By so much, of one, may two clocks differ in speed."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds.

    A claim may take over the rooms of a node whose lease the STORE's clock says is over, while that node counts `hold`
    by its OWN clock. What makes both agree: `hold` with `MAX_DRIFT` on both sides fits into what is left of `lease`
    after all that the store's clock may have run ahead without the claimer's noticing: `uncertainty`, `travel` and
    CLOCK_TOLERANCE_MS (see `StoreClock`).
    """

    lease: float = 2.8
    """Of a node in the directory: so a node that has died is missed within 3 s."""
    hold: float = 2.1
    """What of it a node counts on, by its own monotonic clock, from when it SENT the renewal."""
    renew_every: float = 1.0
    ask_timeout: float = 0.8
    """After which a request has failed."""
    travel: float = 0.2
    """How long a claim may take to the store before it is refused there."""
    uncertainty: float = 0.2
    """A renewal that took longer from being sent to being answered says too little of the store's clock."""
    watch: float = 2.8
    """How long a node must have seen one incarnation of the store, and its clock go like its own, before it claims."""
    read_every: float = 5.0
    """How often the homes of rooms are read again that are elsewhere: hints may be lost."""
    look_every: float = 0.5
    """How often, at most, a node asks which nodes have changed."""
    sweep_after: float = 60.0
    """So long a room of a node that is gone waits for an heir before it is forgotten."""

    @property
    def lease_ms(self) -> int:
        """The lease as the store takes it."""
        return round(self.lease * 1000)

    def is_sound(self) -> bool:
        """Return whether no two nodes can count on one room, whatever clocks do within the bounds above."""
        unnoticed = self.uncertainty + self.travel + CLOCK_TOLERANCE_MS / 1000 + 2 * self.watch * MAX_DRIFT
        slowest = self.hold * (1 + MAX_DRIFT) ** 2
        return slowest <= self.lease - unnoticed and slowest <= self.watch


CLUSTER = Timing()
ALONE = Timing(watch=0.0)
"""For one node whose directory is its own memory: no other can hold what it claims."""
