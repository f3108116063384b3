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
from starlette.websockets import WebSocket

from sfu.signaling.livekit.agents.dispatches import Dispatches
from sfu.signaling.livekit.agents.worker import Registration, Worker
from sfu.signaling.livekit.agents.workers import Workers
from sfu.signaling.livekit.claims import Claims, GrantError, TokenError
from sfu.signaling.livekit.frames import Encoded
from sfu.signaling.livekit.socket import OVERLOADED, POLICY, Socket, SocketLimits
from sfu.signaling.livekit.tokens import ApiKeys

_log = logging.getLogger("sfu.signaling.livekit")

MAX_WORKERS = 1024
LIMITS = SocketLimits(
    rate=200.0,
    burst=2000.0,
    max_frame_bytes=1 << 20,
    max_queued=1024,
    max_queued_bytes=32 << 20,
    send_timeout=10.0,
)
"""Of one worker's socket."""
_REGISTER_S = 10.0


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
        self.cut: collections.Counter[str] = collections.Counter()
        """Sockets that were cut off or held back, by reason."""

    async def serve(self, socket: WebSocket) -> None:
        """Serve one worker until it goes."""
        try:
            claims = self._keys.verify(_read_token(socket))
            claims.require("agent")
        except (TokenError, GrantError) as error:
            # Before it is accepted a socket is refused by an HTTP status: 403, whichever it was.
            _log.info("worker refused", extra={"reason": str(error)})
            await socket.close(POLICY, str(error)[:100])
            return
        if self._open >= MAX_WORKERS:
            await socket.close(OVERLOADED, "This server has as many workers as it takes.")
            return
        self._open += 1
        try:
            await socket.accept()
            await _Session(Socket(socket, LIMITS, self.cut), self, claims).run()
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
            on_report=self._dispatches.take_back,
            clock=self._clock,
        )
        send(ServerMessage(register=RegisterWorkerResponse(worker_id=worker.id, server_info=self._server_info)))
        self._workers.add(worker)
        return worker

    def remove(self, worker: Worker) -> None:
        """It has gone."""
        self._workers.remove(worker)


class _Session:
    def __init__(self, socket: Socket, endpoint: AgentSocket, claims: Claims) -> None:
        self._socket = socket
        self._endpoint = endpoint
        self._claims = claims
        self._worker: Worker | None = None

    async def run(self) -> None:
        deadline = asyncio.get_running_loop().call_later(_REGISTER_S, self._check_registered)
        try:
            await self._socket.run(self._handle)
        finally:
            deadline.cancel()
            if self._worker is not None:
                self._endpoint.remove(self._worker)

    def _check_registered(self) -> None:
        if self._worker is None:
            self._endpoint.cut["unregistered"] += 1
            self._socket.close(POLICY)

    def _handle(self, frame: bytes | str) -> None:
        message = self._parse(frame)
        if message is None:
            return
        if self._worker is not None:
            if not self._worker.handle(message):
                self._endpoint.ignored["unknown"] += 1
        elif message.WhichOneof("message") == "register":
            if message.register.type not in JobType.values():
                self._endpoint.ignored["unknown"] += 1
                self._socket.close(POLICY)
            else:
                registration = Registration.of(message.register)
                self._worker = self._endpoint.register(registration, self._claims, self._send)

    def _parse(self, frame: bytes | str) -> WorkerMessage | None:
        try:
            if isinstance(frame, bytes):
                return WorkerMessage.FromString(frame)
            return json_format.Parse(frame, WorkerMessage(), ignore_unknown_fields=True)
        except (DecodeError, json_format.ParseError, RecursionError):
            self._endpoint.ignored["malformed"] += 1
            return None

    def _send(self, message: ServerMessage) -> None:
        self._socket.send(Encoded(message))


def _read_token(socket: WebSocket) -> str:
    scheme, _, token = socket.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    return socket.query_params.get("access_token", "")
