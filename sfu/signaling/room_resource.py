"""`GET /rooms/{room}` and its events."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sfu.signaling.authorization import Grants, authorize, read_token
from sfu.signaling.context import Context
from sfu.signaling.entering import read_room_name
from sfu.signaling.resource import Resource
from sfu.signaling.roster import describe_room
from sfu.signaling.stream_response import EventStreamResponse, describe_stream


class RoomResource:
    """`/rooms/{room}` and `/rooms/{room}/events`; both need the right to subscribe."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def build(self) -> Resource:
        """The room itself."""
        return Resource({"GET": self.get})

    def build_events(self) -> Resource:
        """Its events."""
        return Resource({"GET": self.get_events, "HEAD": self.head_events})

    async def get(self, request: Request) -> Response:
        """Who is there and what they publish, as JSON."""
        room, _ = self._authorized_room(request, in_query=False)
        return JSONResponse(describe_room(self._context.server, room), headers={"Cache-Control": "no-store"})

    async def get_events(self, request: Request) -> Response:
        """Server-sent events: `snapshot`, then `joined`, `left`, `published`, `ended`, `muted`, `unmuted`, `recording`.

        A `snapshot` may come again, when a slow client's queue ran over. Events may tell what the snapshot before them
        held already: each says what is, so to apply it twice does no harm. The stream ends with its token.
        """
        room, grants = self._authorized_room(request, in_query=True)
        return EventStreamResponse(self._context.streams.open(room, grants.expires), self._context.options)

    async def head_events(self, request: Request) -> Response:
        """The headers of the stream."""
        self._authorized_room(request, in_query=True)
        return describe_stream()

    def _authorized_room(self, request: Request, *, in_query: bool) -> tuple[str, Grants]:
        room = read_room_name(request.path_params["room"])
        token = read_token(request, in_query=in_query)
        return room, authorize(self._context.authorizer, token, room, "subscribe")
