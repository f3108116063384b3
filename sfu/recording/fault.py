"""The fault of one source whose file cannot be written: when to try again."""

from __future__ import annotations

FIRST_RETRY_US = 500_000
MOST_RETRY_US = 30_000_000


class Fault:
    """A fault that begins with the first error. Each further error doubles the wait, up to half a minute."""

    def __init__(self, reason: str, now_us: int) -> None:
        self.reason = reason
        self.trying = False
        """Whether what comes is written again, to see whether that works."""
        self._wait_us = FIRST_RETRY_US
        self._retry_us = now_us + self._wait_us

    def is_due(self, now_us: int) -> bool:
        """Whether to try again."""
        return not self.trying and now_us >= self._retry_us

    def repeat(self, reason: str, now_us: int) -> None:
        """Note that another attempt has failed."""
        self.reason = reason
        self.trying = False
        self._wait_us = min(2 * self._wait_us, MOST_RETRY_US)
        self._retry_us = now_us + self._wait_us
