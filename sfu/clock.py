"""The two clocks of the server, as arguments: everything that needs time is handed one of these."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable

Clock = Callable[[], float]
"""Returns monotonic seconds; the zero is arbitrary."""

monotonic: Clock = time.monotonic
"""Return the time in service, in seconds of CLOCK_MONOTONIC, which the plane and asyncio's default loop use too."""


def read_thread_clock(native_id: int | None) -> float | None:
    """Return the processor time that a thread of this process has taken so far, in seconds; None if it is gone.

    A thread's clock as Linux numbers it, which is safe to ask for where the thread may end at any time.
    """
    if native_id is None:
        return None
    try:
        return time.clock_gettime((~native_id << 3) | 6)
    except OSError:
        return None


def utc_now() -> datetime.datetime:
    """Return the calendar time; only the dates of certificates and records need it."""
    return datetime.datetime.now(datetime.UTC)
