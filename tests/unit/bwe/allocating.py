"""Who asks for a budget, and an allocator that is asked at times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sfu.bwe.allocation import FORGOTTEN, Allocator, Demand, Step

T = 1000.0
LATER = 2 * FORGOTTEN  # after as long nothing starts, holds or is remembered as a failure


def demand(key: str, *rates: float, priority: float = 1.0) -> Demand[str, int]:
    """Its layers are numbered from 0."""
    return Demand(key, tuple(Step(layer, rate) for layer, rate in enumerate(rates)), priority)


def layers(chosen: Mapping[str, Step[int] | None]) -> dict[str, int | None]:
    return {key: step.layer if step is not None else None for key, step in chosen.items()}


def first(budget: float, *demands: Demand[str, int]) -> dict[str, int | None]:
    """What a new allocator gives."""
    return layers(Allocator[str, int]().allocate(budget, demands, T).chosen)


class Peer:
    """An allocator whose demands have been there for long."""

    def __init__(self, budget: float, *demands: Demand[str, int], now: float = T) -> None:
        self.allocator = Allocator[str, int]()
        self.demands: Sequence[Demand[str, int]] = demands
        self.allocator.allocate(budget, demands, now - LATER)
        self.at(budget, now)

    def at(self, budget: float, now: float, *demands: Demand[str, int]) -> dict[str, int | None]:
        """Allocate, with other demands if any are given."""
        self.demands = demands or self.demands
        return layers(self.allocator.allocate(budget, self.demands, now).chosen)


def hold_after_failures(peer: Peer, count: int) -> tuple[float, float]:
    """Let a step up fail so often, each time at once. Return when it was last lost, and the seconds until it is due."""
    now = T
    peer.at(900, now)
    for _ in range(count):
        peer.at(1100, now + 0.01)
        due = peer.allocator.poll_timeout()
        assert due is not None
        assert peer.at(1100, due) == {"a": 1}
        now = due + 1
        assert peer.at(900, now) == {"a": 0}
    peer.at(1100, now + 0.01)
    due = peer.allocator.poll_timeout()
    assert due is not None
    return now, due - now
