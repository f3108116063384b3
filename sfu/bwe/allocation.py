"""Sharing the budget of one Peer over the video that it receives, in steps of real Layers, sans-IO.

All steps stand in one order, and each is taken that fits when its turn comes. First come the lowest steps of all, by
priority; then the others, from whoever has the least rate for its priority (weighted max-min fairness). A step that
does not fit is passed over, with those above it; the ones after it may still fit.

What was taken before has an advantage in this order, and costs what it costs; what is new must fit with a margin, and
wait a while after a loss. So measurements that fluctuate change little, while a budget that falls is obeyed at once.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from sfu.bwe.network_change import NetworkChange

K = TypeVar("K", bound=Hashable)
L = TypeVar("L", bound=Hashable)

MARGIN = 0.03
"""Share of its own rate that a step up must leave unspent."""
HOLD = 1.0
"""Seconds without a step up after a step down."""
LONGEST_HOLD = 5.0
"""Longest hold, in seconds: the hold doubles with each step up that had to be taken back, and the step must fit
throughout."""
TAKEN_BACK = 6.0
"""A step up that lasts for fewer seconds than this has failed."""
FORGOTTEN = 60.0
"""Seconds without a failure after which failures no longer count."""
BETTER = 1.25
"""Failures do not count either while the budget is this many times the one they began with: the network has changed."""
START = 3.0
"""Seconds during which a new demand goes up without margin, and gets its due share from others."""
STICKINESS = 2.0
"""After that, a demand loses a step to another one only if that one has this many times less for its priority."""

_NONE = -1
_NEVER = -math.inf
_MORE_URGENT = 1.25  # a priority that rises by this makes a demand as good as new; less is noise


@dataclass(frozen=True, slots=True)
class Step(Generic[L]):
    """One quality that a Track really has now.

    Raises:
        ValueError: the caller's rate is not a number of 0 or more.
    """

    layer: L
    """The caller's key for the quality; it is unique within a Demand."""
    rate_bps: float
    """The measured cost of receiving it (bit/s, all that the budget counts), smoothed by the caller."""

    def __post_init__(self) -> None:
        """Check the rate."""
        if not 0.0 <= self.rate_bps < math.inf:
            raise ValueError(f"a step of {self.rate_bps} bit/s; its rate must be finite and 0 or more")


@dataclass(frozen=True, slots=True)
class Demand(Generic[K, L]):
    """What one video Subscription could get.

    Raises:
        ValueError: the caller's priority is not a number above 0.
    """

    key: K
    steps: Sequence[Step[L]]
    """From the least quality up to the ceiling. Empty: nothing flows yet, which costs nothing and is no pause.

    A step counts for at least as much as those below it, whatever was measured.
    """
    priority: float = 1.0
    """A demand with twice the priority is given twice the rate, as far as the steps allow."""

    def __post_init__(self) -> None:
        """Check the priority."""
        if not 0.0 < self.priority < math.inf:
            raise ValueError(f"priority {self.priority}; it must be finite and above 0")


class Allocation(NamedTuple, Generic[K, L]):
    """The step that each Demand was given."""

    chosen: Mapping[K, Step[L] | None]
    """The step of each Demand that has steps; None: it is paused, since nothing fits."""
    spent_bps: float
    """What the chosen steps cost together, each rounded up to a bit/s; never more than the budget or the floor."""
    wanted_bps: float
    """What the highest step of every Demand would cost together."""
    next_bps: float | None
    """The least budget that would bring a further step, worth probing for; above the present one.

    Steps that fit already and wait for their hold to end do not count, unless a greater budget would end it.
    None: all have their highest, or will have with time.
    """


