"""WHEP (draft-ietf-wish-whep): a client watches by posting an offer, or by asking for ours."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from sfu import Connection, Peer, Selection
from sfu.errors import NothingPublishedError, UnknownPublisherError
from sfu.signaling.context import Context
from sfu.signaling.http.admission import admit
from sfu.signaling.http.authorization import Grants, authorize, read_token
from sfu.signaling.http.body import decode_sdp, read_body, require_media_type
from sfu.signaling.http.headers import SDP
from sfu.signaling.http.problem import Problem
from sfu.signaling.resources.entering import choose_peer_name, entered, read_peer_name, read_room_name
from sfu.signaling.resources.leading import lead_in
from sfu.signaling.resources.resource import Resource
from sfu.signaling.resources.whip import describe_endpoint

_RETRY_S = "1"


class WhepEndpoint:
    """`/rooms/{room}/whep[?publisher=&peer=]`."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def build(self) -> Resource:
        """The resource."""
        return Resource({"POST": self.post, "GET": describe_endpoint}, {"Accept-Post": SDP})

    async def post(self, request: Request) -> Response:
        """Answer an offer with 201 and a session; an empty body gets our offer, whose answer comes by PATCH."""
        context = self._context
        room = read_room_name(request.path_params["room"])
        token = read_token(request)
        grants = authorize(context.authorizer, token, room, "subscribe")
        name = choose_peer_name(grants, request.query_params.get("peer"), context.random)
        await lead_in(context, request, room)
        admit(context.admission, context.server, "peer", room, tenant=grants.tenant, peer=name)
        publisher = request.query_params.get("publisher")
        selection: Selection = "all" if publisher is None else read_peer_name(publisher, "publisher")
        with context.quotas.take(context.holder(request, token), room, name, named=grants.peer is not None) as place:
            connection, sdp, peer = await self._enter(request, room, name, selection, grants)
            session = context.sessions.open(room, peer, connection, "subscribe", grants, place)
        return context.created(request, session, sdp)

    async def _enter(
        self, request: Request, room: str, name: str, selection: Selection, grants: Grants
    ) -> tuple[Connection, str, Peer]:
        context = self._context
        token = read_token(request)
        body = await read_body(request, context.options, context.sdp_limits.size)
        if body:
            require_media_type(request, [SDP], "Accept-Post")
        try:
            with entered(context, room, name, grants, token) as peer:
                if body:
                    connection, sdp = self._answer(peer, decode_sdp(body), selection)
                else:
                    connection, sdp = self._offer(peer, selection)
        except (NothingPublishedError, UnknownPublisherError) as error:
            # The draft's answer while there is nothing to play: 409 with Retry-After.
            raise Problem(409, error.title, str(error), headers={"Retry-After": _RETRY_S}) from error
        return connection, sdp, peer

    def _answer(self, peer: Peer, offer: str, selection: Selection) -> tuple[Connection, str]:
        answered = peer.answer(offer, publish=False, subscribe=selection)
        if not answered.connection.subscriptions and not answered.unfilled:
            answered.connection.close("nothing_wanted")
            detail = (
                "The offer has no section to receive in. Audio and video with a=recvonly or a=sendrecv are accepted."
            )
            raise Problem(422, "Nothing to receive", detail)
        if not answered.connection.subscriptions:
            # What an answer leaves empty stays empty, so this session would be silent for ever.
            answered.connection.close("nothing_published")
            raise NothingPublishedError("nothing is published that this offer could receive; try again later")
        return answered.connection, answered.sdp

    def _offer(self, peer: Peer, selection: Selection) -> tuple[Connection, str]:
        connection = peer.offer(subscribe=selection)
        return connection, connection.offer()
