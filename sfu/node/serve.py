"""The shell that runs a node: sockets, signals, the event loop, and the order of start and stop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import uvloop
from starlette.applications import Starlette

import sfu
from sfu.node.app import create_node_app
from sfu.node.config.settings import Settings
from sfu.node.descriptors import DescriptorPlan, plan_descriptors, raise_limit
from sfu.node.http.connections import HttpConnections, TrustedProxies
from sfu.node.http.limits import HttpLimits
from sfu.node.http.rates import RequestRates
from sfu.node.http.server import HttpServer, build_http_server
from sfu.node.lifecycle import Lifecycle
from sfu.node.logs.events import log_event
from sfu.node.metrics.records import RecordingEnds
from sfu.node.records.recovery import RecordRecovery
from sfu.node.records.store import open_record_store
from sfu.node.restart.continuing import list_rooms, take_over_rooms
from sfu.node.restart.farewell import leave_to
from sfu.node.restart.handover import Handover, HandoverError
from sfu.node.restart.notify import notify
from sfu.node.restart.predecessor import Predecessor, find_predecessor
from sfu.node.restart.successor import NodeRestart
from sfu.node.tcp import build_mux, count_wanted, describe_port, load_certificate
from sfu.rooms import lookalikes
from sfu.signaling import RecordStore
from sfu.signaling.sessions.watcher import EventWatcher
from sfu.tcp import pump
from sfu.tcp.mux import TcpMux
from sfu.tcp.tls import Certificate

if TYPE_CHECKING:
    from sfu.node.cluster.part import ClusterPart

_log = logging.getLogger("sfu.node")

_BACKLOG = 1024
_BIND_ATTEMPTS, _BIND_AGAIN_S = 30, 0.1
_MAX_OPERATORS = 64


class ServeError(Exception):
    """The node cannot start; the message says why and what to change."""


@dataclass(frozen=True)
class Started:
    """Where a running node is reached."""

    url: str
    """Base URL of the HTTP server, without a slash at the end."""
    metrics_url: str
    """Base URL of the listener for metrics alone; empty if there is none."""
    udp_ports: tuple[int, ...]


class Reporter(Protocol):
    """Is told how the start proceeds."""

    def compiling(self, share: float) -> None:
        """Report the share of the forwarding plane that is compiled, as at the first start on a machine."""

    def compiled(self, seconds: float) -> None:
        """Report that the plane is compiled."""

    def started(self, started: Started) -> None:
        """Report that the node runs and clients can come."""


_COLLECT = (5_000, 10, 50)
"""Thresholds of the garbage collector. Packets on their way to a recorder are many objects, but no cycles, and what has
ended is freed without it: ten joins a second left it nothing of ours to collect. So it looks at young objects less
often than with Python's own (700, 10, 10). At all that lives, which stops the interpreter for 0.1 s and more, it looks
seldom: that is a net for what libraries may leave.
"""


def serve(settings: Settings, reporter: Reporter) -> None:
    """Run a node until SIGINT or SIGTERM, or until another process has taken its place. Raises ServeError."""
    successor = uvloop.run(_serve(settings, reporter))
    if successor is not None:
        leave_to(successor)


async def _serve(settings: Settings, reporter: Reporter) -> int | None:
    """Return the id of the process that goes on, if one does."""
    # What may fail at once comes before what takes long.
    try:
        records = open_record_store(settings)
        certificate = load_certificate(settings)
    except sfu.ConfigError as error:
        raise ServeError(str(error)) from error
    descriptors = _plan_descriptors(settings, records)
    predecessor = find_predecessor(os.environ)
    async with contextlib.AsyncExitStack() as closing:
        handover = None if predecessor is None else await _take_over(predecessor, settings, certificate, reporter)
        inherited = None if handover is None else handover.http
        listener = closing.enter_context(await _listen("port", settings.host, settings.port, inherited))
        apart = None
        inherited = None if handover is None else handover.metrics
        if settings.metrics_port is not None:
            place = settings.metrics_host, settings.metrics_port
            apart = closing.enter_context(await _listen("metrics_port", *place, inherited))
        elif inherited is not None:
            inherited.close()
        server = sfu.Server(settings.build_config())
        ends = RecordingEnds()
        event_log = EventWatcher(server, [log_event, ends.handle_event])
        try:
            with _killable():
                await _start(server, reporter, () if handover is None else handover.udp)
            gc.collect()
            gc.freeze()  # what the imports made stays for good: no later collection needs to walk over it
            gc.set_threshold(*_COLLECT)
            event_log.ensure_running()
            limits = replace(settings.build_http_limits(), connections=descriptors.http)

            def is_valid(token: str) -> bool:  # asked once requests come
                return bool(app.state.is_valid(token))

            rates = RequestRates(limits, is_valid)
            connections = HttpConnections(limits, TrustedProxies(settings.trusted_proxies), rates)
            url = _url_of(listener, tls=certificate is not None)
            turn_secret = "" if handover is None else handover.state.get("turn_secret", "")
            port = describe_port(server, settings, certificate, listener.getsockname()[1], turn_secret)
            mux = build_mux(server, port, connections, descriptors.tcp)
            cluster = _open_cluster(server, settings, handover)
            app = create_node_app(
                server, settings, records, ends, connections, descriptors, url, port.turn, mux, cluster
            )
            if mux is not None:
                with _killable():  # it compiles, too, unless who helped with the plane has done it
                    await mux.start()
                closing.push_async_callback(mux.close)
            server.announce_tcp(port.port if port.open else None)
            started = Started(url, "" if apart is None else _url_of(apart), server.udp_ports)
            if handover is not None:
                state = app.state
                await take_over_rooms(handover.state, server, records, state.livekit, state.livekit_api)
            if cluster is not None:
                cluster.start(() if handover is None else list_rooms(handover.state))

            def tell_started() -> None:
                reporter.started(started)
                notify("READY=1")
                if predecessor is not None:
                    predecessor.tell_serving()
                if records is not None and settings.recover_records:  # what was handed over is continued by now
                    recovery = RecordRecovery(records, server.publish)
                    closing.callback(recovery.stop)
                    recovery.start()

            accepted = () if handover is None else handover.accepted
            servers = _build_servers(app, connections, listener, apart, settings, tell_started, mux, accepted)
            lifecycle = Lifecycle(server, app, settings, records, servers, mux, port.turn)
            await lifecycle.run()
            _log.info(
                "closing",
                extra={
                    "rooms": len(server.rooms),
                    "peers": sum(len(room.peers) for room in server.rooms.values()),
                    "recordings": len(server.recordings),
                },
            )
        except (sfu.LocalError, HandoverError) as error:
            raise ServeError(str(error)) from error
        finally:
            await server.close()
            await event_log.close()
    restart: NodeRestart = app.state.restart
    if restart.failed:
        raise ServeError(f"the restart has failed, and nobody serves: {restart.state.failure}")
    _log.info("stopped")
    return None if restart.successor is None else restart.successor.pid


def _open_cluster(server: sfu.Server, settings: Settings, handover: Handover | None) -> ClusterPart | None:
    if not settings.cluster_url.get_secret_value():
        return None
    from sfu.node.cluster.part import open_cluster

    return open_cluster(server, settings, {} if handover is None else handover.state.get("cluster", {}))


def _plan_descriptors(settings: Settings, records: RecordStore | None) -> DescriptorPlan:
    plan = plan_descriptors(
        raise_limit(),
        connections=settings.max_http_connections,
        shards=settings.shards,
        recordings=0 if records is None else records.most,
        folders=0 if records is None else len(records.places),
        tcp=count_wanted(settings),
    )
    facts = {"limit": plan.limit, "reserved": plan.reserved, "http_connections": plan.http}
    if plan.is_low:
        advice = f"raise the limit of open files (LimitNOFILE, ulimit -n) to {plan.wanted}, or set less"
        _log.warning("few file descriptors: HTTP gets fewer connections than are set", extra=facts | {"advice": advice})
    else:
        _log.info("file descriptors", extra=facts)
    return plan


@contextlib.contextmanager
def _killable() -> Iterator[None]:
    """Let SIGINT end the process at once: the compiler cannot be cancelled, and there is nothing to close yet."""
    former = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)


async def _take_over(
    predecessor: Predecessor, settings: Settings, certificate: Certificate | None, reporter: Reporter
) -> Handover:
    """Do all that takes long and needs no port while the other process serves, then take its place."""
    await _compile(reporter)
    await asyncio.to_thread(pump.compile_kernels)
    await asyncio.to_thread(lookalikes.load)
    if settings.livekit_keys:
        await asyncio.to_thread(importlib.import_module, "sfu.node.livekit.server_api")
    if settings.cluster_url.get_secret_value():
        await asyncio.to_thread(importlib.import_module, "sfu.node.cluster.part")
        with contextlib.suppress(ImportError):  # which is said where it is used
            await asyncio.to_thread(importlib.import_module, "sfu.cluster.redis_directory")
    try:
        handover = await predecessor.take("" if certificate is None else certificate.time_fault)
    except HandoverError as error:
        raise ServeError(str(error)) from error
    settings.take_dev_secret(handover.state.get("dev_secret", ""))
    return handover


async def _start(server: sfu.Server, reporter: Reporter, sockets: Sequence[socket.socket]) -> None:
    await _compile(reporter)
    await server.start(sockets)


async def _compile(reporter: Reporter) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    told = False

    def tell(share: float) -> None:  # in the compiler's thread
        nonlocal told
        told = True
        reporter.compiling(share)

    await asyncio.to_thread(sfu.compile_kernels, tell)
    if told:
        reporter.compiled(loop.time() - began)


async def _listen(setting: str, host: str, port: int, inherited: socket.socket | None) -> socket.socket:
    """Return the listener of the process before, if it is where the settings say, or else one of our own."""
    if inherited is None:
        return _bind(setting, host, port)
    if inherited.getsockname()[0] == host and port in (0, inherited.getsockname()[1]):
        inherited.setblocking(False)
        return inherited
    inherited.close()
    for _ in range(_BIND_ATTEMPTS):  # the other process is about to let its own go
        with contextlib.suppress(ServeError):
            return _bind(setting, host, port)
        await asyncio.sleep(_BIND_AGAIN_S)
    return _bind(setting, host, port)


def _bind(setting: str, host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise ServeError(
            f"cannot listen on {host} port {port} (TCP): {error.strerror}; "
            f"another program may use the port: set another {setting}, or 0 for any"
        ) from error
    listener.setblocking(False)
    return listener


def _url_of(listener: socket.socket, *, tls: bool = False) -> str:
    host, port = listener.getsockname()[:2]
    scheme = "https" if tls else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _build_servers(
    app: Starlette,
    connections: HttpConnections,
    listener: socket.socket,
    apart: socket.socket | None,
    settings: Settings,
    on_started: Callable[[], None],
    mux: TcpMux | None,
    accepted: Sequence[socket.socket],
) -> list[tuple[HttpServer, socket.socket]]:
    shutdown_s = max(1, round(settings.shutdown_timeout))
    http = build_http_server(
        app,
        connections,
        shutdown_s=shutdown_s,
        on_started=on_started,
        websockets=app.state.livekit is not None,
        mux=mux,
        accepted=accepted,
    )
    servers = [(http, listener)]
    if apart is not None:
        operators = HttpConnections(HttpLimits(connections=_MAX_OPERATORS))
        servers.append((build_http_server(app.state.metrics, operators, shutdown_s=shutdown_s), apart))
    return servers
