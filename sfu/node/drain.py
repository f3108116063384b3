"""Running a node empty: no new rooms, everybody told, and at a deadline whoever is left is sent away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

import sfu

_log = logging.getLogger("sfu.node")

_LOOK_S = 0.25
"""Seconds between two looks whether the node is empty."""


@dataclass(frozen=True, slots=True)
class DrainState:
    """How far a node is from being empty."""

    draining: bool
    seconds_left: float | None
    """Until whoever is left is sent away; None: the node does not drain."""
    stops: bool
    """Whether the process ends once the node is empty."""
    rooms: int
    peers: int
    recordings: int

    @property
    def drained(self) -> bool:
        """Whether the node drains, and nothing is left in it."""
        return self.draining and not (self.rooms or self.recordings)


class NodeDrain:
    """At most one at a time; `begin` again sets another deadline."""

    def __init__(self, server: sfu.Server, put_out: Callable[[], None] = lambda: None) -> None:
        """`put_out()` tells the clients that are left to go elsewhere, before their rooms are closed."""
        self.on_stop: Callable[[], None] = lambda: None
        """Ends the process."""
        self._server = server
        self._put_out = put_out
        self._stops = False
        self._timer: asyncio.TimerHandle | None = None
        self._endings: set[asyncio.Task[object]] = set()

    @property
    def state(self) -> DrainState:
        """How it stands."""
        server = self._server
        left = server.drain_left
        peers = sum(len(room.peers) for room in server.rooms.values())
        return DrainState(left is not None, left, self._stops, len(server.rooms), peers, len(server.recordings))

    def begin(self, seconds: float, *, stops: bool = False) -> None:
        """Drain for at most `seconds`. `stops`: then end the process, as a drain that has begun so does, too. To be
        told to end the process never gives more time than there was.

        Raises:
            ArgumentError: as `Server.drain`.
        """
        left = self._server.drain_left
        if stops and left is not None:
            seconds = min(seconds, left)
        self._server.drain(seconds)
        self._stops = self._stops or stops
        _log.info("draining", extra={"seconds": seconds, "stops": self._stops, **self._count()})
        self._look_later(0.0)

    def end(self) -> bool:
        """Go back to service; return whether the node was draining."""
        drained = self._server.drain_left is not None
        if drained:
            _log.info("drain ended", extra=self._count())
        self.close()
        self._server.end_drain()
        return drained

    def close(self) -> None:
        """Look no more: the node is about to end."""
        self._stops = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look_later(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        self._timer = None
        if self.state.drained:
            _log.info("drained", extra={"stops": self._stops})
            if self._stops:
                self.on_stop()
            return
        if self._server.drain_left == 0.0:
            _log.info("drain deadline: who is left is sent away", extra=self._count())
            if self._stops:  # which sends them away, too
                self.on_stop()
                return
            self._send_away()
        self._look_later(_LOOK_S)

    def _send_away(self) -> None:
        """Empty all rooms and end all recordings; closing these takes its time."""
        self._put_out()
        for room in list(self._server.rooms.values()):
            for peer in list(room.peers.values()):
                peer.leave("server_draining")
        for recording in self._server.recordings:
            if not recording.stopped:
                task = asyncio.ensure_future(recording.stop("server_closed"))
                self._endings.add(task)
                task.add_done_callback(self._endings.discard)

    def _count(self) -> dict[str, int]:
        state = self.state
        return {"rooms": state.rooms, "peers": state.peers, "recordings": state.recordings}
