"""WHIP (RFC 9725): a client publishes by posting an offer."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from sfu.signaling.context import Context
from sfu.signaling.http.admission import admit
from sfu.signaling.http.authorization import authorize, read_token
from sfu.signaling.http.body import decode_sdp, read_body, require_media_type
from sfu.signaling.http.headers import SDP
from sfu.signaling.resources.entering import choose_peer_name, entered, read_room_name
from sfu.signaling.resources.leading import lead_in
from sfu.signaling.resources.resource import Resource


class WhipEndpoint:
    """`/rooms/{room}/whip[?peer=]`."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def build(self) -> Resource:
        """The resource."""
        return Resource({"POST": self.post, "GET": describe_endpoint}, {"Accept-Post": SDP})

    async def post(self, request: Request) -> Response:
        """Answer an offer with 201 and a session.

        A peer has one publishing session: the new one takes the place of the old (a page that was reloaded). The
        old one ends only once the new one stands, so a bad offer costs nothing and the peer stays in between.
        """
        context = self._context
        room = read_room_name(request.path_params["room"])
        token = read_token(request)
        grants = authorize(context.authorizer, token, room, "publish")
        name = choose_peer_name(grants, request.query_params.get("peer"), context.random)
        require_media_type(request, [SDP], "Accept-Post")
        await lead_in(context, request, room)
        # Before the body is read, since a refusal should cost little, and again when the Peer joins.
        admit(context.admission, context.server, "peer", room, tenant=grants.tenant, peer=name)
        with context.quotas.take(context.holder(request, token), room, name, named=grants.peer is not None) as place:
            offer = decode_sdp(await read_body(request, context.options, context.sdp_limits.size))
            former = context.sessions.of_peer(room, name, "publish")
            with entered(context, room, name, grants, token) as peer:
                answered = peer.answer(offer, replaces=[old.connection for old in former])
            session = context.sessions.open(room, peer, answered.connection, "publish", grants, place)
        for old in former:
            context.sessions.discard(old)
            old.connection.close("replaced")
        return context.created(request, session, answered.sdp)


async def describe_endpoint(request: Request) -> Response:
    """GET and HEAD: there is nothing to see, but the type tells that offers are taken (WHEP draft, discoverability)."""
    return Response(status_code=200, headers={"Accept-Post": SDP}, media_type=SDP)
