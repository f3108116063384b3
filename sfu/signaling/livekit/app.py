"""The doors of the protocol: `/rtc`, `/rtc/v1`, and `validate` below each."""

from __future__ import annotations

import asyncio
import collections
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from google.protobuf import json_format
from livekit.protocol.models import DisconnectReason
from livekit.protocol.rtc import LeaveRequest, SignalResponse
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from sfu import Server
from sfu.errors import RemoteError
from sfu.signaling.http.admission import Admission
from sfu.signaling.http.homes import Home, Homes
from sfu.signaling.http.problem import describe_error
from sfu.signaling.livekit.claims import Claims, GrantError, TokenError
from sfu.signaling.livekit.client import Client
from sfu.signaling.livekit.elsewhere import describe_home, describe_regions, pass_on, was_forwarded
from sfu.signaling.livekit.frames import Frame
from sfu.signaling.livekit.join import Join, JoinError, read_join_request, read_query
from sfu.signaling.livekit.options import LiveKitOptions
from sfu.signaling.livekit.participant import State
from sfu.signaling.livekit.room import LiveKitRoom
from sfu.signaling.livekit.rooms import Rooms, Ticker, logged
from sfu.signaling.livekit.session import Session
from sfu.signaling.livekit.sight import Shows, show_all
from sfu.signaling.livekit.socket import Socket
from sfu.signaling.livekit.tokens import ApiKeys
from sfu.signaling.sessions.watcher import EventWatcher

_log = logging.getLogger("sfu.signaling.livekit")

_CORS = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "*"}

Read = Callable[[Mapping[str, str]], Join]


class EndedError(RemoteError):
    """Nobody is let in any more; another process may take this one's place."""

    status = 503
    title = "Shutting down"
    retry_after = 1.0


