"""One WebSocket of a client or a worker: what it asks, at a bounded rate, and what it is told, as far as it reads."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from starlette.websockets import WebSocket, WebSocketDisconnect

from sfu.signaling.livekit.allowance import Allowance

_log = logging.getLogger("sfu.signaling.livekit")

NORMAL, POLICY, TOO_BIG, OVERLOADED = 1000, 1008, 1009, 1013
"""Codes of the close frame (RFC 6455 section 7.4.1)."""
BYTES_A_TURN = 16_384
"""A larger frame counts as several, since what it costs to read grows with it."""

_CATCH_UP_S = 0.5
"""Seconds in which what has come while this process stood still is read, before anybody counts as silent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketLimits:
    """What one socket may take. Times in seconds."""

    rate: float
    """Frames a second that are read; what is beyond waits."""
    burst: float
    """Frames that are read at once after a pause."""
    max_frame_bytes: int
    max_queued: int
    """Messages that wait to be read by the other end; beyond that it is cut off."""
    max_queued_bytes: int
    send_timeout: float
    """How long the other end may take for one message."""
    silence: float = float("inf")
    """How long the other end may be silent once it has sent a ping."""


class Written(Protocol):
    """A message that can be sent in either form."""

    @property
    def binary(self) -> bytes:
        """As protobuf."""
        ...

    @property
    def text(self) -> str:
        """As JSON."""
        ...


class Socket:
    """Wraps a WebSocket that was accepted. `run` reads and writes until it ends.

    It is answered in the form, protobuf or JSON, in which the other end has spoken last.
    """

    def __init__(self, websocket: WebSocket, limits: SocketLimits, counts: collections.Counter[str]) -> None:
        """`counts`: of what is cut off or held back, by reason."""
        self._websocket = websocket
        self._limits = limits
        self._counts = counts
        self._as_json = False
        self._queue: collections.deque[bytes | str] = collections.deque()
        self._queued_bytes = 0
        self._wake = asyncio.Event()
        self._closing = False
        self._code = NORMAL
        self._loop = asyncio.get_running_loop()
        self._cut: asyncio.Future[None] = self._loop.create_future()
        self._sending_since: float | None = None
        self._send_timer: asyncio.TimerHandle | None = None
        self._heard = self._loop.time()
        self._pinged = asyncio.Event()
        self._allowance = Allowance(limits.rate, limits.burst, self._heard)

    def __len__(self) -> int:
        """Return how many messages wait to be read by the other end."""
        return len(self._queue)

    @property
    def closing(self) -> bool:
        """Whether nothing more is sent."""
        return self._closing

    def send(self, message: Written) -> None:
        """Send a message once the other end reads. One that reads too slowly is cut off."""
        if self._closing:
            return
        data = message.text if self._as_json else message.binary
        self._queue.append(data)
        self._queued_bytes += len(data)
        if len(self._queue) > self._limits.max_queued or self._queued_bytes > self._limits.max_queued_bytes:
            self._cut_off("slow_reader")
        self._wake.set()

    def note_ping(self) -> None:
        """Note that the other end asks whether we are there, so that its silence means something."""
        self._pinged.set()

    def close(self, code: int = NORMAL) -> None:
        """Send what waits, and end."""
        self._closing = True
        self._code = code
        self._wake.set()

    async def run(self, handle: Callable[[bytes | str], None]) -> None:
        """Give what comes to `handle` until either side ends it."""
        reader = asyncio.create_task(self._read(handle), name="sfu livekit reader")
        writer = asyncio.create_task(self._write(), name="sfu livekit writer")
        watch = asyncio.create_task(self._watch(), name="sfu livekit watch")
        tasks: set[asyncio.Future[None]] = {reader, writer, watch, self._cut}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._closing = True
            if self._send_timer is not None:
                self._send_timer.cancel()
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        try:
            for result in results:
                if isinstance(result, Exception) and not isinstance(result, WebSocketDisconnect | OSError):
                    raise result
        finally:
            del results, result  # what is raised holds this frame, and all that it knows

    def _cut_off(self, reason: str) -> None:
        self._counts[reason] += 1
        self._queue.clear()
        self._closing = True
        if not self._cut.done():
            self._cut.set_result(None)

    async def _read(self, handle: Callable[[bytes | str], None]) -> None:
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            self._heard = self._loop.time()
            frame = _read_frame(message)
            if len(frame) > self._limits.max_frame_bytes:
                self._counts["too_big"] += 1
                await self._close(TOO_BIG)
                return
            self._as_json = isinstance(frame, str)
            await self._take_turns(max(1.0, len(frame) / BYTES_A_TURN))
            if self._closing:
                await asyncio.Event().wait()  # until what is left is written
            handle(frame)

    async def _take_turns(self, count: float) -> None:
        """Wait until the rate allows so many more; meanwhile nothing is read from the other end."""
        wait = self._allowance.borrow(self._loop.time(), count)
        if wait:
            self._counts["held_back"] += 1
            await asyncio.sleep(wait)

    async def _write(self) -> None:
        while True:
            while self._queue:
                data = self._queue.popleft()
                self._queued_bytes -= len(data)
                self._sending_since = self._loop.time()
                if self._send_timer is None:
                    self._arm(self._sending_since)
                await self._send(data)
                self._sending_since = None
            if self._closing:
                await self._close(self._code)
                return
            self._wake.clear()
            await self._wake.wait()

    def _arm(self, since: float) -> None:
        self._send_timer = self._loop.call_at(since + self._limits.send_timeout, self._check_sent)

    def _check_sent(self) -> None:
        """Cut off who has taken too long for a message. One timer is for many: nearly all are taken at once."""
        self._send_timer = None
        since = self._sending_since
        if since is not None and self._loop.time() >= since + self._limits.send_timeout:
            self._cut_off("slow_reader")
        elif since is not None:
            self._arm(since)

    async def _send(self, data: bytes | str) -> None:
        if isinstance(data, str):
            await self._websocket.send_text(data)
        else:
            await self._websocket.send_bytes(data)

    async def _watch(self) -> None:
        """End it when the other end, which asks whether we are there, has stopped to."""
        await self._pinged.wait()
        while True:
            heard = self._heard
            silent = self._loop.time() - heard
            if silent >= self._limits.silence:
                await asyncio.sleep(_CATCH_UP_S)
                if self._heard == heard:
                    self._counts["silent"] += 1
                    return
                continue
            await asyncio.sleep(max(1.0, self._limits.silence - silent))

    async def _close(self, code: int) -> None:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError, TimeoutError):
            async with asyncio.timeout(self._limits.send_timeout):
                await self._websocket.close(code)


def _read_frame(message: Mapping[str, object]) -> bytes | str:
    text = message.get("text")
    if isinstance(text, str):
        return text
    data = message.get("bytes")
    return data if isinstance(data, bytes) else b""
