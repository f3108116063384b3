"""`/agent`: the WebSocket of a worker."""

from __future__ import annotations

import asyncio
import collections
import logging
from collections.abc import Callable

from google.protobuf import json_format
from google.protobuf.message import DecodeError
from livekit.protocol.agent import JobType, RegisterWorkerResponse, ServerMessage, WorkerMessage
from livekit.protocol.models import ServerInfo
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from sfu.signaling.livekit.agents.dispatches import Dispatches
from sfu.signaling.livekit.agents.worker import Registration, Worker
from sfu.signaling.livekit.agents.workers import Workers
from sfu.signaling.livekit.claims import Claims, GrantError, TokenError
from sfu.signaling.livekit.tokens import ApiKeys

_log = logging.getLogger("sfu.signaling.livekit")

MAX_MESSAGE_BYTES = 1 << 20
MAX_WORKERS = 1024
_REGISTER_S = 10.0
_SEND_S = 10.0
_MAX_QUEUED = 1024
_POLICY, _TOO_BIG, _TRY_LATER = 1008, 1009, 1013


class AgentSocket:
    """`serve` is the endpoint. Who registers must have the grant `agent`."""

    def __init__(
        self,
        keys: ApiKeys,
        workers: Workers,
        dispatches: Dispatches,
        server_info: ServerInfo,
        *,
        clock: Callable[[], float],
        name: Callable[[str], str],
    ) -> None:
        """`clock`: seconds since the Unix epoch. `name(prefix)` makes an id."""
        self._keys = keys
        self._workers = workers
        self._dispatches = dispatches
        self._server_info = server_info
        self._clock = clock
        self._name = name
        self._open = 0
        self.ignored: collections.Counter[str] = collections.Counter()
        """Messages that were passed over, by reason: `malformed`, `unknown`."""

    async def serve(self, socket: WebSocket) -> None:
        """Serve one worker until it goes."""
        try:
            claims = self._keys.verify(_read_token(socket))
            claims.require("agent")
        except (TokenError, GrantError) as error:
            # Before it is accepted a socket is refused by an HTTP status: 403, whichever it was.
            _log.info("worker refused", extra={"reason": str(error)})
            await socket.close(_POLICY, str(error)[:100])
            return
        if self._open >= MAX_WORKERS:
            await socket.close(_TRY_LATER, "This server has as many workers as it takes.")
            return
        self._open += 1
        try:
            await socket.accept()
            await _Session(socket, self, claims).run()
        finally:
            self._open -= 1

    # for its sessions

    def register(self, registration: Registration, claims: Claims, send: Callable[[ServerMessage], None]) -> Worker:
        """Make a worker of who has registered, and tell it so."""
        worker = Worker(
            self._name("AW_"),
            registration,
            claims.api_key,
            self._keys,
            send,
            self._dispatches.handle_job,
            clock=self._clock,
        )
        send(ServerMessage(register=RegisterWorkerResponse(worker_id=worker.id, server_info=self._server_info)))
        self._workers.add(worker)
        return worker

    def remove(self, worker: Worker) -> None:
        """It has gone."""
        self._workers.remove(worker)


class _Session:
    def __init__(self, socket: WebSocket, endpoint: AgentSocket, claims: Claims) -> None:
        self._socket = socket
        self._endpoint = endpoint
        self._claims = claims
        self._queue: asyncio.Queue[ServerMessage] = asyncio.Queue(_MAX_QUEUED)
        self._text = False
        self._worker: Worker | None = None
        self._overrun = asyncio.Event()

    async def run(self) -> None:
        tasks = [asyncio.ensure_future(part) for part in (self._receive(), self._send(), self._overrun.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            if self._worker is not None:
                self._endpoint.remove(self._worker)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, WebSocketDisconnect | TimeoutError | OSError):
                raise result
        if self._socket.application_state is WebSocketState.CONNECTED and not any(
            isinstance(result, WebSocketDisconnect) for result in results
        ):
            await self._socket.close(_POLICY)

    def _put(self, message: ServerMessage) -> None:
        try:
            self._queue.put_nowait(message)
        except asyncio.QueueFull:
            self._overrun.set()  # who reads too slowly is cut off, and registers again

    async def _receive(self) -> None:
        async with asyncio.timeout(_REGISTER_S):
            while self._worker is None:
                message = await self._read()
                if message is not None and message.WhichOneof("message") == "register":
                    if message.register.type not in JobType.values():
                        self._endpoint.ignored["unknown"] += 1
                        return
                    registration = Registration.of(message.register)
                    self._worker = self._endpoint.register(registration, self._claims, self._put)
        while True:
            message = await self._read()
            if message is not None and not self._worker.handle(message):
                self._endpoint.ignored["unknown"] += 1

    async def _read(self) -> WorkerMessage | None:
        received = await self._socket.receive()
        if received["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(received.get("code") or 1005)
        data, text = received.get("bytes"), received.get("text")
        if len(data or text or "") > MAX_MESSAGE_BYTES:
            await self._socket.close(_TOO_BIG)
            raise WebSocketDisconnect(_TOO_BIG)
        self._text = data is None
        try:
            if data is not None:
                return WorkerMessage.FromString(data)
            return json_format.Parse(text or "", WorkerMessage(), ignore_unknown_fields=True)
        except (DecodeError, json_format.ParseError, RecursionError):
            self._endpoint.ignored["malformed"] += 1
            return None

    async def _send(self) -> None:
        while True:
            message = await self._queue.get()
            async with asyncio.timeout(_SEND_S):
                if self._text:
                    await self._socket.send_text(json_format.MessageToJson(message, indent=None))
                else:
                    await self._socket.send_bytes(message.SerializeToString())


def _read_token(socket: WebSocket) -> str:
    scheme, _, token = socket.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    return socket.query_params.get("access_token", "")
