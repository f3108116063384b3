"""What the right `admin` allows in a room: remove a peer, block and unblock a track. To close it: `room_resource`."""

from __future__ import annotations

import logging
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sfu import Room, Track
from sfu.signaling.context import Context
from sfu.signaling.http.authorization import authorize, read_token
from sfu.signaling.http.problem import Problem
from sfu.signaling.resources.entering import read_peer_name, read_room_name
from sfu.signaling.resources.leading import lead_on
from sfu.signaling.resources.resource import Resource

_log = logging.getLogger("sfu.signaling")

KEEP_OUT_S = 300.0
"""Seconds for which a removed peer, or everyone after a room was closed, is kept out, unless the request says
otherwise.
"""
_MOST_KEEP_OUT_S = 7 * 86400.0


class AdminResource:
    """`/rooms/{room}/peers/{peer}[?keep_out=]` and `/rooms/{room}/tracks/{track}/block` and `/unblock`."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def build_routes(self) -> list[Route]:
        """The resources."""
        track = "/rooms/{room}/tracks/{track}"
        return [
            # a name may hold slashes
            Route("/rooms/{room}/peers/{peer:path}", Resource({"DELETE": self.delete_peer})),
            Route(f"{track}/block", Resource({"POST": self.block})),
            Route(f"{track}/unblock", Resource({"POST": self.unblock})),
        ]

    async def delete_peer(self, request: Request) -> Response:
        """Remove a peer, and keep its subject out for `keep_out` seconds."""
        name, by = await authorize_admin(self._context, request)
        keep_out = read_keep_out(request)
        peer = read_peer_name(request.path_params["peer"], "peer")
        room = self._find(name)
        if room is None or peer not in room.peers:
            raise Problem(404, "Unknown peer", "There is no such peer in the room.")
        room.remove(room.peers[peer], keep_out=keep_out, subject=by.peer)
        self._context.sessions.discard_closed()
        _log.info("peer removed", extra={"room": name, "peer": peer, "by": by.subject, "keep_out_s": keep_out})
        return Response(status_code=204)

    async def block(self, request: Request) -> Response:
        """Let nobody have a track."""
        room, track, by = await self._find_track(request)
        room.block(track, subject=by.peer)
        _log.info("track blocked", extra={"room": room.name, "peer": track.peer, "track": track.id, "by": by.subject})
        return Response(status_code=204)

    async def unblock(self, request: Request) -> Response:
        """Let everybody have the track again."""
        room, track, by = await self._find_track(request)
        room.unblock(track, subject=by.peer)
        _log.info("track unblocked", extra={"room": room.name, "peer": track.peer, "track": track.id, "by": by.subject})
        return Response(status_code=204)

    def _find(self, name: str) -> Room | None:
        return self._context.server.rooms.get(name)

    async def _find_track(self, request: Request) -> tuple[Room, Track, Moderator]:
        name, by = await authorize_admin(self._context, request)
        room = self._find(name)
        wanted = request.path_params["track"]
        for track in () if room is None else room.tracks:
            if room is not None and track.id == wanted:
                return room, track, by
        raise Problem(404, "Unknown track", "There is no such track in the room.")


class Moderator(NamedTuple):
    """Who asks, by the token of the request."""

    subject: str
    """The name for the log: the claim `sub`, or which token it is."""
    peer: str | None
    """The claim `sub`, for the record; None: nobody was authenticated by name."""


async def authorize_admin(context: Context, request: Request) -> tuple[str, Moderator]:
    """Return the room in the path and who asks, if the request's token gives the right `admin` there."""
    room = read_room_name(request.path_params["room"])
    token = read_token(request)
    grants = authorize(context.authorizer, token, room, "admin")
    await lead_on(context, request, room)
    return room, Moderator(grants.subject(token), grants.peer)


def read_keep_out(request: Request) -> float:
    """Return the seconds in the query parameter `keep_out`, or raise a Problem."""
    text = request.query_params.get("keep_out")
    if text is None:
        return KEEP_OUT_S
    if not (text.isascii() and text.isdigit() and len(text) < 9 and int(text) <= _MOST_KEEP_OUT_S):
        raise Problem(400, "Bad Request", f"keep_out is a whole number of seconds, at most {_MOST_KEEP_OUT_S:.0f}.")
    return float(text)
