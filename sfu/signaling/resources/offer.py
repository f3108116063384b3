"""What a viewer's session has to agree to anew: our next offer, on a session that we have offered."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from sfu import ServerOffered
from sfu.signaling.context import Context
from sfu.signaling.http.headers import SDP
from sfu.signaling.http.problem import Problem
from sfu.signaling.resources.resource import Resource
from sfu.signaling.resources.session_access import find_viewing


class OfferResource:
    """`/rooms/{room}/sessions/{session}/offer`."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def build(self) -> Resource:
        """The resource."""
        return Resource({"POST": self.post})

    async def post(self, request: Request) -> Response:
        """Our offer of all that is to be received now, to be answered as the first one; 204 if the client knows it all.

        An offer that has no answer yet is void: the one who lost it asks again.
        """
        connection = find_viewing(self._context, request).connection
        if not isinstance(connection, ServerOffered):
            detail = "The client has offered in this session; POST without a body to the WHEP endpoint gets our offer."
            raise Problem(409, "No offer of ours", detail)
        if not connection.needs_offer:
            return Response(status_code=204)
        return Response(connection.offer(), 200, {"Cache-Control": "no-store"}, media_type=SDP)
