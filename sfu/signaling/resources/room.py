"""`GET /rooms/{room}`, its events, and its end."""

from __future__ import annotations

import logging

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sfu.signaling.context import Context
from sfu.signaling.http.authorization import Grants, Right, authorize, read_token
from sfu.signaling.resources.admin import authorize_admin, read_keep_out
from sfu.signaling.resources.entering import check_admission, read_room_name
from sfu.signaling.resources.leading import lead_on
from sfu.signaling.resources.resource import Resource
from sfu.signaling.streams.response import EventStreamResponse, describe_stream
from sfu.signaling.streams.roster import describe_room

_log = logging.getLogger("sfu.signaling")


class RoomResource:
    """`/rooms/{room}`, `/rooms/{room}/events` and `/rooms/{room}/home`; to see needs the right to subscribe, to close
    `admin`. The events that concern himself are for who may publish, too.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    def build(self) -> Resource:
        """The room itself."""
        return Resource({"GET": self.get, "DELETE": self.delete})

    def build_events(self) -> Resource:
        """Its events."""
        return Resource({"GET": self.get_events, "HEAD": self.head_events})

    def build_home(self) -> Resource:
        """Where it is entered."""
        return Resource({"GET": self.get_home})

    async def get_home(self, request: Request) -> Response:
        """The other node on which the room is to be entered, as `url`, which is empty where it is this one. Browsers do
        not show scripts where a redirect leads, and take the token off what they send there.
        """
        room = read_room_name(request.path_params["room"])
        authorize(self._context.authorizer, read_token(request), room, "publish", "subscribe")
        home = await self._context.homes.enter(room)
        url = "" if home is None else home.url
        return JSONResponse({"url": url}, headers={"Cache-Control": "no-store"})

    async def get(self, request: Request) -> Response:
        """Who is there and what they publish, as JSON."""
        room, _, _ = await self._authorized_room(request, "subscribe")
        return JSONResponse(describe_room(self._context.server, room), headers={"Cache-Control": "no-store"})

    async def delete(self, request: Request) -> Response:
        """Close the room: all peers leave, and nobody is let in for `keep_out` seconds; with 0 it opens again."""
        room, by = await authorize_admin(self._context, request)
        keep_out = read_keep_out(request)
        self._context.server.room(room).close(keep_out=keep_out, subject=by.peer)
        self._context.sessions.discard_closed()
        _log.info("room closed", extra={"room": room, "by": by.subject, "keep_out_s": keep_out})
        return Response(status_code=204)

    async def get_events(self, request: Request) -> Response:
        """Server-sent events: `snapshot`, then `joined`, `left`, `published`, `ended`, `muted`, `unmuted`, `recording`.

        A `snapshot` may come again, when a slow client's queue ran over. Events may tell what the snapshot before them
        held already: each says what is, so to apply it twice does no harm. The stream ends with its token. Who may only
        publish hears what happens to his own peers (`blocked` above all), and what happens to the room.
        """
        context = self._context
        room, grants, token = await self._authorized_room(request, "subscribe", "publish", in_query=True)
        holder, subject = context.holder(request, token), grants.subject(token)
        stream = context.streams.open(room, holder, subject, grants.expires, whole=grants.subscribe)
        return EventStreamResponse(stream, context.options)

    async def head_events(self, request: Request) -> Response:
        """The headers of the stream."""
        await self._authorized_room(request, "subscribe", "publish", in_query=True)
        return describe_stream()

    async def _authorized_room(
        self, request: Request, *rights: Right, in_query: bool = False
    ) -> tuple[str, Grants, str]:
        room = read_room_name(request.path_params["room"])
        token = read_token(request, in_query=in_query)
        grants = authorize(self._context.authorizer, token, room, *rights)
        await lead_on(self._context, request, room)
        check_admission(self._context.server, room, grants.subject(token))
        return room, grants, token
