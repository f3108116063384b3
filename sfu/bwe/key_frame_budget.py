"""Entering an Encoding costs a key frame; where many are entered, they take turns."""

from __future__ import annotations

_SHARE = 0.3
"""Of the budget, for key frames of what is entered."""
_BURST_S = 0.05
"""The budget of so many seconds may go into key frames at once, or a single one of any size."""
_KEY_FRAME_S = 0.6
"""A key frame weighs about as much as so many seconds of its Encoding; those of small pictures even more."""
WAIT = 0.1
"""Seconds after which who has to wait may ask again."""


class KeyFrameBudget:
    """The account of one connection."""

    def __init__(self) -> None:
        self._bits = 0.0
        self._since: float | None = None

    def refill(self, budget_bps: float, now: float) -> None:
        """Let the account grow with time."""
        most = _BURST_S * budget_bps
        if self._since is None:
            self._bits = most
        else:
            self._bits = min(most, self._bits + _SHARE * budget_bps * max(0.0, now - self._since))
        self._since = now

    def take(self, rate_bps: float) -> bool:
        """Whether an Encoding of this rate may be entered now; it is charged then."""
        if self._bits <= 0.0:
            return False
        self.charge(rate_bps)
        return True

    def charge(self, rate_bps: float) -> None:
        """An Encoding of this rate is entered that cannot wait: there is no room for the one before."""
        self._bits -= _KEY_FRAME_S * rate_bps
