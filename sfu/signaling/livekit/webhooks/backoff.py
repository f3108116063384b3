"""How long a delivery that failed waits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

_MOST_DOUBLINGS = 30


@dataclass(frozen=True, slots=True)
class Backoff:
    """Twice as long each time, with a bound, and spread by a quarter so that not all come back at once."""

    first: float = 1.0
    """Seconds."""
    most: float = 60.0
    """Seconds: a receiver that is back has what it missed at most so much later."""

    def wait(self, attempts: int, random: Callable[[], float]) -> float:
        """Seconds to wait after so many attempts that failed, at least one; `random()` is within [0, 1)."""
        doubled = self.first * float(2 ** min(attempts - 1, _MOST_DOUBLINGS))
        return min(doubled, self.most) * (1.0 - 0.25 * random())
