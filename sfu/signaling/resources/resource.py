"""A resource and its methods, as an ASGI app."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sfu.signaling.http.problem import Problem

Handler = Callable[[Request], Awaitable[Response]]


class Resource:
    """Sends a request to its method's handler. HEAD is GET without the body; OPTIONS and 405 tell what there is."""

    def __init__(self, handlers: Mapping[str, Handler], accepts: Mapping[str, str] | None = None) -> None:
        """`accepts`: headers for OPTIONS, e.g. `Accept-Post` (RFC 9725 section 4.2)."""
        self._handlers = dict(handlers)
        if "GET" in self._handlers:
            self._handlers.setdefault("HEAD", self._handlers["GET"])
        self._allow = ", ".join([*self._handlers, "OPTIONS"])
        self._accepts = dict(accepts or {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request (ASGI)."""
        method = scope["method"]
        handler = self._handlers.get(method)
        if handler is not None:
            response = await handler(Request(scope, receive, send))
        elif method == "OPTIONS":
            response = Response(status_code=204, headers={"Allow": self._allow, **self._accepts})
        else:
            detail = f"This resource knows {self._allow}."
            raise Problem(405, "Method Not Allowed", detail, headers={"Allow": self._allow})
        await response(scope, receive, send)
