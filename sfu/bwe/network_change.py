"""Tells a network that has become another one from a budget that only gives way for a moment."""

from __future__ import annotations

_FALLEN = 0.7
"""A budget below this share of the former one means another network."""
_LASTING = 2.0
"""Seconds that the fall must last; an estimate that empties a queue is back sooner."""
_APART = 15.0
"""Least seconds between two changes: a network that swings faster is a single one."""


class NetworkChange:
    """Watches one budget."""

    def __init__(self) -> None:
        self._level_bps = 0.0
        self._fallen: float | None = None  # since when it is well below that
        self._changed = float("-inf")

    def handle_budget(self, budget_bps: float, now: float) -> bool:
        """Take the current budget; return whether what was learned with an earlier one no longer applies."""
        if budget_bps >= _FALLEN * self._level_bps:
            self._level_bps = max(self._level_bps, budget_bps)
            self._fallen = None
            return False
        if self._fallen is None:
            self._fallen = now
        if now < self._fallen + _LASTING or now < self._changed + _APART:
            return False
        self._level_bps = budget_bps
        self._fallen = None
        self._changed = now
        return True
