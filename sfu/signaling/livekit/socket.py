"""One WebSocket of a client: what it asks, at a bounded rate, and what it is told, as far as it reads."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import logging
from collections.abc import Callable, Mapping

from starlette.websockets import WebSocket, WebSocketDisconnect

from sfu.signaling.livekit.frames import Frame
from sfu.signaling.livekit.options import LiveKitOptions

_log = logging.getLogger("sfu.signaling.livekit")

NORMAL, TOO_BIG, OVERLOADED = 1000, 1009, 1013
"""Codes of the close frame (RFC 6455 section 7.4.1)."""


class Socket:
    """Wraps a WebSocket that was accepted. `run` reads and writes until it ends."""

    def __init__(self, websocket: WebSocket, options: LiveKitOptions, counts: collections.Counter[str]) -> None:
        """`counts`: of what is cut off or held back, by reason."""
        self._websocket = websocket
        self._options = options
        self._counts = counts
        self._as_json = False
        self._queue: collections.deque[bytes | str] = collections.deque()
        self._queued_bytes = 0
        self._wake = asyncio.Event()
        self._closing = False
        self._cut = asyncio.Event()
        self._heard = asyncio.get_running_loop().time()
        self._pinged = False
        self._tokens = float(options.request_burst)
        self._filled = self._heard

    def __len__(self) -> int:
        """Responses that wait for the client to read."""
        return len(self._queue)

    @property
    def closing(self) -> bool:
        """Whether nothing more is sent."""
        return self._closing

    def send(self, frame: Frame) -> None:
        """Send a response, once the client reads. One that reads too slowly is cut off."""
        if self._closing:
            return
        data = frame.text if self._as_json else frame.binary
        self._queue.append(data)
        self._queued_bytes += len(data)
        options = self._options
        if len(self._queue) > options.max_queued_responses or self._queued_bytes > options.max_queued_bytes:
            self._counts["slow_reader"] += 1
            self._queue.clear()
            self._closing = True
            self._cut.set()
        self._wake.set()

    def note_ping(self) -> None:
        """The client asks whether we are there, so its silence means something."""
        self._pinged = True

    def close(self) -> None:
        """Send what waits, and end."""
        self._closing = True
        self._wake.set()

    async def run(self, handle: Callable[[bytes | str], None]) -> None:
        """Give what comes to `handle` until either side ends it."""
        reader = asyncio.create_task(self._read(handle), name="sfu livekit reader")
        writer = asyncio.create_task(self._write(), name="sfu livekit writer")
        watch = asyncio.create_task(self._watch(), name="sfu livekit watch")
        cut = asyncio.create_task(self._cut.wait(), name="sfu livekit cut")
        tasks: set[asyncio.Task[object]] = {reader, writer, watch, cut}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._closing = True
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, WebSocketDisconnect | OSError):
                raise result

    async def _read(self, handle: Callable[[bytes | str], None]) -> None:
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            self._heard = asyncio.get_running_loop().time()
            frame = _read_frame(message)
            if len(frame) > self._options.max_request_bytes:
                self._counts["too_big"] += 1
                await self._close(TOO_BIG)
                return
            self._as_json = isinstance(frame, str)
            await self._take_turn()
            if self._closing:
                await asyncio.Event().wait()  # until what is left is written
            handle(frame)

    async def _take_turn(self) -> None:
        """Wait until the client's rate allows one more; meanwhile nothing is read from it."""
        now = asyncio.get_running_loop().time()
        options = self._options
        self._tokens = min(options.request_burst, self._tokens + (now - self._filled) * options.request_rate) - 1.0
        self._filled = now
        if self._tokens < 0.0:
            self._counts["held_back"] += 1
            await asyncio.sleep(-self._tokens / options.request_rate)

    async def _write(self) -> None:
        while True:
            while self._queue:
                data = self._queue.popleft()
                self._queued_bytes -= len(data)
                if isinstance(data, str):
                    await self._websocket.send_text(data)
                else:
                    await self._websocket.send_bytes(data)
            if self._closing:
                await self._close(NORMAL)
                return
            self._wake.clear()
            await self._wake.wait()

    async def _watch(self) -> None:
        """End it when a client that asks whether we are there has stopped to."""
        loop = asyncio.get_running_loop()
        while True:
            silent = loop.time() - self._heard
            if self._pinged and silent >= self._options.ping_timeout:
                self._counts["silent"] += 1
                return
            await asyncio.sleep(max(1.0, self._options.ping_timeout - silent) if self._pinged else 1.0)

    async def _close(self, code: int) -> None:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            await self._websocket.close(code)


def _read_frame(message: Mapping[str, object]) -> bytes | str:
    text = message.get("text")
    if isinstance(text, str):
        return text
    data = message.get("bytes")
    return data if isinstance(data, bytes) else b""
