"""Cross-origin resource sharing (the Fetch standard), so that a page of another site may publish and watch."""

from __future__ import annotations

import re
from collections.abc import Sequence

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_EXPOSED = "Location, Link, ETag, Retry-After, Accept-Post, Accept-Patch, WWW-Authenticate"
_ALLOWED_HEADERS = "Authorization, Content-Type, If-Match"
_MAX_AGE_S = "7200"
_HEADER_NAMES = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z, ]{1,1024}")
"""A list of field names (RFC 9110 section 5.6.2) of bounded length."""


class CrossOrigin:
    """Adds the CORS headers. Preflights are answered by the resources themselves, which know their methods."""

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        self._app = app
        self._any = "*" in origins
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app (ASGI) with the headers added when the request's origin is allowed."""
        origin = _find(scope, b"origin") if scope["type"] == "http" else None
        if origin is None or not (self._any or origin in self._origins):
            await self._app(scope, receive, send)
            return
        allowed = "*" if self._any else origin
        preflight = scope["method"] == "OPTIONS"

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Access-Control-Allow-Origin"] = allowed
                headers["Access-Control-Expose-Headers"] = _EXPOSED
                if not self._any:
                    headers.add_vary_header("Origin")
                if preflight:
                    headers["Access-Control-Allow-Methods"] = headers.get("Allow", "GET, OPTIONS")
                    headers["Access-Control-Allow-Headers"] = _allow_headers(scope)
                    headers["Access-Control-Max-Age"] = _MAX_AGE_S
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _allow_headers(scope: Scope) -> str:
    """Return the headers that the page wants to send, such as those for tracing; a header that we do not read has no
    effect.
    """
    asked = _find(scope, b"access-control-request-headers")
    if asked is None or not _HEADER_NAMES.fullmatch(asked):
        return _ALLOWED_HEADERS
    return f"{_ALLOWED_HEADERS}, {asked}"


def _find(scope: Scope, name: bytes) -> str | None:
    for key, value in scope["headers"]:
        if key == name:
            return str(value, "latin-1")
    return None
