"""Calls of the server API for a room that lives on another node are made there, and those for all rooms everywhere."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import httpx
from google.protobuf.message import DecodeError, Message
from livekit.protocol.models import Room
from livekit.protocol.room import ListRoomsResponse
from starlette.requests import Request
from starlette.responses import Response

from sfu.signaling.http.homes import Home
from sfu.signaling.livekit.elsewhere import pass_on_headers, was_forwarded
from sfu.signaling.livekit.rooms import Rooms
from sfu.signaling.livekit.twirp.errors import TwirpError
from sfu.signaling.livekit.twirp.methods import PACKAGE, Method, read_room

_log = logging.getLogger("sfu.signaling.livekit")

ANSWER_S = 30.0
"""For one call at another node, from beginning to end; methods of participants may take half as long."""
LIST_S = 5.0
"""For what is asked of all nodes."""
MAX_ANSWER_BYTES = 32 << 20
_AT_ONCE = 32
_PROTOBUF = "application/protobuf"
_KEPT = ("content-type", "cache-control", "retry-after")
_SERVICES = ("RoomService", "AgentDispatchService", "Egress")
"""Whose calls are a room's own; stream keys (`Ingress`) are kept by the node that made them."""
LIST_ROOMS = "RoomService/ListRooms"


class Forwarding:
    """Between nodes of a cluster, which have the same API keys: a call keeps its token, and each node checks it."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._made: httpx.AsyncClient | None = None

    @property
    def _client(self) -> httpx.AsyncClient:
        if self._made is None:
            self._made = httpx.AsyncClient(follow_redirects=False, trust_env=False, timeout=ANSWER_S)
        return self._made

    async def find_home(self, request: Request, method: Method, message: Message) -> Home | None:
        """Return the node at which a call is to be made; None: here. May raise RemoteError."""
        if method.name.partition("/")[0] not in _SERVICES or not (name := read_room(method, message)):
            return None
        homes, forwarded = self._rooms.homes, was_forwarded(request)
        if method.name != "RoomService/CreateRoom":
            return None if forwarded else await homes.find(self._rooms.server.room(name).name)
        home = await homes.enter(self._rooms.server.room(name).name)
        if home is not None and forwarded:
            raise TwirpError("unavailable", "The room is being opened on another node right now: try again.")
        return home

    async def forward(self, request: Request, method: Method, body: bytes, home: Home) -> Response:
        """Make a call at another node, and return its answer. Raises TwirpError."""
        try:
            async with asyncio.timeout(ANSWER_S):
                status, content, headers = await self._post(request, method.name, body, home)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OverflowError) as error:
            reason = str(error) or type(error).__name__
            _log.warning("a call at another node has failed", extra={"url": home.url, "reason": reason})
            advice = "The node that has this room does not answer; whether the call was made is not known."
            raise TwirpError("unavailable", advice) from error
        return Response(content, status, {name: headers[name] for name in _KEPT if name in headers})

    async def add_rooms(self, request: Request, body: bytes, own: ListRoomsResponse) -> ListRoomsResponse:
        """Return the rooms of all nodes. Those of a node that does not answer are missing, which the log says."""
        if was_forwarded(request) or not (others := self._rooms.homes.others):
            return own
        turns = asyncio.Semaphore(_AT_ONCE)

        async def ask(home: Home) -> Sequence[Room]:
            try:
                async with turns, asyncio.timeout(LIST_S):
                    status, content, _ = await self._post(request, LIST_ROOMS, body, home, _PROTOBUF)
                if status != 200:
                    raise OverflowError(f"status {status}")
                return ListRoomsResponse.FromString(content).rooms
            except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OverflowError, DecodeError) as error:
                reason = str(error) or type(error).__name__
                _log.warning("a node does not list its rooms", extra={"url": home.url, "reason": reason})
                return ()

        listed = await asyncio.gather(*map(ask, others))
        return ListRoomsResponse(rooms=[*own.rooms, *(room for rooms in listed for room in rooms)])

    async def close(self) -> None:
        """Close all connections."""
        if self._made is not None:
            await self._made.aclose()

    async def _post(
        self, request: Request, method: str, body: bytes, home: Home, kind: str = ""
    ) -> tuple[int, bytes, httpx.Headers]:
        """Status, content and headers of the answer; OverflowError: it is too large."""
        headers = pass_on_headers(request) | {"content-type": kind or request.headers.get("content-type", "")}
        parts, size = list[bytes](), 0
        url = f"{home.url}/twirp/{PACKAGE}.{method}"
        async with self._client.stream("POST", url, content=body, headers=headers) as response:
            async for part in response.aiter_bytes():
                size += len(part)
                if size > MAX_ANSWER_BYTES:
                    raise OverflowError(f"the answer has more than {MAX_ANSWER_BYTES} bytes")
                parts.append(part)
            return response.status_code, b"".join(parts), response.headers
