"""The node's ASGI app: signalling, the page, metrics and health around one Server."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Mount, Route

from sfu import Server
from sfu.node.admission.free_space import FreeSpace
from sfu.node.bounds import build_bounds
from sfu.node.config.settings import Settings
from sfu.node.descriptors import DescriptorPlan
from sfu.node.drain import NodeDrain
from sfu.node.http.access import AccessRecorder
from sfu.node.http.connections import HttpConnections
from sfu.node.http.meeting_page import MeetingPage
from sfu.node.http.operator import OperatorResource
from sfu.node.http.statistics import HttpStatistics
from sfu.node.metrics.admission import AdmissionCollector
from sfu.node.metrics.http import HttpConnectionCollector
from sfu.node.metrics.load import LoadCollector
from sfu.node.metrics.records import RecordCollector, RecordingEnds
from sfu.node.metrics.server import MetricsEndpoint, ServerCollector
from sfu.node.metrics.tcp import TcpCollector
from sfu.node.restart.successor import NodeRestart
from sfu.node.tokens import TokenAuthorizer
from sfu.signaling import Admissions, Authorizer, OwnTurn, RecordStore, create_app
from sfu.signaling.http.problem import EXCEPTION_HANDLERS, handle_crash
from sfu.signaling.resources.resource import Resource
from sfu.tcp.mux import TcpMux

if TYPE_CHECKING:
    from sfu.node.cluster.part import ClusterPart

_log = logging.getLogger("sfu.node")


def create_node_app(
    server: Server,
    settings: Settings,
    records: RecordStore | None = None,
    ends: RecordingEnds | None = None,
    connections: HttpConnections | None = None,
    descriptors: DescriptorPlan | None = None,
    url: str = "",
    own_turn: OwnTurn | None = None,
    mux: TcpMux | None = None,
    cluster: ClusterPart | None = None,
) -> Starlette:
    """Return the app that `sfu serve` runs; at `app.state.metrics` is one for operators only. `server` must be started.

    `records`: see `open_record_store`. `ends` hears the server's events, and is shown in the metrics, as are
    `connections`, those of the listener, and `descriptors`. `url`: where the node listens, and
    `own_turn` how it is a TURN server there, behind `mux`. Whether a token is good for
    anything is told by `app.state.is_valid`; `app.state.drain` runs the node empty, `app.state.restart` puts another
    process in its place, and `app.state.bounds`, once it is started, keeps new clients out while the node is at its
    limit. `cluster`: of what nodes this is one; None: it is alone.
    LiveKit is spoken by `app.state.livekit`, or None, and its server API by
    `app.state.livekit_api`; raises sfu.ConfigError where its settings do not fit.
    """
    space = FreeSpace(() if records is None else records.places)
    bounds = build_bounds(server, settings, records, space, connections, descriptors)
    admissions = Admissions([bounds.load, bounds.quotas])
    statistics = HttpStatistics()
    metrics = MetricsEndpoint(settings.metrics_token.get_secret_value(), public=settings.dev)
    routes: list[BaseRoute] = [Route("/metrics", Resource({"GET": metrics.get}))]
    own_tokens = _build_authorizer(settings)
    authorizer: Authorizer = own_tokens
    options = replace(settings.build_options(), own_turn=own_turn)
    checks = [own_tokens.is_valid]
    livekit = api = None
    homes = None if cluster is None else cluster.homes
    if settings.livekit_keys:
        # Imported where it is spoken: its messages cost every start half a second.
        from sfu.node.livekit.server_api import ServerApiCollector, build_server_api
        from sfu.signaling.livekit.app import LiveKit
        from sfu.signaling.livekit.ingress.ingresses import IngressAuthorizer

        livekit = LiveKit(
            server,
            settings.livekit_secrets(),
            replace(settings.build_livekit(), own_turn=own_turn),
            admission=admissions,
            homes=homes,
        )
        api = build_server_api(livekit, settings, records, url)
        authorizer = IngressAuthorizer(own_tokens, api.ingresses)
        checks.append(livekit.keys.is_valid)
        routes.extend([*livekit.routes, *api.routes])
        metrics.register(ServerApiCollector(api))

    def put_out() -> None:
        if cluster is not None:
            cluster.homes.give_up()  # before those who come again ask where to
        if livekit is not None:
            livekit.rooms.close()

    drain = NodeDrain(server, put_out)
    restart = NodeRestart()
    operator = OperatorResource(server, authorizer, options, drain, restart, bounds.quotas)
    routes.extend(operator.routes)
    if settings.page:
        routes.append(Mount("/", MeetingPage(lambda: [home.url for home in (homes.others if homes else ())])))
    app = create_app(
        server,
        authorizer,
        options,
        admission=admissions,
        records=records,
        homes=homes,
        routes=routes,
        middleware=[Middleware(AccessRecorder, statistics=statistics)],
    )
    app.state.livekit, app.state.livekit_api, app.state.drain = livekit, api, drain
    app.state.restart = restart
    app.state.bounds = bounds
    app.state.cluster = cluster
    app.state.is_valid = lambda token: any(check(token) for check in checks)
    metrics.register(ServerCollector(server, app.state.signaling, statistics))
    metrics.register(LoadCollector(server))
    metrics.register(AdmissionCollector(admissions, bounds.load, bounds.quotas))
    metrics.register(RecordCollector(server, records, ends or RecordingEnds(), space))
    metrics.register(TcpCollector(mux))
    if cluster is not None:
        from sfu.node.cluster.collector import ClusterCollector

        metrics.register(ClusterCollector(cluster, lambda: 0 if livekit is None else livekit.passed_on))
        if livekit is not None:
            cluster.send_away = livekit.rooms.send_away
        cluster.read_load = lambda: max(bounds.load.share, len(server.rooms) / server.config.max_rooms)
    if connections is not None:
        metrics.register(HttpConnectionCollector(connections, descriptors))
    apart: list[BaseRoute] = [*operator.probes, Route("/metrics", Resource({"GET": metrics.get_apart}))]
    app.state.metrics = Starlette(routes=apart, exception_handlers={**EXCEPTION_HANDLERS, Exception: handle_crash})
    return app


def _build_authorizer(settings: Settings) -> TokenAuthorizer:
    return TokenAuthorizer(
        settings.secrets(),
        time.time,
        audience=settings.token_audience,
        max_lifetime=settings.max_token_lifetime,
    )
