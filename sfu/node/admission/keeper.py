"""The one timer by which load and quotas are kept up to date."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable

from sfu.node.admission.bit_rates import BitRates
from sfu.node.admission.load import LoadAdmission
from sfu.node.admission.minutes import Minutes
from sfu.node.admission.quotas import TenantQuotas
from sfu.node.admission.reader import Reader

_log = logging.getLogger("sfu.node")

TICK_S = 1.0
_RATES_S = 5.0
_SAVE_S = 10.0


class BoundsKeeper:
    """Runs from `start` to `close`."""

    def __init__(
        self,
        load: LoadAdmission,
        read: Reader,
        quotas: TenantQuotas,
        bit_rates: BitRates,
        minutes: Minutes,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """`wall_clock`: seconds since the Unix epoch."""
        self.load = load
        self.quotas = quotas
        self._read = read
        self._bit_rates = bit_rates
        self._minutes = minutes
        self._clock = clock
        self._wall_clock = wall_clock
        self._rates_at = self._save_at = 0.0
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Measure from now on."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="sfu bounds")

    async def close(self) -> None:
        """Stop, and save the minutes that were counted. Idempotent."""
        if self._closing.is_set():
            return
        self._closing.set()
        if self._task is not None:
            await self._task  # it may be saving, and what is cut off there would be saved twice
        self.quotas.count_minutes()
        await self._minutes.close(self._wall_clock())

    async def handle_tick(self) -> None:
        """Do what is due. Called by itself while it runs."""
        now = self._clock()
        self.load.update(self._read())
        self.quotas.count_minutes()
        if now >= self._rates_at:
            self._rates_at = now + _RATES_S
            self.quotas.note_bit_rates(self._bit_rates.measure(now))
        if now >= self._save_at:
            self._save_at = now + _SAVE_S
            await self._minutes.save(self._wall_clock())

    async def _run(self) -> None:
        while not self._closing.is_set():
            try:
                await self.handle_tick()
            except Exception:  # noqa: BLE001 - a mistake here must not leave the node without bounds for good
                _log.exception("the load could not be measured")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), TICK_S)
