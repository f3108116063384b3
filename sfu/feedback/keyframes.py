"""Merging what all subscribers of an Encoding ask into few key-frame requests to its publisher."""

from __future__ import annotations


class KeyFrameRequests:
    """The requests for one Encoding: the first goes at once, those within `interval` merge into one that trails.

    The trailing one is needed: whoever asked after the last key frame began still waits for one.
    A key frame costs the publisher several times a usual frame, hence the throttle.
    """

    def __init__(self, interval: float) -> None:
        """`interval`: least time between two requests to the publisher, seconds."""
        self._interval = interval
        self._last: float | None = None
        self._waiting = False
        self.asked = 0
        """Requests that came in."""
        self.sent = 0
        """Requests that went on to the publisher."""

    def request(self, now: float) -> bool:
        """Someone needs a key frame; return whether to ask the publisher now (else `poll_timeout` says when)."""
        self.asked += 1
        if self._last is not None and now < self._last + self._interval:
            self._waiting = True
            return False
        self._note_sent(now)
        return True

    def poll_timeout(self) -> float | None:
        """When the trailing request is due (absolute seconds); None when nobody waits."""
        return self._last + self._interval if self._waiting and self._last is not None else None

    def handle_timeout(self, now: float) -> bool:
        """Return whether to ask the publisher now."""
        due = self.poll_timeout()
        if due is None or now < due:
            return False
        self._note_sent(now)
        return True

    def _note_sent(self, now: float) -> None:
        self._last = now
        self._waiting = False
        self.sent += 1
