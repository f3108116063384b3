"""Ends sessions and event streams whose token has expired."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

_log = logging.getLogger("sfu.signaling")

EndExpired = Callable[[float], None]


class ExpiryWatch:
    """Looks for expired tokens once an interval: a timer for each deadline would miss that the wall clock was set."""

    def __init__(
        self, clock: Callable[[], float], *, interval: float, grace: float, holders: tuple[EndExpired, ...]
    ) -> None:
        """`clock` returns seconds since the Unix epoch. `holders` end what tokens opened that have expired by the time
        that they are told, which lies `grace` seconds back.
        """
        self._clock = clock
        self._interval = interval
        self._grace = grace
        self._holders = holders
        self._task: asyncio.Task[None] | None = None

    def ensure_running(self) -> None:
        """Start to look, if that is not done yet."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="sfu token expiry")

    def look(self) -> None:
        """End what was opened by tokens that have expired."""
        expired_at = self._clock() - self._grace
        for end_expired in self._holders:
            try:
                end_expired(expired_at)
            except Exception:  # noqa: BLE001 - a mistake with one must not keep all others alive for ever
                _log.exception("ending what has expired failed")

    async def close(self) -> None:
        """Stop looking."""
        if self._task is None:
            return
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            self.look()
