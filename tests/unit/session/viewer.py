"""A viewer that shares its budget, and what the budget reads of the plane."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from sfu.events import Event, SubscriptionFed, SubscriptionStarved
from sfu.media.subscription import Subscription
from sfu.session.bandwidth import Budget
from tests.unit.fakes import FakePlane
from tests.unit.media.scene import Subscriber

LOW, MIDDLE, HIGH = 100_000.0, 300_000.0, 900_000.0
STATE = dict.fromkeys(("sent_bps", "acked_bps", "loss", "round_trip_us", "queue_ms"), 0.0)


class Viewer(Subscriber):
    """A connection that shares its budget when its demand changes, as real ones do."""

    def __init__(self, shard: Any, plane: FakePlane) -> None:
        super().__init__(shard)
        self.subscriptions: list[Subscription] = []
        self.budget = Budget(plane, self.row, self.subscriptions)  # type: ignore[arg-type]
        self.starved: list[bool] = []
        self.clock = 100.0

    def now(self) -> float:
        return self.clock

    def demand_changed(self) -> None:
        self.budget.update(self.now())

    def post(self, event: Event) -> None:
        assert isinstance(event, SubscriptionStarved | SubscriptionFed)
        self.starved.append(isinstance(event, SubscriptionStarved))


def give_states(
    plane: FakePlane, queued: Callable[[], int] = lambda: 0, full_bps: Callable[[], float] = lambda: 0.0
) -> None:
    """What a budget reads of a connection and its estimator."""
    plane.estimator_state = lambda row: SimpleNamespace(**STATE, full_bps=full_bps())  # type: ignore[attr-defined]
    plane.connection_state = lambda row: SimpleNamespace(queued_bytes=queued(), bytes_in=0, bytes_out=0)  # type: ignore[attr-defined]
