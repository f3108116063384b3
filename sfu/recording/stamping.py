"""Asks an authority to stamp heads while the record goes on (RFC 3161): in a thread, so that nothing waits for it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import NamedTuple

from sfu.recording.timestamps import TimestampError, fetch_timestamp

_log = logging.getLogger("sfu.recording")


class Stamped(NamedTuple):
    """The result for a head that was sent to the authority."""

    head: str
    """SHA-256 of the head line."""
    response: bytes
    """The authority's answer; empty if there is no timestamp."""
    failure: str


class Stamper:
    """One request at a time; heads that come while one is under way, or too soon, are left out."""

    def __init__(self, url: str, interval_us: int, fetch: Callable[[str, bytes], bytes] = fetch_timestamp) -> None:
        self._url = url
        self._interval_us = interval_us
        self._fetch = fetch
        self._asked_us: int | None = None
        self._thread: threading.Thread | None = None
        self._found: Stamped | None = None

    def offer(self, line: bytes, head: str, now_us: int) -> None:
        """Have a head that was just signed stamped, if it is time for that."""
        if self._thread is not None or (self._asked_us is not None and now_us - self._asked_us < self._interval_us):
            return
        self._asked_us = now_us
        self._thread = threading.Thread(target=self._ask, args=(line, head), name="sfu-stamp", daemon=True)
        self._thread.start()

    def poll(self) -> Stamped | None:
        """Return the results that have come since the last call."""
        if self._thread is None or self._thread.is_alive():
            return None
        self._thread = None
        found, self._found = self._found, None
        return found

    def stamp(self, line: bytes, head: str) -> Stamped:
        """Have the last head stamped, and wait for the result, some seconds at most. A request under way is given
        up.
        """
        self._ask(line, head)
        assert self._found is not None
        return self._found

    def _ask(self, line: bytes, head: str) -> None:
        try:
            self._found = Stamped(head, self._fetch(self._url, line), "")
        except TimestampError as error:
            _log.warning("a head of a record was not stamped", extra={"reason": str(error)})
            self._found = Stamped(head, b"", str(error))
