"""The node's ASGI app: signalling, the page, metrics and health around one Server."""

from __future__ import annotations

import logging
import time

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from sfu import Server
from sfu.node.config.settings import Settings
from sfu.node.descriptors import DescriptorPlan
from sfu.node.http.access import AccessRecorder
from sfu.node.http.connections import HttpConnections
from sfu.node.http.meeting_page import MeetingPage
from sfu.node.http.statistics import HttpStatistics
from sfu.node.metrics.http import HttpConnectionCollector
from sfu.node.metrics.records import RecordCollector, RecordingEnds
from sfu.node.metrics.server import MetricsEndpoint, ServerCollector
from sfu.node.tokens import TokenAuthorizer
from sfu.signaling import RecordStore, create_app
from sfu.signaling.http.problem import EXCEPTION_HANDLERS, handle_crash
from sfu.signaling.resources.resource import Resource

_log = logging.getLogger("sfu.node")


def build_authorizer(settings: Settings) -> TokenAuthorizer:
    """Return what checks tokens, as the settings say."""
    return TokenAuthorizer(
        settings.secrets(),
        time.time,
        audience=settings.token_audience,
        max_lifetime=settings.max_token_lifetime,
    )


def create_node_app(
    server: Server,
    settings: Settings,
    records: RecordStore | None = None,
    ends: RecordingEnds | None = None,
    connections: HttpConnections | None = None,
    descriptors: DescriptorPlan | None = None,
    authorizer: TokenAuthorizer | None = None,
) -> Starlette:
    """Return the app that `sfu serve` runs; at `app.state.metrics` is one for operators only. `server` must be started.

    `records`: see `open_record_store`. `authorizer`: see `build_authorizer`. `ends` takes the server's events; it is
    shown in the metrics, as are the listener's `connections` and the `descriptors`.
    """

    async def get_health(request: Request) -> Response:
        """200 while the server runs, 503 once it is closed."""
        if server.running:
            return JSONResponse({"status": "ok"})
        return JSONResponse({"status": "closed"}, 503)

    statistics = HttpStatistics()
    metrics = MetricsEndpoint(settings.metrics_token.get_secret_value(), public=settings.dev)
    health = Route("/healthz", Resource({"GET": get_health}))
    routes: list[BaseRoute] = [
        health,
        Route("/metrics", Resource({"GET": metrics.get})),
    ]
    if settings.page:
        routes.append(Mount("/", MeetingPage()))
    app = create_app(
        server,
        authorizer or build_authorizer(settings),
        settings.build_options(),
        records=records,
        routes=routes,
        middleware=[Middleware(AccessRecorder, statistics=statistics)],
    )
    metrics.register(ServerCollector(server, app.state.signaling, statistics))
    metrics.register(RecordCollector(server, records, ends or RecordingEnds()))
    if connections is not None:
        metrics.register(HttpConnectionCollector(connections, descriptors))
    apart: list[BaseRoute] = [health, Route("/metrics", Resource({"GET": metrics.get_apart}))]
    app.state.metrics = Starlette(routes=apart, exception_handlers={**EXCEPTION_HANDLERS, Exception: handle_crash})
    return app
