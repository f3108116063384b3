"""How much one participant, or one socket, may ask in a time."""

from __future__ import annotations


class Allowance:
    """A token bucket: `burst` packets at once, then `rate` a second."""

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = float(burst)
        self._filled = now

    def take(self, now: float, cost: float = 1.0) -> float:
        """Use up one packet, or one that counts as several; the seconds until there is enough to use, if there is not
        now. `now`: a clock's seconds.
        """
        self._fill(now)
        if self._tokens < cost:
            return (cost - self._tokens) / self._rate
        self._tokens -= cost
        return 0.0

    def borrow(self, now: float, cost: float) -> float:
        """Use up what something costs, even if there is less; the seconds until that is made up for."""
        self._fill(now)
        self._tokens -= cost
        return max(0.0, -self._tokens / self._rate)

    def charge(self, cost: float) -> None:
        """Use up what something has cost once that is known, even if there was less."""
        self._tokens -= cost

    def _fill(self, now: float) -> None:
        passed = max(0.0, now - self._filled)
        self._filled = now
        self._tokens = min(self._burst, self._tokens + passed * self._rate)
