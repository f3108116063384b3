"""The two clocks of the server, as arguments: everything that needs time is handed one of these."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable

Clock = Callable[[], float]
"""Returns monotonic seconds; the zero is arbitrary."""

monotonic: Clock = time.monotonic
"""Return the time in service, in seconds of CLOCK_MONOTONIC, which the plane and asyncio's default loop use too."""


def utc_now() -> datetime.datetime:
    """Return the calendar time; only the dates of certificates and records need it."""
    return datetime.datetime.now(datetime.UTC)
