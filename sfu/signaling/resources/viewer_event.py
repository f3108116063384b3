"""The WHEP extension for server-sent events: a viewer makes event streams, reads them and ends them."""

from __future__ import annotations

import json

from starlette.requests import Request
from starlette.responses import Response

from sfu.signaling.context import Context
from sfu.signaling.http.body import decode_text, read_body, require_media_type
from sfu.signaling.http.headers import JSON, VIEWER_EVENTS
from sfu.signaling.http.json_body import parse_json
from sfu.signaling.http.problem import Problem
from sfu.signaling.resources.resource import Resource
from sfu.signaling.resources.session_access import find_viewing
from sfu.signaling.sessions.sessions import Session
from sfu.signaling.sessions.viewer_stream import ViewerStream
from sfu.signaling.streams.response import EventStreamResponse, describe_stream

_ALL = frozenset(VIEWER_EVENTS)
_TITLE = "Event list refused"


class ViewerEventResource:
    """`/rooms/{room}/sessions/{session}/sse` and, below it, the streams that were made there.

    EventSource cannot set headers, so reading also takes the token as `?access_token=`.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    def build(self) -> Resource:
        """Where streams are made."""
        return Resource({"POST": self.post, "GET": self.get_all, "HEAD": self.head}, {"Accept-Post": JSON})

    def build_stream(self) -> Resource:
        """One of them."""
        return Resource({"GET": self.get, "HEAD": self.head_stream, "DELETE": self.delete})

    async def post(self, request: Request) -> Response:
        """Make a stream for the events in the body, a JSON array; for all of them without a body."""
        context = self._context
        find_viewing(context, request)
        body = await read_body(request, context.options)
        if body:
            require_media_type(request, [JSON], "Accept-Post")
        events = parse_event_list(decode_text(body))
        # Once more: while the body came, the session may have ended.
        session = find_viewing(context, request)
        most = context.options.max_streams_per_session
        if len(session.viewer_streams) >= most:
            detail = f"A session may have {most} event streams; DELETE one first."
            raise Problem(409, "Too many event streams", detail)
        stream = ViewerStream(context.random(8).hex(), events)
        session.viewer_streams[stream.id] = stream
        location = f"{request.scope.get('root_path', '')}{session.path}/sse/{stream.id}"
        return Response(status_code=201, headers={"Location": location, "Cache-Control": "no-store"})

    async def get_all(self, request: Request) -> Response:
        """All events, for players that read the link itself without making a stream first."""
        session = find_viewing(self._context, request, in_query=True)
        return EventStreamResponse(self._context.viewers.open(session, _ALL), self._context.options)

    async def head(self, request: Request) -> Response:
        """The headers of that."""
        find_viewing(self._context, request, in_query=True)
        return describe_stream()

    async def get(self, request: Request) -> Response:
        """Read the stream. A second reader takes the place of the first."""
        session, stream = self._find(request)
        reading = self._context.viewers.open(session, stream.events, stream)
        return EventStreamResponse(reading, self._context.options)

    async def head_stream(self, request: Request) -> Response:
        """The headers of that."""
        self._find(request)
        return describe_stream()

    async def delete(self, request: Request) -> Response:
        """End the stream."""
        session, stream = self._find(request, in_query=False)
        del session.viewer_streams[stream.id]
        stream.close()
        return Response(status_code=200)

    def _find(self, request: Request, *, in_query: bool = True) -> tuple[Session, ViewerStream]:
        session = find_viewing(self._context, request, in_query=in_query)
        stream = session.viewer_streams.get(request.path_params["stream"])
        if stream is None:
            raise Problem(404, "Unknown event stream", "There is no such event stream; it may have ended.")
        return session, stream


def parse_event_list(text: str) -> frozenset[str]:
    """The names of events in a JSON array; all of them for nothing. Raises Problem 400, which names unknown ones.

    The draft: if any requested event type is not supported, the resource MUST answer 400 and make no stream.
    """
    if not text.strip():
        return _ALL
    names = parse_json(text, _TITLE)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise _malformed("The body must be a JSON array of the names of events.")
    unknown = [name for name in names if name not in _ALL]
    if unknown:
        quoted = ", ".join(json.dumps(name[:40]) for name in unknown[:5])
        raise _malformed(f"There are no events {quoted}; there are {', '.join(VIEWER_EVENTS)}.")
    if not names:
        raise _malformed("The array names no event.")
    return frozenset(names)


def _malformed(detail: str) -> Problem:
    return Problem(400, _TITLE, detail)
