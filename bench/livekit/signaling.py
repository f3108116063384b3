"""A participant's WebSocket to a server: the request to join, what is sent, what comes."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import time
from collections.abc import Callable, Coroutine

from livekit.protocol.models import ClientInfo
from livekit.protocol.rtc import (
    ConnectionSettings,
    JoinRequest,
    LeaveRequest,
    Ping,
    SessionDescription,
    SignalRequest,
    SignalResponse,
    WrappedJoinRequest,
)
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from bench.errors import BenchError
from bench.livekit.door import Door

_PING_S = 5.0
_OPEN_S = 30.0
_CLIENT = ClientInfo(
    sdk=ClientInfo.SDK.JS, version="2.23.0", protocol=17, client_protocol=2, os="Linux", browser="Chrome"
)

Handle = Callable[[SignalResponse], None]


class Signaling:
    """Open it with `open`; what comes is handed to `handle`."""

    def __init__(self, name: str, handle: Handle) -> None:
        self._name = name
        self._handle = handle
        self._socket: ClientConnection | None = None
        self._outgoing: asyncio.Queue[SignalRequest] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []
        self._failure: BaseException | None = None
        self._changed = asyncio.Event()
        self.left: LeaveRequest | None = None
        """By what the server has sent it away."""

    async def open(self, door: Door, room: str, offer: SessionDescription | None) -> None:
        """Ask to join by `/rtc/v1`, with the first offer as the JavaScript SDK does; without an offer nothing comes."""
        request = JoinRequest(
            client_info=_CLIENT,
            connection_settings=ConnectionSettings(auto_subscribe=offer is not None),
            publisher_offer=offer,
        )
        wrapped = WrappedJoinRequest(join_request=request.SerializeToString())
        packed = base64.urlsafe_b64encode(wrapped.SerializeToString()).decode()
        url = f"{door.url}/rtc/v1?access_token={door.token(self._name, room)}&join_request={packed}"
        self._socket = await connect(url, max_size=None, proxy=None, ping_interval=None, open_timeout=_OPEN_S)
        jobs = (self._read(self._socket), self._write(self._socket), self._ping())
        self._tasks = [asyncio.create_task(self._guard(job)) for job in jobs]

    def send(self, request: SignalRequest) -> None:
        """Send it soon, in order."""
        self._outgoing.put_nowait(request)

    async def wait(self, condition: Callable[[], bool], what: str, limit_s: float = 60.0) -> None:
        """Until a condition holds; BenchError where it does not come to that: `what` completes "waits until"."""
        end = time.monotonic() + limit_s
        while not condition():
            if self._failure is not None:
                raise BenchError(f"{self._name} lost its signalling: {self._failure}") from self._failure
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), end - time.monotonic())
            except TimeoutError:
                raise BenchError(f"{self._name} waits in vain until {what}") from None

    def take(self, response: SignalResponse) -> None:
        """Handle what the server says."""
        self._handle(response)
        self._changed.set()

    async def ended(self) -> None:
        """Until the server has sent it away, which `left` tells, or the socket has ended."""
        await asyncio.wait(self._tasks[:1])

    async def close(self) -> None:
        """Leave, and close the socket."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._socket is not None:
            with contextlib.suppress(ConnectionClosed):
                await self._socket.send(SignalRequest(leave=LeaveRequest()).SerializeToString())
            await self._socket.close()

    async def hang_up(self) -> None:
        """Let the socket go without a word, as a browser that is killed does."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._socket is not None:
            self._socket.transport.abort()

    async def _guard(self, job: Coroutine[None, None, None]) -> None:
        try:
            await job
        except (BenchError, ConnectionClosed) as error:
            self._failure = error
            self._changed.set()

    async def _read(self, socket: ClientConnection) -> None:
        async for frame in socket:
            response = SignalResponse.FromString(frame if isinstance(frame, bytes) else frame.encode())
            if response.HasField("leave"):
                self.left = response.leave
                raise BenchError(f"the server sends {self._name} away: {response.leave}")
            self.take(response)
        raise BenchError("the server has ended it")

    async def _write(self, socket: ClientConnection) -> None:
        while True:
            request = await self._outgoing.get()
            await socket.send(request.SerializeToString())

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(_PING_S)
            self.send(SignalRequest(ping_req=Ping(timestamp=int(time.time() * 1000))))
