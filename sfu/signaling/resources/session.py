"""The session resource: DELETE ends it, PATCH trickles candidates, restarts ICE or brings the answer to our offer."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from sfu import ServerOffered
from sfu.errors import NegotiationFailedError
from sfu.signaling.context import Context
from sfu.signaling.http.body import decode_sdp, read_body, require_media_type
from sfu.signaling.http.headers import FRAGMENT, SDP, if_match
from sfu.signaling.http.problem import Problem
from sfu.signaling.resources.resource import Resource
from sfu.signaling.resources.session_access import find_session
from sfu.signaling.sessions.sessions import Session


class SessionResource:
    """`/rooms/{room}/sessions/{session}`."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def build(self) -> Resource:
        """The resource."""
        handlers = {"DELETE": self.delete, "PATCH": self.patch, "GET": self.get}
        return Resource(handlers, {"Accept-Patch": f"{FRAGMENT}, {SDP}"})

    async def delete(self, request: Request) -> Response:
        """End the session (RFC 9725 section 4.2). An If-Match is ignored, as section 4.3.1 asks."""
        session = find_session(self._context, request)
        self._context.sessions.discard(session)
        session.connection.close("deleted")
        return Response(status_code=200)

    async def get(self, request: Request) -> Response:
        """A session has no representation (RFC 9725 section 4)."""
        find_session(self._context, request)
        return Response(status_code=204)

    async def patch(self, request: Request) -> Response:
        """Trickle or restart ICE (RFC 9725 section 4.3), or complete a session that we offered (WHEP)."""
        session = find_session(self._context, request)
        kind = require_media_type(request, [FRAGMENT, SDP], "Accept-Patch")
        text = decode_sdp(await read_body(request, self._context.options, self._context.sdp_limits.size))
        if kind == SDP:
            return self._accept(session, text)
        return self._trickle(request, session, text)

    def _accept(self, session: Session, answer: str) -> Response:
        connection = session.connection
        if not isinstance(connection, ServerOffered):
            detail = "We have answered your offer, so there is none of ours to answer."
            raise Problem(409, "No answer expected", detail)
        connection.accept(answer)
        return Response(status_code=204)

    def _trickle(self, request: Request, session: Session, text: str) -> Response:
        """RFC 9725 section 4.3.1 asks for If-Match. Only a restart is in need of it: candidates, and the credentials in
        use, change nothing, but those of an ICE session that is over would put an end to the one that stands.
        """
        condition = request.headers.get("if-match")
        if condition is not None and not if_match(condition, session.etag):
            raise Problem(412, "Precondition Failed", "The ETag is that of an ICE session which is over.")
        connection = session.connection
        try:
            fragment = connection.parse_fragment(text)
        except NegotiationFailedError as error:
            raise Problem(400, "SDP fragment refused", str(error)) from error
        if condition is None and connection.would_restart_ice(fragment):
            detail = f"These credentials restart ICE: send If-Match with '*' or the session's ETag, {session.etag}."
            raise Problem(428, "Precondition Required", detail)
        answer = connection.take_fragment(fragment)
        if answer is None:
            return Response(status_code=204)
        session.generation += 1
        # who gathers anew may need TURN servers anew, and the credentials of the session's beginning may be over
        headers = {"ETag": session.etag, "Cache-Control": "no-store", **self._context.ice_headers(request, session)}
        return Response(answer, 200, headers, media_type=FRAGMENT)
