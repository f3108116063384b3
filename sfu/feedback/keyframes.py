"""Merges the needs of all subscribers of a Track into few key-frame requests to its publisher, sans-IO."""

from __future__ import annotations

TRIES = 5
"""How often a request that brings no key frame is sent, each time after twice the wait."""

EXPECTED = 0.2
"""Seconds in which a key frame should come without a request: a sender that changes its SSRC begins with one."""

_LEAST_RETRY = 0.1


class KeyFrameThrottle:
    """The limit on key-frame requests, common to all Encodings of a Track: a key frame costs as much as several other
    frames.

    Browsers act on one request in 0.3 s, whichever of a sender's Encodings it is for, ignore those in between, and
    answer with a key frame of each Encoding. So requests of one moment go out together, and later ones wait.
    """

    def __init__(self, interval: float) -> None:
        """`interval` is the least time between two requests, in seconds."""
        self.interval = interval
        self._last: float | None = None

    def is_open(self, now: float) -> bool:
        """Whether a request may go out."""
        return self._last is None or now == self._last or now >= self._last + self.interval

    def opens_at(self) -> float:
        """Return when the next request may go out, once one was sent."""
        assert self._last is not None, "nothing was sent yet: it is open"
        return self._last + self.interval

    def note_sent(self, now: float) -> None:
        """Note that a request goes out."""
        self._last = now


class KeyFrameRequests:
    """The key-frame requests for one Encoding. A key frame that comes later serves all who have asked; while a request
    is under way nobody needs another. `seen` is how many key frames have come so far.
    """

    def __init__(self, throttle: KeyFrameThrottle) -> None:
        self._throttle = throttle
        self._needed: int | None = None  # the key frame that is needed comes after so many
        self._tries = 0
        self._due = 0.0
        self.asked = 0
        """Requests that came in."""
        self.sent = 0
        """Requests that went on to the publisher."""

    def request(self, now: float, seen: int) -> bool:
        """Note that someone needs a key frame; return whether to ask the publisher now, or as `poll_timeout` says."""
        self.asked += 1
        if self._needed is not None and seen <= self._needed:
            return False  # asked for already, or about to be
        self._needed = seen
        self._tries = 0
        if self._throttle.is_open(now):
            self._note_sent(now)
            return True
        self._due = self._throttle.opens_at()
        return False

    def expect(self, now: float, seen: int) -> None:
        """Expect another key frame to come by itself: ask the publisher only if none comes within `EXPECTED`."""
        if self._needed is None or seen > self._needed:
            self._needed = seen
            self._tries = 0
            self._due = now + EXPECTED

    def poll_timeout(self) -> float | None:
        """Return when to call `handle_timeout` (absolute seconds); None when nobody waits."""
        return None if self._needed is None else self._due

    def handle_timeout(self, now: float, seen: int) -> bool:
        """Return whether to ask the publisher now: for the first time, or again since no key frame came."""
        if self._needed is None or now < self._due:
            return False
        if seen > self._needed or self._tries >= TRIES:
            self._needed = None
            return False
        if not self._throttle.is_open(now):
            self._due = self._throttle.opens_at()
            return False
        self._note_sent(now)
        return True

    def _note_sent(self, now: float) -> None:
        self._throttle.note_sent(now)
        self._due = now + max(self._throttle.interval, _LEAST_RETRY) * 2**self._tries
        self._tries += 1
        self.sent += 1
