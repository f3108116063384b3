"""The response that carries server-sent events until the client or the server goes away."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Protocol

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sfu.signaling.http.options import SignalingOptions

_PREAMBLE = b"retry: 2000\n\n"
_KEEPALIVE = b": keep-alive\n\n"
_MEDIA_TYPE = "text/event-stream"
# X-Accel-Buffering keeps nginx from holding events back.
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class EventSource(Protocol):
    """Where one response gets its events from."""

    @property
    def closed(self) -> bool:
        """Whether the stream ends after what `take` gives now."""
        ...

    def take(self) -> bytes:
        """Return all that is to be sent now, encoded; empty if there is nothing."""
        ...

    async def wait(self) -> None:
        """Return when `take` may have something, or the stream is closed."""
        ...

    def end(self) -> None:
        """Clean up, since the response is over."""
        ...


class EventStreamResponse(Response):
    """Streams what `source` gives. Ends with the source, on disconnect, and when the client takes nothing."""

    media_type = _MEDIA_TYPE

    def __init__(self, source: EventSource, options: SignalingOptions) -> None:
        super().__init__(headers=_HEADERS)
        del self.headers["content-length"]
        self._source = source
        self._options = options

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the stream (ASGI)."""
        writer = asyncio.ensure_future(self._write(send))
        listener = asyncio.ensure_future(_disconnected(receive))
        try:
            await asyncio.wait({writer, listener}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._source.end()
            unfinished = [task for task in (writer, listener) if not task.done()]
            for task in unfinished:
                task.cancel()
            await asyncio.gather(*unfinished, return_exceptions=True)
        if writer.done() and not writer.cancelled():
            writer.result()

    async def _write(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        source = self._source
        chunk = _PREAMBLE + source.take()
        while True:
            if chunk:
                try:
                    async with asyncio.timeout(self._options.stream_send_timeout):
                        await send({"type": "http.response.body", "body": chunk, "more_body": True})
                except TimeoutError:
                    # The client has taken nothing for long: without the final chunk the server cuts the connection.
                    return
            if source.closed:
                break
            chunk = await self._next()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _next(self) -> bytes:
        """Return what to send next: events, a comment when there were none for long, or nothing at the end."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._options.stream_keepalive):
                while True:
                    await self._source.wait()
                    chunk = self._source.take()
                    if chunk or self._source.closed:
                        return chunk
        return _KEEPALIVE


def describe_stream() -> Response:
    """Return the answer to HEAD of a stream: its headers, since a stream has no end that a client could wait for."""
    return Response(headers=_HEADERS, media_type=_MEDIA_TYPE)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
