"""Entering an Encoding costs a key frame; where many are entered, they take turns."""

from __future__ import annotations

_SHARE = 0.3
"""Share of the budget for key frames of Encodings that are entered."""
_BURST_S = 0.05
"""Seconds of the budget that may go into key frames at once; a single one of any size is allowed too."""
_KEY_FRAME_S = 0.6
"""Size of a key frame in seconds of its Encoding, roughly; those of small pictures are even larger."""
WAIT = 0.1
"""Seconds after which an Encoding that has to wait may ask again."""


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
        """Whether an Encoding of this rate may be entered now; if so, it is charged."""
        if self._bits <= 0.0:
            return False
        self.charge(rate_bps)
        return True

    def charge(self, rate_bps: float) -> None:
        """Charge an Encoding of this rate that is entered without waiting, since there is no room for the former
        one.
        """
        self._bits -= _KEY_FRAME_S * rate_bps