class _Claim(Generic[L]):
    """One Demand, and what is remembered of it between calls."""

    __slots__ = (
        "due",
        "due_again",
        "failed",
        "failures",
        "held",
        "lowered",
        "missed",
        "planned",
        "priority",
        "raised",
        "raised_bps",
        "rates",
        "retry_bps",
        "since",
        "starting",
        "steps",
        "taken",
        "tried_bps",
        "unsure",
        "waits",
    )

    def __init__(self, now: float) -> None:
        self.steps: tuple[Step[L], ...] = ()
        self.rates: list[float] = []  # of the steps, never falling; whole, so that sums are exact in any order
        self.priority = 0.0
        self.taken = _NONE  # index of the step that it has
        self.held = _NONE  # the one that it had before
        self.planned = _NONE  # the one that it would have without a hold
        self.since = now  # when it began, or became as good as new
        self.starting = True
        self.raised = _NEVER
        self.raised_bps = 0.0  # the budget at that time
        self.lowered = _NEVER
        self.missed = _NEVER  # when its next step last did not fit
        self.waits = False  # whether the next step fits and only has to wait
        self.failures = 0
        self.failed = _NEVER  # or would have, but for the hold
        self.unsure = 0  # index of the lowest step that failed
        self.tried_bps = 0.0  # the greatest budget that a failure began with
        self.due = _NEVER  # when it may go up
        self.due_again = _NEVER  # when it may go up to the steps that failed, and beyond
        self.retry_bps = 0.0  # the budget with which it need not wait for that

    def follow(self, steps: tuple[Step[L], ...], priority: float, now: float) -> None:
        """Take the current steps, and find among them the one that the claim has."""
        before = self.steps
        self.steps = steps
        self.rates = rates = []
        most = 0.0
        for step in steps:
            if step.rate_bps > most:
                most = float(math.ceil(step.rate_bps))
            rates.append(most)
        if priority >= _MORE_URGENT * self.priority:
            self.since = now
        self.priority = priority
        if not steps:
            self.taken = _NONE
        elif not self._is_like(before):
            self._find(before, now)
        self.held = self.taken
        self.taken = self.planned = _NONE

    def forget_failures(self) -> None:
        """Forget failures, which say nothing of the network as it is now."""
        self.failures = 0
        self.tried_bps = 0.0

    def _is_like(self, before: tuple[Step[L], ...]) -> bool:
        """Whether the steps are the same as before, by those that matter."""
        steps = self.steps
        return (
            len(steps) == len(before)
            and steps[-1].layer == before[-1].layer
            and steps[self.taken].layer == before[self.taken].layer
        )

    def _find(self, before: tuple[Step[L], ...], now: float) -> None:
        """Fall to the next step below that is still there. Where steps came or went, no hold is due.

        One that has failed lately keeps its hold all the same: its steps may come and go by the noise of measuring.
        """
        places = {step.layer: place for place, step in enumerate(self.steps)}

        def highest(count: int) -> int:
            """Where the highest of the first `count` steps is now."""
            return next((places[step.layer] for step in reversed(before[:count]) if step.layer in places), _NONE)

        had = self.taken
        self.taken = highest(had + 1)
        self.unsure = highest(self.unsure) + 1
        top = self.steps[-1].layer
        if all(step.layer != top for step in before) or (had != _NONE and self.taken == _NONE):
            self.since = now
            if self.failures == 0:
                self.lowered = _NEVER


@dataclass(slots=True)
class _Outcome:
    """The result of one pass over all steps."""

    spent_bps: float = 0.0
    next_bps: float = math.inf
    wake: float = math.inf


