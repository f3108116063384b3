"""The media server: its planes, rooms and events."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import ipaddress
import logging
import random
import socket
import weakref
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType, TracebackType
from typing import Any

from aioice.ice import get_host_addresses

from sfu import clock as clocks
from sfu.clock import Clock
from sfu.config import Config
from sfu.errors import ArgumentError, LocalError, ServerFullError
from sfu.events import DrainEnded, Draining, Event
from sfu.recording.feed import Feed
from sfu.recording.recording import Recording
from sfu.recording.restart.suspension import SuspendedRecording
from sfu.rooms import lookalikes
from sfu.rooms.attendance import Attendance
from sfu.rooms.drain import Drain
from sfu.rooms.event_stream import EventHub, EventStream
from sfu.rooms.listening import Listening
from sfu.rooms.names import parse_name
from sfu.rooms.room import Room
from sfu.rooms.room_state import RoomState
from sfu.routing.plane import Plane, PlaneLimits, choose_sockets, link_planes, open_twins
from sfu.shard.environment import Environment
from sfu.shard.origins import Origins
from sfu.shard.shard import Shard
from sfu.shard.statistics import ShardStats
from sfu.transport import Address, Identity, parse_username

_log = logging.getLogger("sfu.server")

_CLOSE_RECORDS_S = 30.0


class Server:
    """Runs between `start` and `close`, or in `async with`. Call its methods only in the thread of its event loop."""

    def __init__(
        self,
        config: Config | None = None,
        *,
        clock: Clock = clocks.monotonic,
        rng: random.Random | None = None,
    ) -> None:
        """`clock` and `rng` are for tests; the default randomness is the system's, as keys need it."""
        self.config = config or Config()
        identity = Identity.generate(clocks.utc_now())
        self._environment = Environment(self.config, identity, clock, rng or random.SystemRandom())
        self._shards: list[Shard] = []
        self._origins = Origins()
        self._rooms: dict[str, Room] = {}
        self._guarded: dict[str, Room] = {}
        self._awaited: set[Room] = set()  # another process had them, and their Peers will come again
        self._drain = Drain(clock)
        self._known: weakref.WeakValueDictionary[str, Room] = weakref.WeakValueDictionary()
        self._feed: Feed | None = None
        self._recordings: dict[Recording, Room] = {}  # a room stays while it is recorded
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listening = Listening(clock)
        self.attendance = Attendance(clock)
        """Which rooms are in use, and how many Peers are in, by tenant."""
        self._hub = EventHub("", max_queued=self.config.max_queued_events, max_streams=self.config.max_event_streams)

    async def __aenter__(self) -> Server:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def running(self) -> bool:
        """Whether the server runs: it was started, and not closed."""
        return bool(self._shards)

    @property
    def udp_ports(self) -> tuple[int, ...]:
        """The UDP ports of the shards; empty unless the server runs."""
        return tuple(shard.plane.port for shard in self._shards)

    def announce_tcp(self, port: int | None) -> None:
        """Tell clients from now on that they can come by TCP, too (RFC 6544), at the announced addresses and this port;
        None: no longer. Whoever listens there leads them to the shards, as `sfu serve` does.
        """
        for shard in self._shards:
            shard.tcp_port = port

    def set_origin(self, address: Address, origin: Address | None, *, tcp: bool = True) -> None:
        """Note that what comes from `address` is handed on for a client at `origin`, which its ICE is told as its own,
        and that it comes by TCP or not; None: no longer. For who listens by TCP; see `announce_tcp`.
        """
        self._origins.set(address, origin, tcp=tcp)

    def open_turn_sockets(self) -> list[socket.socket]:
        """Return a UDP socket on each shard's port, for what is said to TURN (RFC 8656). May raise LocalError."""
        return open_twins(shard.plane for shard in self._shards)

    def find_udp_port(self, check: bytes) -> int | None:
        """The UDP port of the shard for whose connection a connectivity check is, by the name that it calls
        (RFC 8445 section 7.2.2); None: none of them has it.
        """
        ufrag = parse_username(check)
        found = (shard.plane.port for shard in self._shards if ufrag is not None and shard.has_ufrag(ufrag))
        return next(found, None)

    @property
    def announced(self) -> tuple[str, ...]:
        """The IP addresses that clients are told to send to."""
        return self.config.announce or _default_addresses(self.config.host)

    @property
    def rooms(self) -> Mapping[str, Room]:
        """The rooms that have Peers, by name."""
        return MappingProxyType(self._rooms)

    async def start(self, sockets: Sequence[socket.socket] = ()) -> None:
        """Compile the planes' kernels if this machine has not done so yet, bind the sockets, and begin to forward.

        `sockets`: those that another process has shared (`share_sockets`). What fits the configuration is used, so that
        nothing that clients send meanwhile is refused; the others are closed.

        Raises:
            LocalError: a port cannot be bound, or the server runs already.
        """
        if self._shards:
            raise LocalError("the server is running already")
        await asyncio.to_thread(lookalikes.load)
        config = self.config
        planes = [
            Plane(
                index,
                host=config.host,
                port=config.udp_port + index if config.udp_port else 0,
                limits=PlaneLimits(
                    logs=config.max_repaired_subscriptions,
                    history=config.max_history_packets,
                    resent=config.max_resent_subscriptions,
                ),
            )
            for index in range(config.shards)
        ]
        link_planes(planes)
        inherited = choose_sockets(sockets, config.host, [plane.wanted_port for plane in planes])
        for plane in planes:
            try:
                await asyncio.to_thread(plane.start, inherited[plane.index])
            except OSError as error:
                for started in planes:
                    started.stop()
                raise LocalError(
                    f"cannot bind UDP port {config.udp_port + plane.index} of {config.host} ({error}); "
                    "set host and udp_port to what is free on this machine"
                ) from error
        announced = self.announced
        clock = self._environment.clock
        self._shards = [Shard(plane, announce=announced, clock=clock, origins=self._origins) for plane in planes]
        self._loop = loop = asyncio.get_running_loop()
        self._listening.start(loop)
        for shard in self._shards:
            shard.start(loop)

    def drain(self, seconds: float) -> None:
        """Open no new rooms from now on, since the server is to stop in `seconds`, and tell all rooms so (`Draining`).
        Who is in a room stays, and people can join the rooms that have Peers, are recorded or keep somebody out. It
        stops nothing by itself: `close` does. Called again, it sets another time.

        Raises:
            ArgumentError: a negative time, or one without end.
        """
        if not 0.0 <= seconds < float("inf"):
            raise ArgumentError(f"a server cannot drain for {seconds} s: give 0 or more")
        held = [*self._rooms, *self._guarded, *(room.name for room in self._recordings.values())]
        self._drain.begin(seconds, held)
        for room in list(self._known.values()):
            room.publish(Draining(room.name, seconds))

    def end_drain(self) -> None:
        """Open new rooms again (`DrainEnded`); nothing happens if the server does not drain."""
        if self._drain.end():
            for room in list(self._known.values()):
                room.publish(DrainEnded(room.name))

    @property
    def drain_left(self) -> float | None:
        """Seconds until the server is to stop; None: it does not drain."""
        return self._drain.left

    def check_opening(self, room: str) -> None:
        """Raise DrainingError if the room is not there, and may not open now."""
        self._drain.check(room)

    def share_sockets(self) -> list[socket.socket]:
        """Return duplicates of the shards' UDP sockets, by which another process can go on (`start`), with the rooms
        (`export_rooms`), once this one is closed; the caller closes them.
        """
        return [shard.plane.share_socket() for shard in self._shards]

    def export_rooms(self) -> list[dict[str, Any]]:
        """Return what outlives this process of the rooms that are in use, as JSON: whether they are private, who is
        kept out and blocked, who holds which name. Peers come anew.
        """
        held = {room.name: room for room in (*self._rooms.values(), *self._guarded.values())}
        held |= {room.name: room for room in self._recordings.values()}
        return [room.export().to_json() for room in held.values()]

    def import_rooms(self, exported: Iterable[Mapping[str, Any]], *, wait: float = 60.0) -> None:
        """Go on with the rooms of another process, before anybody enters here. They are kept for `wait` seconds, until
        their Peers come again.

        Raises:
            ArgumentError: another version has exported them.
            LocalError: the server does not run.
        """
        if self._loop is None or not self._shards:
            raise LocalError("the server is not running; start it before rooms are imported")
        states = [RoomState.from_json(dict(each)) for each in exported]
        for state in states:
            room = self.room(state.name)
            room.restore(state)
            self._awaited.add(room)
            self._loop.call_later(wait, self._awaited.discard, room)

    async def close(self) -> None:
        """Make all Peers leave, close all records, end all events, stop the planes. Idempotent."""
        await self._close_recordings()
        self._recordings.clear()
        self._awaited.clear()
        if self._feed is not None:
            self._feed.close()
            self._feed = None
        for room in list(self._rooms.values()):
            room.close("server_closed")
        for room in list(self._known.values()):
            room.end_events()
        self._hub.close()
        self._listening.stop()
        shards, self._shards = self._shards, []
        for shard in shards:
            shard.stop()

    async def suspend_recordings(self, within: float = 5.0) -> tuple[SuspendedRecording, ...]:
        """Suspend all recordings that run, so that another process can continue them (`Room.continue_recording`), and
        wait for those that are being closed. Takes `within` so many seconds at most.
        """
        running = [each for each in self.recordings if not each.stopped]
        closing = [each for each in self.recordings if each.stopped]
        suspending = asyncio.gather(*(each.suspend(within) for each in running))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await asyncio.gather(*(each.stop() for each in closing))
        return tuple(await suspending)

    async def _close_recordings(self) -> None:
        """Bring all recordings to disk. One that hangs is given up, since `sfu recover` can close its records later."""
        try:
            async with asyncio.timeout(_CLOSE_RECORDS_S):
                await asyncio.gather(*(recording.stop("server_closed") for recording in self.recordings))
        except TimeoutError:
            paths = [str(path) for recording in self.recordings for path in recording.paths]
            _log.error("records could not be closed in time; run `sfu recover` on them", extra={"paths": paths})

    def room(self, name: str) -> Room:
        """Return the room of that name, new or not; listed once a Peer is in, it lives until nobody is in or holds it.

        Raises:
            InvalidNameError: the name is empty or too long, or holds what cannot be seen.
        """
        name = parse_name("room", name, self.config.max_name_length)
        room = self._known.get(name)
        if room is None:
            room = Room(name, self, self._environment, self._choose_shard, self._hub, self._listening)
            self._known[name] = room
        return room

    def find_room(self, name: str) -> Room | None:
        """Return the room of that name if there is one: it has Peers, is recorded or guarded, or somebody holds it."""
        return self._known.get(name)

    def events(self) -> EventStream:
        """Open a stream of what happens in all rooms from now on. May raise LimitError."""
        return self._hub.open(self)

    def publish(self, event: Event) -> None:
        """Let who reads the server's events have one of the embedding program's."""
        self._hub.publish(event)

    def counters(self) -> dict[str, int]:
        """Return totals, and every drop by reason (`drop_...`), over all shards; each only grows."""
        total: collections.Counter[str] = collections.Counter()
        for shard in self._shards:
            total.update(shard.counters())
        return dict(total)

    def shard_stats(self) -> tuple[ShardStats, ...]:
        """Return how much each shard does, and whether it keeps up; empty unless the server runs."""
        return tuple(shard.stats() for shard in self._shards)

    def rows_in_use(self) -> dict[str, int]:
        """Return the rows in use in the planes' tables: `connections`, `tracks`, `encodings`, `subscriptions`."""
        total: collections.Counter[str] = collections.Counter()
        for shard in self._shards:
            total.update(shard.plane.rows_in_use())
        return dict(total)

    @property
    def recordings(self) -> tuple[Recording, ...]:
        """The recordings that run, and those that have stopped but are still writing to disk."""
        self._recordings = {each: room for each, room in self._recordings.items() if not each.done}
        return tuple(self._recordings)

    # for its rooms

    @property
    def feed(self) -> Feed:
        """See `RoomOwner.feed`."""
        if not self._shards:
            raise LocalError("the server is not running; start it before rooms are recorded")
        if self._feed is None:
            self._feed = Feed([shard.plane for shard in self._shards])
        return self._feed

    def keep(self, room: Room, recording: Recording) -> None:
        """See `RoomOwner.keep`. Those that have ended are kept no longer than until the next begins."""
        self._recordings = {each: held for each, held in self._recordings.items() if not each.done} | {recording: room}

    def occupy(self, room: Room) -> None:
        """See `RoomOwner.occupy`."""
        if not self._shards:
            raise LocalError("the server is not running; start it before rooms are joined")
        self._drain.check(room.name)
        if len(self._rooms) >= self.config.max_rooms:
            raise ServerFullError("max_rooms", f"the server has its {self.config.max_rooms} rooms")
        self._rooms[room.name] = room

    def vacate(self, room: Room) -> None:
        """See `RoomOwner.vacate`."""
        del self._rooms[room.name]

    def retain(self, room: Room) -> None:
        """See `RoomOwner.retain`."""
        self._guarded.pop(room.name, None)
        self._guarded = {name: each for name, each in self._guarded.items() if each.is_guarded()}
        if room.is_guarded():
            self._guarded[room.name] = room
        self._bound_guarded()

    def retain_private(self, room: Room) -> bool:
        """See `RoomOwner.retain_private`."""
        others = sum(each.private for each in self._guarded.values() if each is not room)
        if others >= self.config.max_rooms:
            raise ServerFullError("max_rooms", f"the server has its {self.config.max_rooms} private rooms")
        self._guarded = {name: each for name, each in self._guarded.items() if each is not room} | {room.name: room}
        self._bound_guarded()
        return True

    def _bound_guarded(self) -> None:
        """Give up the oldest that is not private, if they are too many: a private room must not become public so."""
        if len(self._guarded) > self.config.max_rooms:
            del self._guarded[next(name for name, each in self._guarded.items() if not each.private)]

    def _choose_shard(self, preferred: Shard | None) -> Shard:
        """Return the least loaded shard; among equals the preferred one, since relaying costs a little."""
        return min(self._shards, key=lambda shard: (shard.load, shard is not preferred, shard.index))


def _default_addresses(host: str) -> tuple[str, ...]:
    address = ipaddress.ip_address(host)
    if not address.is_unspecified:
        return (str(address),)
    found = get_host_addresses(use_ipv4=True, use_ipv6=address.version == 6)
    return tuple(found) or ("127.0.0.1",)
