"""Which session a request may touch."""

from __future__ import annotations

from starlette.requests import Request

from sfu.signaling.context import Context
from sfu.signaling.http.authorization import authorize, check_token, forbidden, read_token
from sfu.signaling.http.problem import Problem
from sfu.signaling.resources.entering import read_room_name
from sfu.signaling.sessions.sessions import Session


def find_session(context: Context, request: Request, *, in_query: bool = False) -> Session:
    """Return the session in the path if the request's token may touch it; otherwise raise a Problem.

    The token that opened the session may touch it to its end, a little after the token's own expiry. Any other token
    must give the same right, and name the peer or have the peer's subject: two tokens without a name are two subjects,
    unless they have the same login. A token that expires later extends the session. `in_query`: see `read_token`.
    """
    room = read_room_name(request.path_params["room"])
    token = read_token(request, in_query=in_query)
    expired_at = context.clock() - context.options.token_grace
    session = context.sessions.get(room, request.path_params["session"], expired_at)
    if session is not None and session.opened_by(token):
        return session
    if session is None:
        # The token first: who has none learns nothing of which sessions exist.
        check_token(context.authorizer, token, room)
        raise Problem(404, "Unknown session", "There is no such session; it may have ended.")
    grants = authorize(context.authorizer, token, room, session.right)
    if grants.peer != session.peer.name and grants.subject(token) not in session.peer.subjects:
        raise forbidden("This token is for another peer.")
    session.extend(grants, token)
    return session


def find_viewing(context: Context, request: Request, *, in_query: bool = False) -> Session:
    """Return a session as `find_session` does, for what only the sessions of WHEP have."""
    session = find_session(context, request, in_query=in_query)
    if session.right != "subscribe":
        raise Problem(404, "Not a viewer's session", "This session publishes; layers are chosen by those who watch.")
    return session
