"""Each finished request: one line in the log, one count in the metrics."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sfu.node.http.statistics import HttpStatistics

_log = logging.getLogger("sfu.http")

_METHODS = frozenset({"GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS", "PUT"})
# Asked for every few seconds by machines: no news.
_QUIET = frozenset({"/healthz", "/metrics"})


class AccessRecorder:
    """Times the requests of an app. Paths are logged without their query, which may hold a token."""

    def __init__(self, app: ASGIApp, statistics: HttpStatistics, clock: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._statistics = statistics
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app (ASGI)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = self._clock()
        status = 0

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        finally:
            self._record(scope, status, self._clock() - started)

    def _record(self, scope: Scope, status: int, duration: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = _route_name(scope)
        self._statistics.observe(method, route, status, duration)
        level = logging.DEBUG if route in _QUIET else logging.INFO
        if _log.isEnabledFor(level):
            client = scope.get("client")
            facts = {
                "method": method,
                "path": scope["path"],
                "status": status,
                "ms": round(duration * 1000, 1),
                "client": client[0] if client else "",
            }
            _log.log(level, "request", extra=facts)


def _route_name(scope: Scope) -> str:
    """Return the template of the path, so that there are only as many labels as routes."""
    route = scope.get("route")
    if isinstance(route, Mount):
        return f"{route.path}/*"
    return route.path if isinstance(route, Route) else "other"