class LiveKit:
    """The protocol's side of one Server: `routes` for an ASGI app, and `rooms` for its server API."""

    def __init__(
        self,
        server: Server,
        keys: Mapping[str, str],
        options: LiveKitOptions | None = None,
        *,
        clock: Callable[[], float] = time.time,
        admits: Callable[[str, str], bool] = lambda room, identity: True,
        shows: Shows = show_all,
        admission: Admission | None = None,
        homes: Homes | None = None,
    ) -> None:
        """`keys`: secrets by API key. `clock`: seconds since the Unix epoch. `admits(room, identity)`: whether somebody
        with a good token enters now, too. `shows`: who is shown to whom. `admission`: asked whether there is room for
        what comes new. `homes`: which node of a cluster has which room; None: this one has all. Raises ArgumentError
        for a bad key.
        """
        self.options = options or LiveKitOptions()
        self.keys = ApiKeys(keys, clock)
        self.rooms = Rooms(server, self.options, clock, shows, admission, homes)
        self.requests: collections.Counter[str] = collections.Counter()
        """Signal requests, by kind; `unknown` are those of newer clients, `malformed` are none."""
        self.cut: collections.Counter[str] = collections.Counter()
        """Sockets that were cut off or held back, by reason."""
        self._admits = admits
        self._sessions: set[Session] = set()
        self._passing: set[asyncio.Task[bool]] = set()
        self._watcher = EventWatcher(server, [self.rooms.handle_event])
        self._ticker = Ticker(self.handle_tick, clock)
        self._ended = False

    @property
    def routes(self) -> Sequence[BaseRoute]:
        """What an app has to serve."""

        async def enter(websocket: WebSocket) -> None:
            await self._serve(websocket, read_query)

        async def enter_v1(websocket: WebSocket) -> None:
            await self._serve(websocket, _read_v1)

        async def validate(request: Request) -> Response:
            return self._validate(request, read_query)

        async def validate_v1(request: Request) -> Response:
            return self._validate(request, _read_v1)

        async def refuse(request: Request) -> Response:
            return PlainTextResponse("a WebSocket is spoken here", 404, headers=_CORS)

        async def tell_alive(request: Request) -> Response:  # clients ask so whether their network is back
            return Response(headers=_CORS)

        async def list_regions(request: Request) -> Response:
            return self._list_regions(request)

        return [
            Route("/settings/regions", list_regions),
            Route("/", tell_alive, methods=["HEAD"]),
            WebSocketRoute("/rtc", enter),
            WebSocketRoute("/rtc/v1", enter_v1),
            Route("/rtc", refuse),
            Route("/rtc/v1", refuse),
            Route("/rtc/validate", validate),
            Route("/rtc/v1/validate", validate_v1),
        ]

    @property
    def passed_on(self) -> int:
        """Sockets of clients whose room lives on another node."""
        return len(self._passing)

    def ensure_running(self) -> None:
        """Follow the server's events and the clock from now on."""
        self._watcher.ensure_running()
        self._ticker.ensure_running()

    def handle_tick(self, now: float) -> None:
        """Do what is due; `now` in seconds since the Unix epoch. Called by itself while it runs."""
        self.rooms.handle_tick(now)
        for session in list(self._sessions):
            with logged(session.room.name):
                session.handle_tick(now)

    def hand_over(self) -> list[dict[str, Any]]:
        """Another process goes on with the rooms: tell all clients to come again, end their sockets, and return what
        that process has to know, as JSON.
        """
        self._ended = True
        described = self.rooms.hand_over()
        self._end_sockets()
        return described

    def take_over(self, described: Iterable[Mapping[str, Any]]) -> None:
        """Go on with the rooms that another process has handed over, before anybody comes."""
        self.rooms.take_over(described)

    def end_sessions(self) -> None:
        """The server stops: tell all clients, end their sockets, and let nobody in. An HTTP server that waits for them
        needs this.
        """
        self._ended = True
        self.rooms.close()
        self._end_sockets()

    def _end_sockets(self) -> None:
        for session in list(self._sessions):
            session.socket.close()
        for passing in list(self._passing):
            passing.cancel()  # the client comes back by another door; at the home it is waited for

    async def close(self) -> None:
        """End the sessions, and stop following the server."""
        self.end_sessions()
        await self._ticker.close()
        await self._watcher.close()

    def _authorize(self, connection: HTTPConnection) -> Claims:
        """Who comes, and that he may enter a room now; raises TokenError, GrantError or EndedError."""
        header = connection.headers.get("authorization", "")
        scheme, _, token = header.partition(" ")
        if not header:
            token = connection.query_params.get("access_token", "")
        elif scheme.lower() != "bearer":
            raise TokenError("invalid authorization header. Must start with Bearer")
        if not token.strip():
            raise TokenError("no access token: send it as 'Authorization: Bearer' or as access_token")
        claims = self.keys.verify(token.strip())
        claims.require_join(connection.query_params.get("room", ""))
        if not self._admits(claims.video.room, claims.identity):
            raise GrantError("You are not let into this room now.")
        if self._ended:
            raise EndedError("This server is going down; come again.")
        return claims

    def _validate(self, request: Request, read: Read) -> Response:
        try:
            claims = self._authorize(request)
            if not read(request.query_params).resumes:
                self.rooms.admit("peer", claims.video.room, claims.api_key, claims.identity)
        except RemoteError as error:
            return _refuse(error)
        return PlainTextResponse("success", headers=_CORS)

    async def _serve(self, websocket: WebSocket, read: Read) -> None:
        self.ensure_running()
        try:
            claims = self._authorize(websocket)
            join = read(websocket.query_params)
            home = await self._find_home(claims.video.room, join)
            if home is not None:
                await self._lead(websocket, home)
                return
            found = self._find(claims, join) if join.resumes else self._enter(claims, join)
        except RemoteError as error:
            await websocket.send_denial_response(_refuse(error))
            return
        await websocket.accept()
        socket = Socket(websocket, self.options.socket_limits, self.cut)
        if found is None or self._ended:  # meanwhile, and then the room has ended, too
            await _dismiss(socket, _GONE if self._ended else _MISMATCH)
            return
        room, client = found
        if client.state == State.DISCONNECTED:  # meanwhile, as by another one of his identity
            await _dismiss(socket, Frame(SignalResponse(leave=LeaveRequest(reason=client.reason))))
            return
        host = websocket.url.hostname or ""
        session = Session(self.rooms, room, client, socket, mint=self.keys.mint, counts=self.requests, host=host)
        self._sessions.add(session)
        try:
            if join.resumes:
                session.resume(join)
            else:
                session.start(join)
            await socket.run(session.handle_frame)
        finally:
            self._sessions.discard(session)
            session.end()

    async def _find_home(self, name: str, join: Join) -> Home | None:
        """The other node on which a room is to be entered, or resumed in; None: here."""
        homes, room = self.rooms.homes, self.rooms.server.room(name).name
        return await (homes.find(room) if join.resumes else homes.enter(room))

    async def _lead(self, websocket: WebSocket, home: Home) -> None:
        """Let a client have the room that another node has."""
        if not was_forwarded(websocket):
            passing = asyncio.ensure_future(pass_on(websocket, home))
            self._passing.add(passing)
            passing.add_done_callback(self._passing.discard)
            try:
                if await passing:
                    return
            except asyncio.CancelledError:
                if not self._ended:
                    raise
                return
        await websocket.accept()
        await _dismiss(Socket(websocket, self.options.socket_limits, self.cut), describe_home(home))

    def _list_regions(self, request: Request) -> Response:
        """The nodes of the cluster, as clients of LiveKit's cloud ask for them."""
        try:
            self._authorize(request)
        except RemoteError as error:
            return _refuse(error)
        homes = self.rooms.homes
        if homes.us is None:
            return PlainTextResponse("this server is alone", 404, headers=_CORS)
        regions = json_format.MessageToDict(describe_regions([homes.us, *homes.others]))
        return JSONResponse(regions, headers={**_CORS, "Cache-Control": "max-age=5"})

    def _find(self, claims: Claims, join: Join) -> tuple[LiveKitRoom, Client] | None:
        """The participant as which a client goes on; None where there is none any more."""
        room = self.rooms.find(claims.video.room)
        client = None if room is None else room.participants.get(claims.identity)
        if room is None or not isinstance(client, Client) or not client.is_called(join.participant_sid):
            return None
        return room, client

    def _enter(self, claims: Claims, join: Join) -> tuple[LiveKitRoom, Client]:
        self.rooms.admit("peer", claims.video.room, claims.api_key, claims.identity)
        room = self.rooms.enter(claims.video.room, claims.room_config, tenant=claims.api_key)
        return room, room.join(claims, join)


_MISMATCH = Frame(
    SignalResponse(leave=LeaveRequest(reason=DisconnectReason.STATE_MISMATCH, action=LeaveRequest.Action.RECONNECT))
)
"""To who would resume as somebody that is not known: come again from the start."""
_GONE = Frame(
    SignalResponse(leave=LeaveRequest(reason=DisconnectReason.SERVER_SHUTDOWN, action=LeaveRequest.Action.RECONNECT))
)


async def _dismiss(socket: Socket, leave: Frame) -> None:
    """Say to who has just come that it is no place for him, and end."""
    socket.send(leave)
    socket.close()
    await socket.run(lambda frame: None)


def _read_v1(query: Mapping[str, str]) -> Join:
    packed = query.get("join_request")
    if packed is None:
        raise JoinError("The query needs a join_request.")
    return read_join_request(packed)


def _refuse(error: RemoteError) -> Response:
    """What a client reads before the upgrade; a grant that is missing is 401, too, as SDKs expect."""
    status = 401 if isinstance(error, GrantError) else error.status
    later = describe_error(error).headers  # where trying again may help
    return PlainTextResponse(str(error), status, headers={**_CORS, **later})
