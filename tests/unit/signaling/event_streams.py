"""A client of a room's event stream."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette


class Stream:
    """A client of one event stream, at the ASGI level, which httpx's transport cannot read bit by bit."""

    def __init__(self, app: Starlette, room: str, headers: dict[str, str], query: str = "") -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.blocked = asyncio.Event()
        self.blocked.set()
        self._text = asyncio.Queue[str]()
        self._gone = asyncio.Event()
        scope = {
            "type": "http",
            "method": "GET",
            "path": f"/rooms/{room}/events",
            "query_string": query.encode(),
            "headers": [(key.lower().encode(), value.encode()) for key, value in headers.items()],
        }
        self.task = asyncio.ensure_future(app(scope, self._receive, self._send))  # type: ignore[arg-type]

    async def _receive(self) -> dict[str, Any]:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        await self.blocked.wait()
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {key.decode(): value.decode() for key, value in message["headers"]}
        else:
            self._text.put_nowait(message["body"].decode())

    async def text(self) -> str:
        return await asyncio.wait_for(self._text.get(), 5)

    async def events(self) -> list[tuple[str, dict[str, Any]]]:
        """The events of the next chunk."""
        found = []
        for block in (await self.text()).split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":"))
            if "event" in fields:
                found.append((fields["event"], json.loads(fields["data"])))
        return found

    async def leave(self) -> None:
        self._gone.set()
        await asyncio.wait_for(self.task, 5)


@asynccontextmanager
async def opened(app: Starlette, room: str, headers: dict[str, str], query: str = "") -> AsyncIterator[Stream]:
    stream = Stream(app, room, headers, query)
    try:
        yield stream
    finally:
        await stream.leave()
