"""The response that carries server-sent events until the client or the server goes away."""

from __future__ import annotations

import asyncio

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sfu.signaling.options import SignalingOptions
from sfu.signaling.streams import RoomStreams, StreamQueue

_PREAMBLE = b"retry: 2000\n\n"
_KEEPALIVE = b": keep-alive\n\n"


class EventStreamResponse(Response):
    """Streams one room's events. Ends on disconnect, on `RoomStreams.close`, and when the client takes nothing."""

    media_type = "text/event-stream"

    def __init__(self, streams: RoomStreams, room: str, options: SignalingOptions) -> None:
        # X-Accel-Buffering keeps nginx from holding events back.
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._streams = streams
        self._room = room
        self._options = options
        self._queue: StreamQueue = streams.open(room)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the stream (ASGI)."""
        writer = asyncio.ensure_future(self._write(send))
        listener = asyncio.ensure_future(_disconnected(receive))
        try:
            await asyncio.wait({writer, listener}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._streams.discard(self._room, self._queue)
            unfinished = [task for task in (writer, listener) if not task.done()]
            for task in unfinished:
                task.cancel()
            await asyncio.gather(*unfinished, return_exceptions=True)
        if writer.done() and not writer.cancelled():
            writer.result()

    async def _write(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        chunk = _PREAMBLE
        queue = self._queue
        try:
            while True:
                if queue.stale:
                    queue.take()
                    queue.stale = False
                    chunk += self._streams.build_snapshot(self._room)
                else:
                    chunk += queue.take()
                if chunk:
                    async with asyncio.timeout(self._options.stream_send_timeout):
                        await send({"type": "http.response.body", "body": chunk, "more_body": True})
                chunk = b""
                if queue.closed:
                    break
                if not await queue.wait(self._options.stream_keepalive):
                    chunk = _KEEPALIVE
        except TimeoutError:
            # The client has taken nothing for long: without the final chunk the server cuts the connection.
            return
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