class Allocator(Generic[K, L]):
    """The allocation of one Peer, with its hysteresis. It remembers only the keys of the last call.

    Down, or into a pause, at once when the budget no longer carries what was allocated; the fewest are changed, who
    have the most for their priority first. Up, or out of a pause, when it fits with a margin and a hold is over. What
    waits for its hold keeps its place: the room that was lost a moment ago is not there for another either.
    """

    def __init__(
        self,
        *,
        margin: float = MARGIN,
        hold: float = HOLD,
        longest_hold: float = LONGEST_HOLD,
        taken_back: float = TAKEN_BACK,
        forgotten: float = FORGOTTEN,
        better: float = BETTER,
        start: float = START,
        stickiness: float = STICKINESS,
    ) -> None:
        """See the constants of the same names for what they mean.

        Raises:
            ValueError: the caller's `longest_hold` is less than `hold`, or `stickiness` less than 1.
        """
        if longest_hold < hold:
            raise ValueError(f"a longest hold of {longest_hold} s is shorter than the hold of {hold} s")
        if stickiness < 1.0:
            raise ValueError(f"a stickiness of {stickiness}; with less than 1 steps would be lost for being held")
        self._margin = margin
        self._hold = hold
        self._longest_hold = longest_hold
        self._taken_back = taken_back
        self._forgotten = forgotten
        self._better = better
        self._start = start
        self._stickiness = stickiness
        self._change = NetworkChange()
        self._claims: dict[K, _Claim[L]] = {}
        self._wake: float | None = None

    def poll_timeout(self) -> float | None:
        """When to call `allocate` again though nothing changes (absolute seconds), as a hold will be over; or None."""
        return self._wake

    def allocate(
        self, budget_bps: float, demands: Sequence[Demand[K, L]], now: float, *, floor_bps: float = -math.inf
    ) -> Allocation[K, L]:
        """Share `budget_bps` (infinite: no limit is known; below 0: as 0, but free steps too are paused).

        `floor_bps`: so much the lowest steps may cost together in any case; what is beyond the budget leaves nothing
        for higher ones.

        Raises:
            ValueError: the caller's budget is not a number, or two demands have one key; nothing has changed then.
        """
        if math.isnan(budget_bps):
            raise ValueError("the budget is not a number of bit/s")
        if len({demand.key for demand in demands}) != len(demands):
            raise ValueError("two demands have the same key; a Subscription has one")
        before = self._claims
        self._claims = claims = {}
        held_bps = wanted_bps = 0.0
        changed = self._change.handle_budget(budget_bps, now)
        for demand in demands:
            claims[demand.key] = claim = before.get(demand.key) or _Claim(now)
            if changed:
                claim.forget_failures()
            claim.follow(tuple(demand.steps), demand.priority, now)
            self._set_terms(claim, budget_bps, now)
            if claim.rates:
                wanted_bps += claim.rates[-1]
                if claim.held != _NONE:
                    held_bps += claim.rates[claim.held]
        outcome = self._fill(list(claims.values()), budget_bps, max(budget_bps, floor_bps), now)
        for claim in claims.values():
            self._remember(claim, budget_bps, now, overdrawn=held_bps > max(budget_bps, floor_bps))
        self._wake = outcome.wake if outcome.wake < math.inf else None
        return Allocation(
            {
                key: claim.steps[claim.taken] if claim.taken != _NONE else None
                for key, claim in claims.items()
                if claim.steps
            },
            outcome.spent_bps,
            wanted_bps,
            outcome.next_bps if outcome.next_bps < math.inf else None,
        )

    def _set_terms(self, claim: _Claim[L], budget_bps: float, now: float) -> None:
        """On what terms it may go up."""
        claim.starting = now < claim.since + self._start and claim.lowered < claim.since
        claim.due = claim.due_again = claim.lowered + self._hold
        claim.retry_bps = 0.0
        if claim.failures == 0:
            return
        if now >= claim.failed + self._forgotten:
            claim.forget_failures()
        elif budget_bps < self._better * claim.tried_bps:
            hold = min(self._hold * 2.0 ** min(claim.failures, 30), self._longest_hold)
            claim.due_again = max(claim.lowered, claim.missed) + hold
            claim.retry_bps = self._better * claim.tried_bps

    def _order(self, claims: list[_Claim[L]]) -> Iterable[tuple[float, bool, int, int]]:
        """Return all steps in the order of their turns; the last two numbers are the claim's index and the step's."""
        lowest = []
        others = []
        for place, claim in enumerate(claims):
            rates = claim.rates
            if not rates:
                continue
            held = claim.held
            lowest.append((-claim.priority, held == _NONE, place, 0))
            disadvantage = 1.0 if claim.starting else self._stickiness
            for index in range(1, len(rates)):
                level = rates[index - 1] / claim.priority
                if index > held:
                    others.append((level * disadvantage, True, place, index))
                else:
                    others.append((level, False, place, index))
        lowest.sort()
        others.sort()
        return lowest + others

    def _fill(self, claims: list[_Claim[L]], budget_bps: float, floor_bps: float, now: float) -> _Outcome:
        """Take each step that fits when its turn comes: the lowest into `floor_bps`, the others into `budget_bps`."""
        spent = waiting = slack = 0.0
        next_bps = wake = math.inf
        for _, new, place, index in self._order(claims):
            claim = claims[place]
            if claim.planned != index - 1:
                continue  # it does not have the step below
            rate = claim.rates[index]
            cost = rate - claim.rates[index - 1] if index else rate
            margin = 0.0 if claim.starting else self._margin * rate
            room_bps = budget_bps if index else floor_bps
            if not new:
                if spent + cost + slack <= room_bps:
                    spent += cost
                    claim.taken = claim.planned = index
                else:
                    next_bps = min(next_bps, spent + cost + max(slack, margin))
                continue
            due, retry_bps = (claim.due, 0.0) if index < claim.unsure else (claim.due_again, claim.retry_bps)
            need = spent + waiting + cost + margin
            if need > room_bps:
                next_bps = min(next_bps, need if due <= now else max(need, retry_bps))
                if claim.planned == claim.taken:
                    claim.missed = now
            elif due > now:
                waiting += cost  # kept from others that are new, not from those who have what they have
                claim.planned = index
                wake = min(wake, due)
                if retry_bps:
                    next_bps = min(next_bps, retry_bps)
            else:
                spent += cost
                slack = max(slack, margin)
                claim.taken = claim.planned = index
        return _Outcome(spent, next_bps, wake)

    def _remember(self, claim: _Claim[L], budget_bps: float, now: float, *, overdrawn: bool) -> None:
        if claim.waits and claim.missed == now and claim.failures:
            claim.failed = now
        claim.waits = claim.planned > claim.taken
        if claim.taken > claim.held:
            claim.raised = now if budget_bps < math.inf else _NEVER  # without a limit nothing is tried
            claim.raised_bps = budget_bps
        elif claim.taken < claim.held:
            claim.lowered = now
            if overdrawn and now < claim.raised + self._taken_back:  # not where it only had to make room
                lost = claim.taken + 1
                claim.unsure = min(claim.unsure, lost) if claim.failures else lost
                claim.failures += 1
                claim.failed = now
                claim.raised = _NEVER  # what is lost beyond this was not tried lately
                claim.tried_bps = max(claim.tried_bps, claim.raised_bps)
