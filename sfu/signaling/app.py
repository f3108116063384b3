"""The ASGI app: resources, errors and the state that they share."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from sfu import Server
from sfu.signaling.context import Context
from sfu.signaling.http.admission import Admission, Admissions
from sfu.signaling.http.authorization import Authorizer
from sfu.signaling.http.cors import CrossOrigin
from sfu.signaling.http.expiry import ExpiryWatch
from sfu.signaling.http.homes import Here, Homes
from sfu.signaling.http.options import SignalingOptions
from sfu.signaling.http.problem import EXCEPTION_HANDLERS, handle_crash
from sfu.signaling.http.quotas import Quotas
from sfu.signaling.records.store import RecordStore
from sfu.signaling.resources.admin import AdminResource
from sfu.signaling.resources.layer import LayerResource
from sfu.signaling.resources.offer import OfferResource
from sfu.signaling.resources.record import RecordResource
from sfu.signaling.resources.room import RoomResource
from sfu.signaling.resources.session import SessionResource
from sfu.signaling.resources.statistics import StatisticsResource
from sfu.signaling.resources.viewer_event import ViewerEventResource
from sfu.signaling.resources.whep import WhepEndpoint
from sfu.signaling.resources.whip import WhipEndpoint
from sfu.signaling.sessions.sessions import SessionTable
from sfu.signaling.sessions.viewer_streams import ViewerStreams
from sfu.signaling.sessions.watcher import EventWatcher
from sfu.signaling.streams.gate import StreamGate
from sfu.signaling.streams.streams import RoomStreams


class Signaling:
    """The HTTP side of one Server: its routes, its session resources and its event streams."""

    def __init__(
        self,
        server: Server,
        authorizer: Authorizer,
        options: SignalingOptions | None = None,
        *,
        admission: Admission | None = None,
        records: RecordStore | None = None,
        homes: Homes | None = None,
        random: Callable[[int], bytes] = secrets.token_bytes,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`admission`: asked whether there is room for what comes new; None: there is. `records`: where rooms are
        recorded; None: nowhere. `homes`: which node has which room; None: this one has all. `random(n)` returns n
        unpredictable bytes, `clock` the seconds since the Unix epoch.
        """
        options = options or SignalingOptions()
        self.options = options
        self.sessions = SessionTable(random)
        self.quotas = Quotas(options, server.config.max_peers_per_room)
        self._gate = StreamGate(options)
        self.streams = RoomStreams(server, options, self._gate)
        self.viewers = ViewerStreams(server, options, self._gate)
        listeners = [self.sessions.handle_event, self.streams.handle_event, self.viewers.handle_event]
        self._watcher = EventWatcher(server, listeners, on_end=self.end_streams)
        self.expiry = ExpiryWatch(
            clock,
            interval=options.expiry_interval,
            grace=options.token_grace,
            holders=(self.sessions.end_expired, self.streams.end_expired),
        )
        context = Context(
            server,
            authorizer,
            admission or Admissions(),
            options,
            random,
            clock,
            self.sessions,
            self.quotas,
            self.streams,
            self.viewers,
            records,
            homes or Here(),
        )
        rooms = RoomResource(context)
        viewer_events = ViewerEventResource(context)
        session = "/rooms/{room}/sessions/{session}"
        routes = [
            Route("/rooms/{room}/whip", WhipEndpoint(context).build()),
            Route("/rooms/{room}/whep", WhepEndpoint(context).build()),
            Route(session, SessionResource(context).build()),
            Route(f"{session}/layer", LayerResource(context).build()),
            Route(f"{session}/offer", OfferResource(context).build()),
            Route(f"{session}/sse", viewer_events.build()),
            Route(f"{session}/sse/{{stream}}", viewer_events.build_stream()),
            Route("/rooms/{room}", rooms.build()),
            Route("/rooms/{room}/events", rooms.build_events()),
            Route("/rooms/{room}/home", rooms.build_home()),
            Route("/rooms/{room}/stats", StatisticsResource(context).build()),
            *AdminResource(context).build_routes(),
            *RecordResource(context).build_routes(),
        ]
        # A slash at the end names the same. Clients that POST do not follow the redirect that would say so.
        self.routes: list[BaseRoute] = [*routes, *(Route(f"{route.path}/", route.endpoint) for route in routes)]

    @property
    def open_streams(self) -> int:
        """Event streams that are being read, of rooms and of WHEP sessions."""
        return len(self._gate)

    @property
    def refused_streams(self) -> Mapping[str, int]:
        """Event streams that were not opened, by reason."""
        return self._gate.refused

    def ensure_running(self) -> None:
        """Start following the server's events and the clock, if that is not done yet."""
        self._watcher.ensure_running()
        self.expiry.ensure_running()

    def end_streams(self) -> None:
        """End all event streams, open no more, and begin no sessions: those who still ask are told to ask again. An
        HTTP server that waits for its requests needs this first.
        """
        self.sessions.close()
        self._gate.close()
        self.streams.close()
        self.viewers.close()

    async def close(self) -> None:
        """End the streams and stop following the server. The connections stay: they are the server's."""
        self.end_streams()
        await self.expiry.close()
        await self._watcher.close()


class _Awake:
    """Starts the watcher with the first request: the lifespan of a mounted app is not run."""

    def __init__(self, app: ASGIApp, signaling: Signaling) -> None:
        self._app = app
        self._signaling = signaling

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self._signaling.ensure_running()
        await self._app(scope, receive, send)


def create_app(
    server: Server,
    authorizer: Authorizer,
    options: SignalingOptions | None = None,
    *,
    admission: Admission | None = None,
    records: RecordStore | None = None,
    homes: Homes | None = None,
    clock: Callable[[], float] = time.time,
    routes: Sequence[BaseRoute] = (),
    middleware: Sequence[Middleware] = (),
) -> Starlette:
    """The ASGI app of `server`, which must be started and stays the caller's to close.

    It can be mounted below any path of another app, or be given further `routes` and `middleware`. Its state is at
    `app.state.signaling`; call `end_streams()` on it when the process is asked to stop. `admission` is asked whether
    there is room for what comes new. With `records` clients whose tokens give the right `record` can have rooms
    recorded there. `homes` says which node of a cluster a room lives on; without it, all do here. `clock` gives seconds
    since the Unix epoch.
    """
    signaling = Signaling(server, authorizer, options, admission=admission, records=records, homes=homes, clock=clock)
    app = Starlette(
        routes=[*signaling.routes, *routes],
        middleware=[
            *middleware,
            Middleware(_Awake, signaling=signaling),
            Middleware(CrossOrigin, origins=signaling.options.cors_origins),
        ],
        exception_handlers={**EXCEPTION_HANDLERS, Exception: handle_crash},
    )
    app.state.signaling = signaling
    return app
