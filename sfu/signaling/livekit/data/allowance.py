"""How many packets one participant may send."""

from __future__ import annotations


class Allowance:
    """A token bucket: `burst` packets at once, then `rate` a second."""

    def __init__(self, rate: float, burst: int, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = float(burst)
        self._filled = now

    def take(self, now: float, cost: float = 1.0) -> float:
        """Use up one packet, or one that counts as several; the seconds until there is enough to use, if there is not
        now. `now`: a clock's seconds.
        """
        passed = max(0.0, now - self._filled)
        self._filled = now
        self._tokens = min(self._burst, self._tokens + passed * self._rate)
        if self._tokens < cost:
            return (cost - self._tokens) / self._rate
        self._tokens -= cost
        return 0.0

    def charge(self, cost: float) -> None:
        """Use up what something has cost once that is known, even if there was less."""
        self._tokens -= cost
