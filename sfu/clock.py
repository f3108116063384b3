"""The two clocks of the server, as arguments: everything that needs time is handed one of these."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

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


def read_boot_id() -> str:
    """Return which start of the machine CLOCK_MONOTONIC counts from, as Linux names it (random(4)); empty: unknown."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def utc_now() -> datetime.datetime:
    """Return the calendar time; only the dates of certificates and records need it."""
    return datetime.datetime.now(datetime.UTC)
