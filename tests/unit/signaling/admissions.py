"""An admission that refuses what it is told to."""

from __future__ import annotations

from sfu.signaling import Demand, Refusal

BUSY = Refusal(reason="plane_load", title="Server busy", detail="Try again.", retry_after=4.2)
FULL = Refusal(reason="peers", title="Quota", detail="2 of 2.", retry_after=30, status=429, limit=2, used=2)


class Asked:
    """Remembers what it was asked."""

    def __init__(self) -> None:
        self.refusal: Refusal | None = None
        self.demands: list[Demand] = []

    def check(self, demand: Demand) -> Refusal | None:
        self.demands.append(demand)
        return self.refusal
