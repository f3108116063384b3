"""The two clocks of the server, as arguments: everything that needs time is handed one of these."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable

Clock = Callable[[], float]
"""Returns monotonic seconds; the zero is arbitrary."""

monotonic: Clock = time.monotonic
"""The clock in service: CLOCK_MONOTONIC, as the plane and asyncio's default loop use it too."""


def utc_now() -> datetime.datetime:
    """The calendar time; for the dates of certificates and records only."""
    return datetime.datetime.now(datetime.UTC)
