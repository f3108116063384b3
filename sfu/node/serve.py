"""The shell that runs a node: sockets, signals, the event loop, and the order of start and stop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
from collections.abc import Callable, Iterator
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
from sfu.node.http.server import build_http_server
from sfu.node.logs.events import log_event
from sfu.node.metrics.records import RecordingEnds
from sfu.node.records.store import open_record_store
from sfu.node.tcp import build_mux, count_wanted, describe_port, load_certificate
from sfu.signaling import RecordStore
from sfu.signaling.sessions.watcher import EventWatcher
from sfu.tcp.mux import TcpMux

if TYPE_CHECKING:
    from sfu.signaling.livekit.app import LiveKit
    from sfu.signaling.livekit.server_api import ServerApi

_log = logging.getLogger("sfu.node")

_BACKLOG = 1024
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


_YOUNG, _OLDER = 20_000, 10
"""Thresholds of the garbage collector: packets on their way to a recorder are many objects, but no cycles."""


def serve(settings: Settings, reporter: Reporter) -> None:
    """Run a node until SIGINT or SIGTERM. Raises ServeError."""
    uvloop.run(_serve(settings, reporter))


async def _serve(settings: Settings, reporter: Reporter) -> None:
    # What may fail at once comes before what takes long.
    try:
        records = open_record_store(settings)
        certificate = load_certificate(settings)
    except sfu.ConfigError as error:
        raise ServeError(str(error)) from error
    descriptors = _plan_descriptors(settings, records)
    async with contextlib.AsyncExitStack() as closing:
        listener = closing.enter_context(_bind("port", settings.host, settings.port))
        apart = None
        if settings.metrics_port is not None:
            apart = closing.enter_context(_bind("metrics_port", settings.metrics_host, settings.metrics_port))
        server = sfu.Server(settings.build_config())
        ends = RecordingEnds()
        event_log = EventWatcher(server, [log_event, ends.handle_event])
        try:
            with _killable():
                await _start(server, reporter)
            gc.collect()
            gc.freeze()  # what the imports made stays for good: no later collection needs to walk over it
            gc.set_threshold(_YOUNG, _OLDER, _OLDER)
            event_log.ensure_running()
            limits = replace(settings.build_http_limits(), connections=descriptors.http)

            def is_valid(token: str) -> bool:  # asked once requests come
                return bool(app.state.is_valid(token))

            rates = RequestRates(limits, is_valid)
            connections = HttpConnections(limits, TrustedProxies(settings.trusted_proxies), rates)
            url = _url_of(listener, tls=certificate is not None)
            port = describe_port(server, settings, certificate, listener.getsockname()[1])
            mux = build_mux(server, port, connections, descriptors.tcp)
            app = create_node_app(server, settings, records, ends, connections, descriptors, url, port.turn, mux)
            if mux is not None:
                with _killable():  # it compiles, too, unless who helped with the plane has done it
                    await mux.start()
                closing.push_async_callback(mux.close)
            server.announce_tcp(port.port if port.open else None)
            started = Started(url, "" if apart is None else _url_of(apart), server.udp_ports)
            await _run_http(app, connections, listener, apart, settings, lambda: reporter.started(started), mux)
            _log.info(
                "closing",
                extra={
                    "rooms": len(server.rooms),
                    "peers": sum(len(room.peers) for room in server.rooms.values()),
                    "recordings": len(server.recordings),
                },
            )
        except sfu.LocalError as error:
            raise ServeError(str(error)) from error
        finally:
            await server.close()
            await event_log.close()
    _log.info("stopped")


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


async def _start(server: sfu.Server, reporter: Reporter) -> None:
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
    await server.start()


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


async def _run_http(
    app: Starlette,
    connections: HttpConnections,
    listener: socket.socket,
    apart: socket.socket | None,
    settings: Settings,
    on_started: Callable[[], None],
    mux: TcpMux | None,
) -> None:
    shutdown_s = max(1, round(settings.shutdown_timeout))
    livekit: LiveKit | None = app.state.livekit
    api: ServerApi | None = app.state.livekit_api
    http = build_http_server(
        app,
        connections,
        shutdown_s=shutdown_s,
        on_started=on_started,
        websockets=livekit is not None,
        mux=mux,
    )
    servers = [(http, listener)]
    if apart is not None:
        operators = HttpConnections(HttpLimits(connections=_MAX_OPERATORS))
        servers.append((build_http_server(app.state.metrics, operators, shutdown_s=shutdown_s), apart))
    signaling = app.state.signaling
    loop = asyncio.get_running_loop()

    def stop(name: str) -> None:
        if http.should_exit:
            _log.warning("second signal: requests are cut", extra={"signal": name})
            for server, _ in servers:
                server.force_exit = True
            return
        _log.info("signal received", extra={"signal": name})
        # Event streams never end by themselves, and the HTTP server waits for its requests.
        signaling.end_streams()
        if livekit is not None:
            livekit.end_sessions()
        for server, _ in servers:
            server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number.name)
    if livekit is not None and api is not None:
        livekit.ensure_running()
        api.start()
    try:
        await asyncio.gather(*(server.serve(sockets=[bound]) for server, bound in servers))
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        await signaling.close()
        if livekit is not None and api is not None:
            await livekit.close()
            await api.close()
