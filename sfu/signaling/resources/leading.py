"""Requests for a room that lives on another node: 307 leads there (RFC 9110 section 15.4.8, RFC 9725 section 4.5)."""

from __future__ import annotations

from urllib.parse import quote

from starlette.requests import HTTPConnection, Request

from sfu.signaling.context import Context
from sfu.signaling.http.homes import Home
from sfu.signaling.http.problem import Problem


async def lead_in(context: Context, request: Request, room: str) -> None:
    """Raise Problem 307 if who comes into the room is to do so on another node; call it once the token was found good.
    May raise UnknownHomeError.
    """
    if (home := await context.homes.enter(room)) is not None:
        raise build_redirect(request, home)


async def lead_on(context: Context, request: Request, room: str) -> None:
    """Raise Problem 307 if another node has the room open, for what concerns only those who are in."""
    if (home := await context.homes.find(room)) is not None:
        raise build_redirect(request, home)


def build_redirect(request: Request, home: Home) -> Problem:
    """Return Problem 307 to the same path and query on another node."""
    detail = "This room lives on another node: send the same request, with its token, to the address in Location."
    headers = {"Location": home.url + find_target(request)}
    return Problem(307, "Room elsewhere", detail, headers=headers, members={"reason": "elsewhere"})


def find_target(request: HTTPConnection) -> str:
    """Return the path below where the app is mounted and the query, as the client has written them."""
    scope = request.scope
    raw = scope.get("raw_path") or quote(scope["path"], safe="/:@!$&'()*+,;=~-._").encode()
    path = raw.partition(b"?")[0].decode("latin-1")
    root = quote(scope.get("root_path", ""))
    query = scope["query_string"].decode("latin-1")
    return path.removeprefix(root) + (f"?{query}" if query else "")
