"""OpenSSL's own timer of a flight: it runs by the real clock, which nobody can set."""

from __future__ import annotations

import time

from OpenSSL import SSL


def wait_for_timer(connection: SSL.Connection) -> None:
    """Until it is due; a second after the first flight."""
    deadline = time.monotonic() + 10.0
    while True:
        left = connection.DTLSv1_get_timeout()
        assert left is not None, "no flight is under way"
        if left == 0:
            return
        assert time.monotonic() < deadline
        time.sleep(min(left, 0.1))
