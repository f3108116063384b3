"""A server whose LiveKit doors are called as an ASGI server calls them, without a socket."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from urllib.parse import urlencode

import pytest
from livekit import api
from livekit.protocol.rtc import SignalRequest, SignalResponse
from starlette.applications import Starlette
from starlette.types import Message

import sfu
from sfu.signaling.livekit.app import LiveKit
from sfu.signaling.livekit.options import LiveKitOptions

KEY, SECRET = "devkey", "a-secret-that-is-long-enough-for-HS256"
PATIENCE = 5.0


def make_token(identity: str = "alice", room: str = "lobby", **grants: object) -> str:
    video = api.VideoGrants(**{"room_join": True, "room": room, **grants})  # type: ignore[arg-type]
    return api.AccessToken(KEY, SECRET).with_identity(identity).with_name(identity.title()).with_grants(video).to_jwt()


class Caller:
    """One WebSocket, from its request to its end."""

    def __init__(self, app: Starlette) -> None:
        self._app = app
        self._to: asyncio.Queue[Message] = asyncio.Queue()
        self._from: asyncio.Queue[Message] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self.status = 0
        """Of the answer: 101 once it is a WebSocket."""
        self.body = b""
        self.stalled = asyncio.Event()
        self.stalled.set()
        self.seen: list[SignalResponse] = []
        self.discards = False
        """Whether what it is sent from now on is read, counted, and looked at by nobody."""
        self.discarded = 0

    async def open(self, path: str, headers: dict[str, str] | None = None, **query: str) -> Caller:
        scope = {
            "type": "websocket",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "scheme": "ws",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": urlencode(query).encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()],
            "client": ("127.0.0.1", 5000),
            "server": ("127.0.0.1", 80),
            "subprotocols": [],
            "extensions": {"websocket.http.response": {}},
            "state": {},
        }
        await self._to.put({"type": "websocket.connect"})
        self._task = asyncio.create_task(self._app(scope, self._to.get, self._send))
        first = await asyncio.wait_for(self._from.get(), PATIENCE)
        if first["type"] == "websocket.accept":
            self.status = 101
        else:
            self.status = first["status"]
            self.body = (await self._from.get())["body"]
        return self

    async def _send(self, message: Message) -> None:
        await self.stalled.wait()
        if self.discards:
            self.discarded += 1
        else:
            await self._from.put(message)

    async def send(self, request: SignalRequest | bytes | str) -> None:
        if isinstance(request, str):
            await self._to.put({"type": "websocket.receive", "text": request})
        else:
            data = request if isinstance(request, bytes) else request.SerializeToString()
            await self._to.put({"type": "websocket.receive", "bytes": data})

    async def next(self) -> SignalResponse | str | None:
        """The next response: a text as it is; None at the end."""
        message = await asyncio.wait_for(self._from.get(), PATIENCE)
        if message["type"] != "websocket.send":
            return None
        if message.get("text") is not None:
            return str(message["text"])
        response = SignalResponse.FromString(message["bytes"])
        self.seen.append(response)
        return response

    async def until(self, kind: str) -> SignalResponse:
        """The next response of a kind; what comes before is in `seen`."""
        while (response := await self.next()) is not None:
            if isinstance(response, SignalResponse) and response.WhichOneof("message") == kind:
                return response
        raise AssertionError(f"the socket ended without {kind}; there came {self.kinds()}")

    async def ended(self) -> None:
        """Wait for its end."""
        while await self.next() is not None:
            pass

    async def ended_by_server(self, patience: float = PATIENCE) -> None:
        """Wait until the app is done with it, whatever it still sends."""
        assert self._task is not None
        await asyncio.wait_for(asyncio.shield(self._task), patience)

    def kinds(self) -> list[str]:
        return [str(each.WhichOneof("message")) for each in self.seen]

    async def hang_up(self) -> None:
        """The client is gone without a word."""
        if self._task is not None:
            await self._to.put({"type": "websocket.disconnect", "code": 1006})
            await asyncio.wait_for(self._task, PATIENCE)

    async def close(self) -> None:
        if self._task is not None and not self._task.done():
            self.stalled.set()
            await self.hang_up()


class Doors:
    """The app, and who has come in by it."""

    def __init__(self, server: sfu.Server, livekit: LiveKit, now: list[float]) -> None:
        self.server = server
        self.livekit = livekit
        self.now = now
        self.app = Starlette(routes=[*livekit.routes])
        self.callers: list[Caller] = []

    async def call(self, path: str, headers: dict[str, str] | None = None, **query: str) -> Caller:
        caller = Caller(self.app)
        self.callers.append(caller)
        return await caller.open(path, headers, **query)

    async def enter(self, identity: str = "alice", *, grants: dict[str, object] | None = None, **query: str) -> Caller:
        """Join with two peer connections."""
        return await self.call("/rtc", access_token=make_token(identity, **(grants or {})), protocol="16", **query)


@pytest.fixture
def options() -> LiveKitOptions:
    return LiveKitOptions(max_queued_responses=200, request_burst=100, request_rate=1000.0)


@pytest.fixture
async def doors(options: LiveKitOptions) -> AsyncIterator[Doors]:
    now = [time.time()]
    async with sfu.Server() as server:
        livekit = LiveKit(server, {KEY: SECRET}, options, clock=lambda: now[0])
        doors = Doors(server, livekit, now)
        yield doors
        for caller in doors.callers:
            await caller.close()
        await livekit.close()
        assert not server.rooms
        assert set(server.rows_in_use().values()) == {0}
