"""The time from asking a publisher for a packet to having it."""

from __future__ import annotations

_INITIAL = 0.1
_MOST = 2.0
_WEIGHT = 0.125
_AMBIGUOUS_RUN = 3
_RAISE = 1.25


class RoundTrip:
    """The smoothed round trip of one client, sampled by its retransmissions; all its Tracks may share one.

    Smoothing as in RFC 6298 section 2. By Karn's rule (section 3 there) only a packet that was asked for once gives a
    sample. If the estimate was too low, every packet would be asked for twice and no sample would ever come. So several
    repairs in a row without a sample raise it, step by step.
    """

    def __init__(self, initial: float = _INITIAL) -> None:
        """`initial` is the estimate until the first sample, in seconds."""
        self._estimate = initial
        self._ambiguous = 0
        self.measured = False
        """Whether there was a sample."""

    @property
    def seconds(self) -> float:
        """The estimate, in seconds."""
        return self._estimate

    def handle_sample(self, seconds: float) -> None:
        """Take a measured round trip; a negative one is ignored, and one above 2 s counts as 2 s."""
        if seconds < 0:
            return
        sample = min(seconds, _MOST)
        self._estimate = self._estimate + _WEIGHT * (sample - self._estimate) if self.measured else sample
        self.measured = True
        self._ambiguous = 0

    def handle_ambiguous(self, longest: float) -> None:
        """Note that a packet came that was asked for more than once; its round trip was at most `longest` seconds."""
        self._ambiguous += 1
        if self._ambiguous >= _AMBIGUOUS_RUN and longest > self._estimate:
            self._estimate = min(self._estimate * _RAISE, longest, _MOST)
