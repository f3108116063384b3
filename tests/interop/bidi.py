"""A minimal WebDriver BiDi client (w3.org/TR/webdriver-bidi): enough to drive Firefox without geckodriver."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections import deque
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

COMMAND_TIMEOUT = 30.0
"""Seconds a command may take; starting a window on a busy machine takes the longest."""
LOG_LINES = 200


class BidiError(Exception):
    """The browser refused a command, or is gone."""


class BidiSession:
    """One session of a browser: commands out, answers and console lines in."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._logs: dict[str, deque[str]] = {}
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, url: str) -> BidiSession:
        """Connect to a browser's `--remote-debugging-port`, whose address it prints, and begin a session."""
        connection = await connect(f"{url}/session", proxy=None, max_size=64 << 20, ping_interval=None)
        session = cls(connection)
        await session.command("session.new", capabilities={"alwaysMatch": {"acceptInsecureCerts": True}})
        await session.command("session.subscribe", events=["log.entryAdded"])
        return session

    async def command(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and wait for its result."""
        if self._reader.done():
            raise BidiError(f"{method}: the browser closed the connection")
        number = next(self._ids)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            async with asyncio.timeout(COMMAND_TIMEOUT):
                await self._connection.send(json.dumps({"id": number, "method": method, "params": params}))
                return await answer
        finally:
            self._waiting.pop(number, None)

    async def evaluate(self, context: str, expression: str) -> Any:
        """The value of a JavaScript expression in a page, as JSON carries it; a promise is awaited."""
        answer = await self.command(
            "script.callFunction",
            functionDeclaration=f"async () => JSON.stringify(await ({expression}\n)) ?? null",
            awaitPromise=True,
            target={"context": context},
            userActivation=True,
        )
        if answer["type"] == "exception":
            raise BidiError(answer["exceptionDetails"]["text"])
        text = answer["result"].get("value")
        return None if text is None else json.loads(text)

    def logs(self, context: str) -> list[str]:
        """The last console lines and uncaught errors of a page."""
        return list(self._logs.get(context, ()))

    async def close(self) -> None:
        """End the browser and the connection."""
        with contextlib.suppress(BidiError, ConnectionClosed, TimeoutError):
            await self.command("browser.close")
        await self._connection.close()
        await self._reader

    async def _read(self) -> None:
        try:
            async for text in self._connection:
                self._handle(json.loads(text))
        except ConnectionClosed:
            pass
        finally:
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(BidiError("the browser closed the connection"))

    def _handle(self, message: dict[str, Any]) -> None:
        if message["type"] == "event":
            if message["method"] == "log.entryAdded":
                entry = message["params"]
                lines = self._logs.setdefault(entry["source"].get("context", ""), deque(maxlen=LOG_LINES))
                lines.append(f"{entry['level']}: {entry['text']}")
            return
        answer = self._waiting.get(message.get("id") or 0)
        if answer is None or answer.done():
            return
        if message["type"] == "success":
            answer.set_result(message["result"])
        else:
            answer.set_exception(BidiError(f"{message['error']}: {message['message']}"))
