"""Who may ask: the page that `sfu play` has printed the address of, and nobody else.

A record is confidential, and any web page that the browser shows may send requests to 127.0.0.1. So every path begins
with a token that cannot be guessed. The Host must be ours: otherwise an attacker could point a DNS name here, and their
page would be of our origin. And no answer may be used by another origin.
"""

from __future__ import annotations

import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sfu.node.http.page_headers import APART

_HEADERS = {**APART, "Cache-Control": "no-store", "Cross-Origin-Resource-Policy": "same-origin"}
_OWN = ("same-origin", "none")
"""Sec-Fetch-Site of the page's own requests, and of an address that a person has typed or clicked."""


class Guard:
    """ASGI middleware; the app behind it sees paths without the token."""

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self._app = app
        self._token = token.encode()
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on requests that may pass, and refuse others."""
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        if headers.getlist("host") not in [[host] for host in self._hosts]:
            await PlainTextResponse("This address is not the player's.\n", 421)(scope, receive, send)
            return
        if headers.get("sec-fetch-site", "none") not in _OWN and headers.get("sec-fetch-mode") != "navigate":
            await PlainTextResponse("Another page may not ask this.\n", 403)(scope, receive, send)
            return
        _, _, rest = scope["path"].partition("/")
        token, slash, path = rest.partition("/")
        if not slash or not secrets.compare_digest(token.encode(), self._token):
            await PlainTextResponse("Not found.\n", 404)(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                answer.update(_HEADERS)
            await send(message)

        inner = dict(scope, path=f"/{path}", raw_path=f"/{path}".encode(), root_path="")
        await self._app(inner, receive, send_guarded)
