"""A node's part in a cluster: from its start on it says that it is there, how loaded it is and which rooms it has."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping
from random import Random, SystemRandom
from typing import Any

from sfu import ConfigError, Server
from sfu.cluster.directory import Directory
from sfu.cluster.lease import LeaseState
from sfu.cluster.member import Member, lease_clock
from sfu.cluster.membership import Membership
from sfu.cluster.news import Excluded, News, NodeGone, NodeThere
from sfu.cluster.records import NodeRecord
from sfu.cluster.room_homes import RoomHomes
from sfu.cluster.timing import CLUSTER, Timing
from sfu.node.config.settings import Settings
from sfu.signaling import Home
from sfu.version import read_version

_log = logging.getLogger("sfu.cluster")

TICK_S = 0.5
_AGAIN_S = 1.0
_MISSING = "needs the package redis: install sfu-media[cluster], or pip install redis"


class ClusterPart:
    """Begins with `start`, in an event loop; ends with `close`, or with `suspend`, when another process goes on."""

    def __init__(
        self,
        server: Server,
        directory: Directory,
        record: NodeRecord,
        *,
        epoch: int = 0,
        random: Random | None = None,
        timing: Timing = CLUSTER,
    ) -> None:
        """`epoch`: that of the process which this one follows, under the same id; 0: there was none."""
        random = random or SystemRandom()
        membership = Membership(record, random=random, timing=timing, epoch=epoch)
        self.directory = directory
        self.member = Member(directory, membership, random=random, tell=self._tell)
        self.homes = RoomHomes(self.member, self._has, drains=lambda: server.drain_left is not None)
        self.homes.on_lost = self._lose
        self.read_load: Callable[[], float] = lambda: 0.0
        """0 to 1: how much of what the node may take is taken."""
        self.send_away: Callable[[str, Home | None], None] = lambda room, home: None
        """Tells the clients of a room in their own words to go to another node, before their connections end."""
        self._server = server
        self._random = random
        self._tasks: list[asyncio.Task[None]] = []
        self._leaving: asyncio.Task[None] | None = None
        self._suspended = False
        self._cut_at: float | None = None
        self._joined = False
        self._ending: set[asyncio.Task[object]] = set()

    @property
    def state(self) -> LeaseState:
        """What its lease is worth now."""
        return self.member.membership.state(lease_clock())

    def start(self, rooms: tuple[str, ...] = ()) -> None:
        """Take part from now on. `rooms`: those that are open already."""
        self._note_load()  # the registration tells it, and who takes a node for idle leads clients there
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(self._run(), name="sfu cluster"),
            loop.create_task(self._tick(), name="sfu cluster tick"),
        ]
        for room in rooms:
            self.homes.note_open(room)

    def begin_leaving(self) -> None:
        """The node ends: give all up now, so that whoever is sent away finds another home. Idempotent."""
        if self._leaving is None and not self._suspended:
            self._leaving = asyncio.get_running_loop().create_task(self.member.close(), name="sfu cluster leaving")

    def suspend(self) -> dict[str, Any]:
        """Stop without a word, since another process goes on in the place of this one; return what it has to know."""
        self._suspended = True
        for task in self._tasks:
            task.cancel()
        membership = self.member.membership
        return {"node": membership.node, "epoch": membership.lease.epoch}

    async def close(self) -> None:
        """Leave, if that was not done, and let go of the directory."""
        self.begin_leaving()
        if self._leaving is not None:
            await self._leaving
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, *self._ending, return_exceptions=True)
        await self.directory.close()

    async def _run(self) -> None:
        while True:
            try:
                await self.member.run()
            except Exception:  # noqa: BLE001 - a mistake here must not take the node out of the cluster for good
                _log.exception("the membership has failed, and begins again")
            await asyncio.sleep(_AGAIN_S)

    async def _tick(self) -> None:
        while True:
            try:
                self.handle_tick()
            except Exception:  # noqa: BLE001 - as above
                _log.exception("a look at the cluster has failed")
            await asyncio.sleep(TICK_S)

    def handle_tick(self) -> None:
        """Tell how this node is, and give up what is over. Called by itself while it runs."""
        self._note_load()
        self.homes.handle_tick()
        self._note_state(lease_clock())

    def _note_load(self) -> None:
        self.member.membership.load = self.read_load() if self._server.drain_left is None else 1.0

    def _note_state(self, now: float) -> None:
        holds = self.state is LeaseState.HOLDS
        facts = {"node": self.member.membership.node, "rooms": len(self._server.rooms)}
        if holds and not self._joined:
            self._joined = True
            _log.info("cluster joined", extra=facts | {"region": self.member.membership.record.region})
        elif holds and self._cut_at is not None:
            _log.info("cluster: back", extra=facts | {"seconds": round(now - self._cut_at, 1)})
            self._cut_at = None
        elif not holds and self._joined and self._cut_at is None and self._leaving is None:
            self._cut_at = now
            advice = "rooms that are open here are served on, and none opens until the directory answers again"
            _log.warning("cluster: cut off", extra=facts | {"advice": advice})

    def _tell(self, news: News) -> None:
        self.homes.handle_news(news)
        match news:
            case Excluded(reason):
                _log.error("cluster: not let in", extra={"reason": reason})
            case NodeThere(node):
                facts = {"node": node.id, "url": node.client_url, "region": node.region, "draining": node.draining}
                _log.info("cluster: node there", extra=facts | {"version": node.version})
            case NodeGone(node):
                _log.warning("cluster: node gone", extra={"node": node.id})

    def _has(self, name: str) -> bool:
        """Whether the room is open here, by whatever holds it."""
        if name in self._server.rooms or self._server.attendance.find_opener(name) is not None:
            return True
        room = self._server.find_room(name)
        return room is not None and (bool(room.recordings) or room.is_guarded())

    def _lose(self, name: str, home: Home | None) -> None:
        """Another node has taken a room over while this one was cut off: its people go there, or they would never meet
        those who are there already. Its records are closed in order.
        """
        room = self._server.find_room(name)
        recordings = () if room is None else tuple(each for each in room.recordings if not each.stopped)
        _log.error(
            "cluster: a room was taken over by another node",
            extra={"room": name, "url": "" if home is None else home.url, "recordings": len(recordings)},
        )
        self.send_away(name, home)
        present = self._server.rooms.get(name)
        for peer in () if present is None else list(present.peers.values()):
            peer.leave("room_elsewhere")
        for recording in recordings:
            task = asyncio.ensure_future(recording.stop("server_closed"))
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)


def open_cluster(server: Server, settings: Settings, handed_over: Mapping[str, Any]) -> ClusterPart:
    """Return the part of a node in the cluster of its settings. `handed_over`: what `suspend` has returned in the
    process before, or nothing. Raises ConfigError.
    """
    url = settings.cluster_url.get_secret_value()
    try:
        from sfu.cluster.redis_directory import RedisDirectory
    except ImportError as error:
        raise ConfigError("cluster_url", _MISSING) from error
    node = settings.cluster_node or handed_over.get("node") or f"node-{secrets.token_hex(6)}"
    record = NodeRecord(
        id=node,
        region=settings.cluster_region,
        client_url=settings.cluster_public_url,
        version=read_version(),
    )
    epoch = handed_over.get("epoch", 0) if handed_over.get("node") == node else 0
    return ClusterPart(server, RedisDirectory(url), record, epoch=epoch)
