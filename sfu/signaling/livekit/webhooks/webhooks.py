"""Tells the operator's servers what happens: the events of rooms, signed, durable, and in order for each room."""

from __future__ import annotations

import asyncio
import collections
import concurrent.futures
import logging
import random as randomness
import secrets
import sqlite3
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from google.protobuf import json_format
from livekit.protocol.webhook import WebhookEvent

from sfu.signaling.livekit.webhooks.backoff import Backoff
from sfu.signaling.livekit.webhooks.courier import Courier, Post
from sfu.signaling.livekit.webhooks.outbox import Entry, Outbox, OutboxState

_log = logging.getLogger("sfu.signaling.livekit")
_T = TypeVar("_T")

_BATCH = 256
_STORE_AGAIN_S = 1.0
_BEGIN_ANEW_S = 1.0
_CLOSE_S = 5.0


@dataclass(frozen=True, slots=True)
class WebhookOptions:
    """Where events go, and when an alarm is raised."""

    path: Path
    """File of the outbox."""
    urls: tuple[str, ...]
    backoff: Backoff = field(default_factory=Backoff)
    alarm_age: float = 300.0
    """Seconds that an event waits before it is told that webhooks are behind."""
    alarm_bytes: int = 256 << 20
    """Size of the outbox from which on it is told that it grows."""
    watch_interval: float = 5.0
    """Seconds between two looks at both."""
    max_unstored: int = 10_000
    """Events that wait in memory while the disk takes none; beyond that they are lost, and counted."""


class Webhooks:
    """`tell` is called by the rooms and returns at once; all else happens in tasks and one thread."""

    def __init__(
        self,
        options: WebhookOptions,
        post: Post,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = randomness.random,
        name: Callable[[], str] = lambda: "EV_" + secrets.token_urlsafe(12),
        threads: bool = True,
    ) -> None:
        """Open the outbox; raises OutboxError. `post`: see `Poster`. `clock`: seconds since the Unix epoch. `name`
        makes ids of events. Without `threads` the event loop waits for the disk, as in tests in virtual time.
        """
        self._options = options
        self._outbox = Outbox(options.path, options.urls)
        if self._outbox.forgotten:
            extra = {"events": self._outbox.forgotten}
            _log.warning("webhooks for a URL that is not set any more were removed", extra=extra)
        self._clock = clock
        self._name = name
        self._pool = concurrent.futures.ThreadPoolExecutor(1, "sfu-webhooks") if threads else None
        self._unstored: collections.deque[Entry] = collections.deque()
        self._stored = asyncio.Event()
        self._arrived = asyncio.Event()
        self._couriers = [
            Courier(url, self._outbox, post, self._in_thread, options.backoff, clock=monotonic, random=random)
            for url in dict.fromkeys(options.urls)
        ]
        self._tasks: list[asyncio.Task[None]] = []
        self._alarms: dict[str, str] = {}
        self.state = OutboxState()
        """How much waits, as of the last look."""
        self.lost = 0
        """Events that were given up, because the disk took none for long."""

    @property
    def alarms(self) -> Mapping[str, str]:
        """What is wrong now, and how: `behind`, `large`, `unwritable`."""
        return self._alarms

    @property
    def oldest_age(self) -> float:
        """Seconds that the oldest waits, as of the last look; 0: nothing waits."""
        return 0.0 if self.state.oldest is None else max(0.0, self._clock() - self.state.oldest)

    @property
    def unstored(self) -> int:
        """Events that are not on disk yet."""
        return len(self._unstored)

    @property
    def results(self) -> Mapping[str, int]:
        """Attempts to deliver, by result: `delivered`, `refused`, `unreached`."""
        total: collections.Counter[str] = collections.Counter(delivered=0, refused=0, unreached=0)
        for courier in self._couriers:
            total.update(courier.results)
        return total

    def tell(self, event: WebhookEvent, room: str) -> None:
        """Tell of `event`, after all that was told of `room` before. Its id and time are filled in."""
        now = self._clock()
        event.id = event.id or self._name()
        event.created_at = event.created_at or int(now)
        if len(self._unstored) >= self._options.max_unstored:
            self.lost += 1
            return
        self._unstored.append(Entry(room, json_format.MessageToJson(event, indent=None).encode(), now))
        self._arrived.set()

    def start(self) -> None:
        """Deliver from now on, what an earlier process has left first."""
        running = [self._store, self._watch, *(courier.run for courier in self._couriers)]
        self._tasks = [asyncio.ensure_future(self._keep(run)) for run in running]

    async def _keep(self, run: Callable[[], Awaitable[None]]) -> None:
        """Begin anew what a defect of ours has ended: what waits is on disk, or in memory until it is."""
        while True:
            try:
                await run()
            except Exception:  # noqa: BLE001 - see above
                _log.exception("a part of the webhooks has failed and begins anew")
            await asyncio.sleep(_BEGIN_ANEW_S)

    async def close(self) -> None:
        """Bring what was told to disk, and deliver no more: the next start goes on."""
        if self._tasks:
            try:
                async with asyncio.timeout(_CLOSE_S):
                    while self._unstored:
                        self._stored.clear()
                        await self._stored.wait()
            except TimeoutError:
                _log.error("webhooks could not be stored and are lost", extra={"events": len(self._unstored)})
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        await self._in_thread(self._outbox.close)
        if self._pool is not None:
            self._pool.shutdown()

    async def _in_thread(self, call: Callable[[], _T]) -> _T:
        if self._pool is None:
            return call()
        # One that has begun is waited for, also by who is cancelled: the file has one user at a time.
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._pool, call))

    async def _store(self) -> None:
        while True:
            while not self._unstored:
                self._arrived.clear()
                await self._arrived.wait()
            batch = [self._unstored[index] for index in range(min(_BATCH, len(self._unstored)))]
            if not await self._append(batch):
                await asyncio.sleep(_STORE_AGAIN_S)
                continue
            for _ in batch:
                self._unstored.popleft()
            self._stored.set()
            for courier in self._couriers:
                courier.wake()

    async def _append(self, batch: Sequence[Entry]) -> bool:
        try:
            await self._in_thread(lambda: self._outbox.append(batch))
        except sqlite3.Error as error:
            self._set_alarm("unwritable", f"{self._options.path}: {error}")
            return False
        self._set_alarm("unwritable", None)
        return True

    async def _watch(self) -> None:
        options = self._options
        while True:
            try:
                self.state = state = await self._in_thread(self._outbox.state)
            except sqlite3.Error as error:
                _log.error("outbox of webhooks cannot be read", extra={"reason": str(error)})
                await asyncio.sleep(options.watch_interval)
                continue
            age = self.oldest_age
            late = f"{state.waiting} wait, the oldest for {age:.0f} s" if age > options.alarm_age else None
            self._set_alarm("behind", late)
            large = f"{options.path} has {state.size_bytes} bytes" if state.size_bytes > options.alarm_bytes else None
            self._set_alarm("large", large)
            await asyncio.sleep(options.watch_interval)

    def _set_alarm(self, what: str, detail: str | None) -> None:
        if detail is None:
            if self._alarms.pop(what, None) is not None:
                _log.info("webhook alarm ended", extra={"what": what})
            return
        if what not in self._alarms:
            _log.error("webhook alarm", extra={"what": what, "detail": detail})
        self._alarms[what] = detail
