"""A node that serves, until something ends it: a signal, a drain, or a successor that takes its place."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING

from starlette.applications import Starlette

import sfu
from sfu.node.admission.keeper import BoundsKeeper
from sfu.node.config.settings import Settings
from sfu.node.drain import NodeDrain
from sfu.node.http.server import HttpServer
from sfu.node.restart.continuing import hand_over_rooms
from sfu.node.restart.handover import Handover
from sfu.node.restart.successor import NodeRestart, RestartError
from sfu.node.signals import Signals
from sfu.node.tokens import DEV_KEY_ID
from sfu.signaling import OwnTurn, RecordStore, Signaling
from sfu.tcp.mux import TcpMux

if TYPE_CHECKING:
    from sfu.node.cluster.part import ClusterPart
    from sfu.signaling.livekit.app import LiveKit
    from sfu.signaling.livekit.server_api import ServerApi

_log = logging.getLogger("sfu.node")

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2)


class Lifecycle:
    """Serves once, with `run`."""

    def __init__(
        self,
        server: sfu.Server,
        app: Starlette,
        settings: Settings,
        records: RecordStore | None,
        servers: Sequence[tuple[HttpServer, socket.socket]],
        mux: TcpMux | None,
        turn: OwnTurn | None,
    ) -> None:
        """`app`: of `create_node_app`. `servers`: the HTTP servers and their listeners, the public one first, behind
        `mux`; the other one is for operators. `turn`: what clients are told that `mux` is for them.
        """
        self._server = server
        self._settings = settings
        self._records = records
        self._servers = tuple(servers)
        self._passed_on: signal.Signals | None = None
        """By what this process was told to end while it handed over: it is for the successor."""
        self._mux = mux
        self._turn = turn
        self._signaling: Signaling = app.state.signaling
        self._livekit: LiveKit | None = app.state.livekit
        self._api: ServerApi | None = app.state.livekit_api
        self._drain: NodeDrain = app.state.drain
        self._restart: NodeRestart = app.state.restart
        self._bounds: BoundsKeeper = app.state.bounds
        self._cluster: ClusterPart | None = app.state.cluster
        self._drain.on_stop = self.stop
        self._restart.hand_over = self.hand_over
        if mux is not None and (certificate := mux.certificate) is not None:
            self._restart.serves_good_certificate = lambda: not certificate.time_fault

    async def run(self) -> None:
        """Serve until the end, whatever that is."""
        self._bounds.start()
        if self._livekit is not None and self._api is not None:
            self._livekit.ensure_running()
            self._api.start()
        try:
            await self._serve()
        finally:
            if self._cluster is not None:
                await self._cluster.close()
            await self._bounds.close()
            await self._signaling.close()
            if self._livekit is not None and self._api is not None:
                await self._livekit.close()
                await self._api.close()

    async def _serve(self) -> None:
        with Signals(asyncio.get_running_loop(), _SIGNALS, self.handle_signal) as signals:
            try:
                await asyncio.gather(*(http.serve(sockets=[listener]) for http, listener in self._servers))
            finally:
                await self._restart.close()
                if self._restart.successor is not None:
                    signals.pass_on(self._restart.successor.pid)
                    if self._passed_on is not None:
                        signal.raise_signal(self._passed_on)

    @property
    def ending(self) -> bool:
        """Whether no new requests are taken any more."""
        return any(http.should_exit for http, _ in self._servers)

    def handle_signal(self, number: signal.Signals) -> None:
        """SIGINT ends the node, SIGTERM drains it first, SIGUSR2 puts another process in its place."""
        if self.ending and self._restart.hands_over and self._passed_on is None and number != signal.SIGUSR2:
            _log.info("signal received: the successor is told once it serves", extra={"signal": number.name})
            self._passed_on = number
            return
        if self.ending:
            _log.warning("second signal: requests are cut", extra={"signal": number.name})
            for http, _ in self._servers:
                http.force_exit = True
            return
        _log.info("signal received", extra={"signal": number.name})
        if number == signal.SIGUSR2:
            self._begin_restart()
        elif number == signal.SIGTERM and not self._drain.state.stops:
            self._drain.begin(self._settings.drain_timeout, stops=True)
        else:
            self.stop()

    def _begin_restart(self) -> None:
        try:
            self._restart.begin()
        except RestartError as error:
            _log.warning("no restart", extra={"reason": str(error)})

    def stop(self) -> None:
        """End the node: `run` returns once requests are answered, or their time is over."""
        if self._cluster is not None:
            self._cluster.begin_leaving()
        self._end_streams()
        if self._livekit is not None:
            self._livekit.end_sessions()

    def _end_streams(self) -> None:
        """Take no more requests. Event streams never end by themselves, and the HTTP servers wait for requests."""
        self._drain.close()
        self._signaling.end_streams()
        for http, _ in self._servers:
            http.should_exit = True

    async def hand_over(self) -> Handover:
        """End the node, and return what its successor goes on with. Its listeners stay open, so nobody is refused."""
        public, *operators = [listener.dup() for _, listener in self._servers]
        udp = self._server.share_sockets()
        for http, _ in self._servers:
            http.stop_accepting()  # before clients are told to come again
        accepted = [] if self._mux is None else self._mux.withdraw()
        self._end_streams()
        cluster = None if self._cluster is None else self._cluster.suspend()
        state = await hand_over_rooms(self._server, self._records, self._livekit, self._api)
        await self._bounds.close()
        if cluster is not None:
            state["cluster"] = cluster
        state["dev_secret"] = self._settings.secrets().get(DEV_KEY_ID, "")
        state["turn_secret"] = "" if self._turn is None else self._turn.secret
        if self._mux is not None:
            await self._mux.end_media()  # answers by TLS are still on their way
        await self._server.close()
        metrics = operators[0] if operators else None
        return Handover(http=public, metrics=metrics, udp=udp, accepted=accepted, state=state)
