"""An answer that tells why nothing is done, and when to ask again (RFC 9457)."""

from __future__ import annotations

import http
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, Scope


class Refusal:
    """One such answer, the same for everybody."""

    def __init__(self, status: int, title: str, detail: str, retry_after: int) -> None:
        """`retry_after`: in seconds."""
        self._status = status
        self._body = json.dumps({"title": title, "status": status, "detail": detail}).encode()
        self._headers = [
            (b"content-type", b"application/problem+json"),
            (b"cache-control", b"no-store"),
            (b"retry-after", b"%d" % retry_after),
            (b"content-length", b"%d" % len(self._body)),
        ]

    @property
    def octets(self) -> bytes:
        """The whole answer, after which the connection ends, for where no app answers."""
        phrase = http.HTTPStatus(self._status).phrase
        lines = b"".join(b"%s: %s\r\n" % (name.title(), value) for name, value in self._headers)
        return f"HTTP/1.1 {self._status} {phrase}\r\n".encode() + lines + b"Connection: close\r\n\r\n" + self._body

    async def answer(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Be the app that answers so."""
        await send({"type": "http.response.start", "status": self._status, "headers": self._headers})
        await send({"type": "http.response.body", "body": self._body})
