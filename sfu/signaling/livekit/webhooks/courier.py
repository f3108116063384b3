"""Delivers what waits for one URL: some rooms at a time, each room's events one after the other."""

from __future__ import annotations

import asyncio
import collections
import logging
import sqlite3
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol, TypeVar

from sfu.signaling.livekit.webhooks.backoff import Backoff
from sfu.signaling.livekit.webhooks.outbox import Lane, Outbox

_log = logging.getLogger("sfu.signaling.livekit")
_T = TypeVar("_T")

_LANES_AT_ONCE = 8
_BODIES_A_TURN = 64
"""That one room has delivered before others have their turn."""
_AWAY = frozenset({429, 502, 503, 504})
"""Statuses that tell of the receiver, not of what was sent to it."""
_UNREACHED = 0
_DISK_AGAIN_S = 1.0

Post = Callable[[str, bytes], Awaitable[int]]
"""Sends a body to a URL and returns the HTTP status; raises OSError where there is none."""


class InThread(Protocol):
    """Runs a call that waits for the disk, without holding the event loop up."""

    def __call__(self, call: Callable[[], _T], /) -> Awaitable[_T]:
        """What `call` returns, or raises."""
        ...


class Courier:
    """Runs as one task until it is cancelled."""

    def __init__(
        self,
        url: str,
        outbox: Outbox,
        post: Post,
        in_thread: InThread,
        backoff: Backoff,
        *,
        clock: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        """`clock`: seconds, monotonic; `random()` is within [0, 1)."""
        self.url = url
        self._shown = url.partition("?")[0]  # what follows may be a secret of the receiver's
        self.results: collections.Counter[str] = collections.Counter()
        """Attempts, by result: `delivered`, `unreached`, or `refused` (a status that is not 2xx)."""
        self._outbox = outbox
        self._post = post
        self._in_thread = in_thread
        self._backoff = backoff
        self._clock = clock
        self._random = random
        self._failures = 0
        """Attempts in a row at which the receiver was not there at all."""
        self._retry_at = 0.0
        self._wake = asyncio.Event()
        self._active: dict[int, asyncio.Task[None]] = {}

    def wake(self) -> None:
        """There is something new in the outbox."""
        self._wake.set()

    async def run(self) -> None:
        """Deliver, for good."""
        try:
            while True:
                self._wake.clear()
                try:
                    wait = await self._start_lanes()
                except sqlite3.Error as error:
                    _log.error("outbox of webhooks cannot be read", extra={"reason": str(error)})
                    wait = _DISK_AGAIN_S
                waking = asyncio.ensure_future(self._wake.wait())
                try:
                    await asyncio.wait({waking, *self._active.values()}, timeout=wait, return_when="FIRST_COMPLETED")
                finally:
                    waking.cancel()
                for lane in [lane for lane, task in self._active.items() if task.done()]:
                    _raise_unless_disk(self._active.pop(lane))
        finally:
            for task in self._active.values():
                task.cancel()
            await asyncio.gather(*self._active.values(), return_exceptions=True)
            self._active.clear()

    async def _start_lanes(self) -> float | None:
        """Begin with lanes whose time has come; returns the seconds until there may be others."""
        now = self._clock()
        if now < self._retry_at:
            return self._retry_at - now
        # Who was not there is asked by one body, not by those of all rooms.
        free = (1 if self._failures else _LANES_AT_ONCE) - len(self._active)
        if free <= 0:
            return None
        busy = tuple(self._active)
        for lane in await self._in_thread(partial(self._outbox.due, self.url, now, busy, free)):
            self._active[lane.id] = asyncio.ensure_future(self._serve(lane))
        retry_at = await self._in_thread(partial(self._outbox.next_retry, self.url, now))
        return None if retry_at is None else max(0.0, retry_at - self._clock())

    async def _serve(self, lane: Lane) -> None:
        try:
            await self._deliver(lane)
        except sqlite3.Error:
            raise
        except Exception:  # noqa: BLE001 - a defect of ours with one room must not hold up all others, nor lose anything
            _log.exception("webhook not delivered", extra={"url": self._shown, "room": lane.room})
            self.results["unreached"] += 1
            attempts = lane.attempts + 1
            retry_at = self._clock() + self._backoff.wait(attempts, self._random)
            await self._in_thread(partial(self._outbox.postpone, lane, attempts, retry_at))

    async def _deliver(self, lane: Lane) -> None:
        """Deliver what waits in a lane until it is empty, something fails, or others have their turn."""
        attempts, retry_at = lane.attempts, 0.0
        for _ in range(_BODIES_A_TURN):
            head = await self._in_thread(partial(self._outbox.head, lane))
            if head is None:
                return
            status = await self._attempt(head.body)
            if not 200 <= status < 300:
                self.results["unreached" if status == _UNREACHED else "refused"] += 1
                attempts, retry_at = self._after_failure(status, attempts + 1)
                break
            self.results["delivered"] += 1
            self._recover()
            await self._in_thread(partial(self._outbox.remove, lane, head))
            attempts, retry_at = 0, self._clock()
        await self._in_thread(partial(self._outbox.postpone, lane, attempts, retry_at))

    def _after_failure(self, status: int, attempts: int) -> tuple[int, float]:
        """The attempts that count for the lane, and when it may be tried again."""
        if status == _UNREACHED or status in _AWAY:
            self._suspend(status)
            return 0, 0.0  # it is the receiver that is waited for
        return attempts, self._clock() + self._backoff.wait(attempts, self._random)

    async def _attempt(self, body: bytes) -> int:
        try:
            return await self._post(self.url, body)
        except OSError as error:
            if not self._failures:
                _log.warning("webhook not delivered", extra={"url": self._shown, "reason": str(error)})
            return _UNREACHED

    def _suspend(self, status: int) -> None:
        if self._clock() < self._retry_at:
            return  # several were on their way when it went
        if not self._failures and status != _UNREACHED:
            _log.warning("webhook not delivered", extra={"url": self._shown, "status": status})
        self._failures += 1
        self._retry_at = self._clock() + self._backoff.wait(self._failures, self._random)

    def _recover(self) -> None:
        if self._failures:
            _log.info("webhooks are delivered again", extra={"url": self._shown, "failures": self._failures})
            self._failures = 0
            self._retry_at = 0.0
            self._wake.set()


def _raise_unless_disk(task: asyncio.Task[None]) -> None:
    """What a disk refuses is tried again with the next look: nothing was removed, so at worst it is delivered twice."""
    error = task.exception()
    if isinstance(error, sqlite3.Error):
        _log.error("outbox of webhooks cannot be written", extra={"reason": str(error)})
    elif error is not None:
        raise error
