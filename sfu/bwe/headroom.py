"""How far a budget may fall and videos may grow before their steps have to be chosen anew."""

from __future__ import annotations

import math
from typing import NamedTuple

_LEAST = 0.1
"""Least share of what is spent that must be left: with less the choice is looked at often."""


class Headroom(NamedTuple):
    """What may change while all videos keep the best that they have; both at once, too."""

    least_bps: float
    """The rate that the path must carry; infinite where no limit was known, so that any limit is news."""
    growth_bps: float
    """What the videos may cost more, all together."""


def find_headroom(carried_bps: float, bound_bps: float, *, usable: float, spent_bps: float) -> Headroom | None:
    """Return the headroom of a connection whose videos have their best; None: there is not enough.

    Args:
        carried_bps: what the path carries; infinite: no limit is known.
        bound_bps: what may be spent however much that is; infinite: no bound.
        usable: share of `carried_bps` that may be spent at worst.
        spent_bps: what is spent on video and audio.
    """
    left = min(usable * carried_bps, bound_bps) - spent_bps
    if left < _LEAST * spent_bps or left <= 0.0:
        return None
    growth = left / 2.0
    return Headroom((spent_bps + growth) / usable if carried_bps < math.inf else math.inf, growth)
