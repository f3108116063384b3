"""How an HTTP client becomes a Peer, and leaves no trace when its request fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sfu import Peer, Server
from sfu.errors import InvalidNameError, NameHeldError, PeerExistsError
from sfu.signaling.context import Context
from sfu.signaling.http.admission import admit
from sfu.signaling.http.authorization import Grants, forbidden
from sfu.signaling.http.names import generate_peer_name, parse_peer_name, parse_room_name
from sfu.signaling.http.problem import Problem


def read_room_name(text: str) -> str:
    """Return the room's name in the path, or raise a Problem."""
    try:
        return parse_room_name(text)
    except InvalidNameError as error:
        raise Problem(400, "Invalid room name", str(error)) from error


def read_peer_name(text: str, parameter: str) -> str:
    """Return the peer's name in a query parameter, or raise a Problem that names the parameter."""
    try:
        return parse_peer_name(text)
    except InvalidNameError as error:
        raise Problem(400, "Invalid peer name", f"{error} (Query parameter {parameter}.)") from error


def choose_peer_name(grants: Grants, requested: str | None, random: Callable[[int], bytes]) -> str:
    """Return the peer's name: the token's if it has one, else the requested one, else one that we make."""
    if requested is not None:
        requested = read_peer_name(requested, "peer")
    if grants.peer is not None:
        if requested not in (None, grants.peer):
            raise forbidden("This token is for another peer.")
        return grants.peer
    return requested if requested is not None else generate_peer_name(random)


def check_admission(server: Server, room: str, subject: str) -> None:
    """Raise ExcludedError or RoomClosedError if `subject` is kept out of the room now."""
    known = server.find_room(room)
    if known is not None:
        known.check_admission(subject)


@contextmanager
def entered(context: Context, room_name: str, peer_name: str, grants: Grants, token: str) -> Iterator[Peer]:
    """Give the room's Peer of that name; if it was not there it joins, if there is room for it, and leaves again if the
    block fails. Raises a Problem once the server is going down, since the request may have waited for its body.

    A Peer that is there is given only to the subject that it came with: to the name in a token, or where that has none
    to the very token. A joined Peer leaves by itself with its last connection.
    """
    context.sessions.check_open()
    server = context.server
    subject = grants.subject(token)
    known = server.rooms.get(room_name)
    peer = known.peers.get(peer_name) if known is not None else None
    if peer is not None and subject in peer.subjects:
        yield peer
        return
    if peer is not None and grants.peer is None:
        if peer.named:
            raise NameHeldError(f"The name {peer_name!r} belongs to someone else here; choose another one.")
        raise PeerExistsError(f"{peer_name!r} is in the room already, with another token; choose another name.")
    named = grants.peer is not None
    admit(context.admission, server, "peer", room_name, tenant=grants.tenant, peer=peer_name)
    peer = server.room(room_name).join(
        peer_name, subject=subject, named=named, tenant=grants.tenant, leave_when_idle=True
    )
    try:
        yield peer
    except BaseException:
        peer.leave()
        raise
