"""Who may do what: a platform can put its own tokens in here.

The ASGI app knows no token format. It hands the bearer token (RFC 6750) to an `Authorizer` and gets `Grants`; the
node's own authorizer, `sfu.node.tokens`, reads JSON Web Tokens.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Literal, Protocol

from starlette.datastructures import QueryParams
from starlette.requests import Request

from sfu.signaling.http.problem import Problem

ANY_ROOM = "*"

Right = Literal["publish", "subscribe", "record", "admin"]


class AuthorizationError(Exception):
    """A token is not valid. The message is sent to the client and never quotes the token."""


@dataclass(frozen=True, slots=True)
class Grants:
    """What a token allows, in one room or in all (`*`), as one peer or as any (`peer` is None)."""

    room: str
    peer: str | None = None
    publish: bool = False
    subscribe: bool = False
    record: bool = False
    """Whether it may start, mark, pause and stop the room's recording."""
    admin: bool = False
    """Whether it may remove peers, block tracks and close the room."""
    login: str | None = None
    """The login of a token without a name, if its issuer says so: all tokens of one login have one subject."""
    tenant: str = field(default="", compare=False)
    """Whose key has signed the token; empty: not known. Quotas count by it."""
    expires: float | None = field(default=None, compare=False)
    """When the token expires, in seconds since the Unix epoch; None: never. Sessions and event streams end with it."""

    def subject(self, token: str) -> str:
        """Return the subject of `token`: the peer that it names, or else its login, or else a digest of this very
        token.

        The latter two are longer than a name can be, so no name equals them.
        """
        if self.peer is not None:
            return self.peer
        kind, secret = ("token", token) if self.login is None else ("login", self.login)
        return f"{kind}:{digest_token(secret).hex()}"

    def allow(self, right: Right) -> bool:
        """Whether the token gives this right."""
        rights = {"publish": self.publish, "subscribe": self.subscribe, "record": self.record, "admin": self.admin}
        return rights[right]


def digest_token(token: str) -> bytes:
    """Return the SHA-256 of a token, so that the token itself is not kept."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


class Authorizer(Protocol):
    """Turns a bearer token into grants, or raises `AuthorizationError`."""

    def authorize(self, token: str) -> Grants:
        """Must return at once: it is called on the event loop, once per request."""
        ...


def find_token(authorization: str | None, query: str = "") -> str | None:
    """Return the bearer token in a request's header, or else in its query string (RFC 6750 sections 2.1, 2.3).

    Return an empty text if the header is malformed, None if there is no token at all.
    """
    if authorization is not None:
        scheme, _, token = authorization.partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""
    return QueryParams(query).get("access_token") or None


def read_token(request: Request, *, in_query: bool = False) -> str:
    """Return the request's bearer token (RFC 6750 section 2.1).

    `in_query` also takes `?access_token=` (section 2.3), for EventSource, which cannot set headers.
    """
    query = request.scope["query_string"].decode("latin-1") if in_query else ""
    token = find_token(request.headers.get("authorization"), query)
    if token is None:
        raise unauthorized("Send a token as 'Authorization: Bearer <token>'.", "")
    if not token:
        raise unauthorized("The Authorization header is not of the form 'Bearer <token>'.", "invalid_request")
    return token


def check_token(authorizer: Authorizer, token: str, room: str) -> Grants:
    """Return the grants of `token`; raise Problem 401 if it is not valid, 403 if it is for a room other than `room`."""
    try:
        grants = authorizer.authorize(token)
    except AuthorizationError as error:
        raise unauthorized(str(error), "invalid_token") from error
    if grants.room not in (room, ANY_ROOM):
        raise forbidden("This token is for another room.")
    return grants


def authorize(authorizer: Authorizer, token: str, room: str, *rights: Right) -> Grants:
    """Return the grants of `token` if it gives one of `rights` in `room`; otherwise raise a Problem."""
    grants = check_token(authorizer, token, room)
    if not any(map(grants.allow, rights)):
        raise forbidden(f"This token does not allow to {' or to '.join(rights)}.")
    return grants


def unauthorized(detail: str, code: str) -> Problem:
    """Return Problem 401 with the challenge of RFC 6750 section 3; `code` is empty if no token was sent."""
    challenge = 'Bearer realm="sfu"' + (f', error="{code}"' if code else "")
    return Problem(401, "Unauthorized", detail, headers={"WWW-Authenticate": challenge})


def forbidden(detail: str) -> Problem:
    """Return Problem 403: the token is valid, but not for this."""
    challenge = 'Bearer realm="sfu", error="insufficient_scope"'
    return Problem(403, "Forbidden", detail, headers={"WWW-Authenticate": challenge})
