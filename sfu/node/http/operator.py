"""What operators ask of a node over HTTP: whether it is well, takes new rooms, is to drain, or to restart."""

from __future__ import annotations

import dataclasses
import math

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from sfu import Server
from sfu.node.admission.quotas import TenantQuotas
from sfu.node.drain import DrainState, NodeDrain
from sfu.node.restart.successor import NodeRestart, RestartError
from sfu.signaling import ANY_ROOM, Authorizer, Problem, SignalingOptions
from sfu.signaling.http.authorization import authorize, read_token
from sfu.signaling.http.body import decode_text, read_body
from sfu.signaling.http.json_body import check_object, parse_json
from sfu.signaling.resources.resource import Resource

MAX_SECONDS = 7 * 86400.0
"""Longest time that a node may drain."""
DEFAULT_SECONDS = 3600.0
"""As long it drains, where the request names no time."""
_MAX_BYTES = 1024
_TITLE = "Malformed order"


class OperatorResource:
    """`/healthz`, `/readyz`, and below `/admin` what needs a token with the right `admin` for all rooms: the drain, a
    restart, and what tenants use.
    """

    def __init__(
        self,
        server: Server,
        authorizer: Authorizer,
        options: SignalingOptions,
        drain: NodeDrain,
        restart: NodeRestart,
        quotas: TenantQuotas,
    ) -> None:
        self._server = server
        self._options = options
        self._authorizer = authorizer
        self._drain = drain
        self._restart = restart
        self._quotas = quotas

    @property
    def probes(self) -> list[BaseRoute]:
        """What tells no secrets."""
        return [
            Route("/healthz", Resource({"GET": self.get_health})),
            Route("/readyz", Resource({"GET": self.get_readiness})),
        ]

    @property
    def routes(self) -> list[BaseRoute]:
        """All."""
        handlers = {"GET": self.get_drain, "POST": self.post_drain, "DELETE": self.delete_drain}
        restart = Route("/admin/restart", Resource({"GET": self.get_restart, "POST": self.post_restart}))
        tenants = Route("/admin/tenants", Resource({"GET": self.get_tenants}))
        return [*self.probes, Route("/admin/drain", Resource(handlers)), restart, tenants]

    @property
    def _serves(self) -> bool:
        """Whether the server runs, or another process takes its place."""
        return self._server.running or self._restart.hands_over

    async def get_health(self, request: Request) -> Response:
        """200 while the server runs or another process takes its place, 503 once it is closed."""
        if self._serves:
            return JSONResponse({"status": "ok"})
        return JSONResponse({"status": "closed"}, 503)

    async def get_readiness(self, request: Request) -> Response:
        """200 while new rooms may open here, 503 once the node drains or is closed."""
        left = self._server.drain_left
        if not self._serves:
            return JSONResponse({"status": "closed"}, 503)
        if left is not None:
            return JSONResponse({"status": "draining"}, 503, {"Retry-After": str(max(math.ceil(left), 1))})
        return JSONResponse({"status": "ready"})

    async def get_tenants(self, request: Request) -> Response:
        """How much each tenant uses of what it may have."""
        self._authorize(request)
        tenants = [
            {"tenant": tenant, "quotas": [dataclasses.asdict(use) for use in self._quotas.list_use(tenant)]}
            for tenant in self._quotas.tenants
        ]
        return JSONResponse({"tenants": tenants}, headers={"Cache-Control": "no-store"})

    async def get_drain(self, request: Request) -> Response:
        """How far the node is from being empty."""
        self._authorize(request)
        return _describe(self._drain.state)

    async def post_drain(self, request: Request) -> Response:
        """Open no new rooms, and send away who is left after `seconds`. `stop`: then end the process."""
        self._authorize(request)
        body = await read_body(request, self._options, _MAX_BYTES)
        seconds, stops = _read_order(decode_text(body))
        self._drain.begin(seconds, stops=stops)
        return _describe(self._drain.state)

    async def delete_drain(self, request: Request) -> Response:
        """Back to service, also if the process was to end."""
        self._authorize(request)
        self._drain.end()
        return _describe(self._drain.state)

    async def get_restart(self, request: Request) -> Response:
        """Which process serves, and how a restart stands."""
        self._authorize(request)
        return JSONResponse(dataclasses.asdict(self._restart.state), headers={"Cache-Control": "no-store"})

    async def post_restart(self, request: Request) -> Response:
        """Put another process in the place of this one, which goes on until that is ready."""
        self._authorize(request)
        if self._server.drain_left is not None:
            raise Problem(409, "Draining", "The node is to stop: take it back into service first.")
        try:
            self._restart.begin()
        except RestartError as error:
            raise Problem(409, "No restart now", f"{error}.") from error
        return JSONResponse(dataclasses.asdict(self._restart.state), 202, {"Cache-Control": "no-store"})

    def _authorize(self, request: Request) -> None:
        authorize(self._authorizer, read_token(request), ANY_ROOM, "admin")


def _read_order(text: str) -> tuple[float, bool]:
    order = check_object(parse_json(text, _TITLE) if text.strip() else {}, _TITLE)
    unknown = sorted(set(order) - {"seconds", "stop"})
    if unknown:
        raise Problem(400, _TITLE, f"Unknown key {unknown[0][:40]!r}: an order has seconds and stop.")
    seconds, stops = order.get("seconds", DEFAULT_SECONDS), order.get("stop", False)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= MAX_SECONDS:
        raise Problem(400, _TITLE, f"seconds is a number from 0 to {MAX_SECONDS:.0f}.")
    if not isinstance(stops, bool):
        raise Problem(400, _TITLE, "stop is true or false.")
    return float(seconds), stops


def _describe(state: DrainState) -> Response:
    return JSONResponse(dataclasses.asdict(state) | {"drained": state.drained}, headers={"Cache-Control": "no-store"})
