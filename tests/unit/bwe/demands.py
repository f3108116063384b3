"""Demands whose layers are numbered from 0."""

from __future__ import annotations

from collections.abc import Mapping

from sfu.bwe.allocation import Demand, Step


def demand(key: str, *rates: float, priority: float = 1.0) -> Demand[str, int]:
    """What costs so much, from the least."""
    return Demand(key, tuple(Step(layer, rate) for layer, rate in enumerate(rates)), priority)


def layers(chosen: Mapping[str, Step[int] | None]) -> dict[str, int | None]:
    """Which of them each has; None: it is paused."""
    return {key: step.layer if step is not None else None for key, step in chosen.items()}
