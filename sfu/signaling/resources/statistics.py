"""`GET /rooms/{room}/stats`: how media comes in and goes out, for pages and operators."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from sfu.signaling.context import Context
from sfu.signaling.http.authorization import authorize, forbidden, read_token
from sfu.signaling.http.headers import JSON
from sfu.signaling.http.problem import Problem
from sfu.signaling.resources.entering import check_admission, read_peer_name, read_room_name
from sfu.signaling.resources.leading import lead_on
from sfu.signaling.resources.resource import Resource
from sfu.signaling.resources.statistics_description import JsonObject, measure_peer, measure_room
from sfu.signaling.streams.streams import encode_json


class StatisticsResource:
    """`/rooms/{room}/stats[?peer=]`; needs the right to subscribe.

    Who may subscribe may see how well everything in the room is sent, so the whole room's Tracks are shown. How
    well one peer receives is that peer's own matter: `?peer=` takes a token of that peer, or one for any peer.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._rooms: dict[str, tuple[float, bytes]] = {}

    def build(self) -> Resource:
        """The resource."""
        return Resource({"GET": self.get})

    async def get(self, request: Request) -> Response:
        """`{"room", "peers"}`; with `peer` only that one, and with its Subscriptions."""
        context = self._context
        room = read_room_name(request.path_params["room"])
        token = read_token(request)
        grants = authorize(context.authorizer, token, room, "subscribe")
        await lead_on(context, request, room)
        check_admission(context.server, room, grants.subject(token))
        asked = request.query_params.get("peer")
        if asked is None:
            body = self._measure_room(room)
        else:
            name = read_peer_name(asked, "peer")
            if grants.peer not in (None, name):
                raise forbidden("This token is for another peer.")
            body = _encode(room, [self._measure_peer(room, name)])
        return Response(body, headers={"Cache-Control": "no-store"}, media_type=JSON)

    def _measure_peer(self, room: str, name: str) -> JsonObject:
        place = self._context.server.rooms.get(room)
        peer = None if place is None else place.peers.get(name)
        if peer is None:
            raise Problem(404, "Unknown peer", "There is no such peer in the room.")
        return measure_peer(peer)

    def _measure_room(self, name: str) -> bytes:
        """The whole room, measured once in a while for all who ask: every page's overlay asks again and again."""
        now = asyncio.get_running_loop().time()
        oldest = now - self._context.options.statistics_interval
        known = self._rooms.get(name)
        if known is not None and known[0] > oldest:
            return known[1]
        self._rooms = {room: held for room, held in self._rooms.items() if held[0] > oldest}
        place = self._context.server.rooms.get(name)
        body = _encode(name, [] if place is None else measure_room(place))
        if place is not None:  # names of rooms that do not exist are not to be collected
            self._rooms[name] = (now, body)
        return body


def _encode(room: str, peers: list[JsonObject]) -> bytes:
    return encode_json({"room": room, "peers": peers}).encode("utf-8", "replace")
