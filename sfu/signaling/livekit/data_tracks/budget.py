"""How much work one participant may cause."""

from __future__ import annotations


class Budget:
    """A token bucket: as much at once as in one second."""

    def __init__(self, rate: float, now: float) -> None:
        """`rate`: units a second. `now`: seconds of any clock, as everywhere here."""
        self._rate = rate
        self._left = rate
        self._filled = now

    def spend(self, cost: float, now: float) -> bool:
        """Use some of it up; False: there is too little left, and nothing was used."""
        self._left = min(self._rate, self._left + max(0.0, now - self._filled) * self._rate)
        self._filled = now
        if self._left < cost:
            return False
        self._left -= cost
        return True
