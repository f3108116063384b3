"""The rooms of the protocol, by name: made by their first participant or by the server API, ended when nobody is in."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from livekit.protocol.models import DisconnectReason
from livekit.protocol.room import RoomConfiguration

from sfu import Room, Server, events
from sfu.errors import RemoteError, ServerFullError
from sfu.signaling.http.admission import Admission, Admissions, Wanted, admit
from sfu.signaling.http.homes import Here, Home, Homes
from sfu.signaling.livekit.elsewhere import describe_regions
from sfu.signaling.livekit.handed_over import describe_room, restore_room
from sfu.signaling.livekit.options import LiveKitOptions
from sfu.signaling.livekit.participant import Participant
from sfu.signaling.livekit.published import PublishedTrack
from sfu.signaling.livekit.quality import INTERVAL as QUALITY_INTERVAL
from sfu.signaling.livekit.room import LiveKitRoom, Watcher
from sfu.signaling.livekit.sight import Shows, show_all

_log = logging.getLogger("sfu.signaling.livekit")

TICK = 1.0
"""Seconds between two looks at what is over."""


class UnknownRoomError(RemoteError):
    """There is no room of that name, and nobody may make one by entering it."""

    status = 404
    title = "Unknown room"


class Rooms:
    """Those of one server. `handle_event` has to be given the server's events, and `handle_tick` the time."""

    def __init__(
        self,
        server: Server,
        options: LiveKitOptions,
        clock: Callable[[], float],
        shows: Shows = show_all,
        admission: Admission | None = None,
        homes: Homes | None = None,
    ) -> None:
        """`clock`: seconds since the Unix epoch. `shows`: who is shown to whom. `admission`: see `admit`. `homes`:
        which node has which room; None: this one has all.
        """
        self.server = server
        self.options = options
        self.clock = clock
        self._shows = shows
        self._admission = admission or Admissions()
        self.homes = homes or Here()
        self.data_losses: collections.Counter[str] = collections.Counter()
        """Data packets that were not passed on, by reason."""
        self._rooms: dict[str, LiveKitRoom] = {}
        self._watchers: list[Watcher] = []
        self._look_at = 0.0

    def __len__(self) -> int:
        return len(self._rooms)

    @property
    def by_name(self) -> Mapping[str, LiveKitRoom]:
        """All that are open."""
        return MappingProxyType(self._rooms)

    def watch(self, watcher: Watcher) -> None:
        """Have somebody told what happens, as webhooks tell it."""
        self._watchers.append(watcher)

    def find(self, name: str) -> LiveKitRoom | None:
        """The room of that name, if it is open."""
        return self._rooms.get(name)

    def admit(self, wanted: Wanted, room: str, tenant: str, peer: str = "") -> None:
        """Raise UnknownRoomError where a room must have been created before it is entered, DrainingError where none
        opens now, NotAdmittedError where there is no room for what is wanted. `tenant`: the API key by whose token.
        """
        if wanted == "peer" and room not in self._rooms and not self.options.auto_create:
            raise UnknownRoomError("requested room does not exist")
        name = self.server.room(room).name
        if wanted == "peer" and name not in self._rooms:
            self.server.check_opening(name)
        admit(self._admission, self.server, wanted, name, tenant=tenant, peer=peer)

    def enter(self, name: str, config: RoomConfiguration | None = None, *, tenant: str = "") -> LiveKitRoom:
        """The room of that name for who joins it; raises UnknownRoomError where it must have been created first."""
        room = self._rooms.get(name)
        if room is None and not self.options.auto_create:
            raise UnknownRoomError("requested room does not exist")
        return self.create(name, config, tenant=tenant) if room is None else room

    def create(self, name: str, config: RoomConfiguration | None = None, *, tenant: str = "") -> LiveKitRoom:
        """The room of that name, made if it is not there, and then of that `tenant`.

        Raises:
            InvalidNameError, ServerFullError, DrainingError
        """
        made = self.server.room(name)
        known = self._rooms.get(made.name)
        if known is not None:
            return known
        self.server.check_opening(made.name)
        most = self.server.config.max_rooms
        if len(self._rooms) >= most:
            raise ServerFullError("max_rooms", f"the server has its {most} rooms")
        room = self._make(made)
        if config is not None:
            room.empty_timeout = config.empty_timeout or room.empty_timeout
            room.departure_timeout = config.departure_timeout or room.departure_timeout
            room.max_participants = config.max_participants
            room.metadata = config.metadata
            room.agents = tuple(config.agents)
            room.egress = config.egress if config.HasField("egress") else None
        self._rooms[room.name] = room
        self.server.attendance.hold_room(room.name, tenant)
        self._tell("room_started", room, None, None)
        return room

    def _make(self, room: Room) -> LiveKitRoom:
        codecs = self.server.config.codecs
        return LiveKitRoom(
            room, self.options, self.clock, self._tell, self.data_losses, codecs=codecs, shows=self._shows
        )

    def hand_over(self) -> list[dict[str, Any]]:
        """Describe all rooms for another process, and put everyone out, to come again there. No room ends by that."""
        attendance = self.server.attendance
        described = [
            describe_room(each) | {"tenant": attendance.find_opener(each.name)} for each in self._rooms.values()
        ]
        for room in self._rooms.values():
            room.close(DisconnectReason.SERVER_SHUTDOWN, again=True)
            attendance.release_room(room.name)
        self._rooms.clear()
        return described

    def take_over(self, described: Iterable[Mapping[str, Any]]) -> None:
        """Go on with the rooms of another process; nobody is told that they begin."""
        for each in described:
            room = self._make(self.server.room(each["name"]))
            restore_room(room, each)
            self._rooms[room.name] = room
            self.server.attendance.hold_room(room.name, each.get("tenant") or "")

    def end(
        self,
        room: LiveKitRoom,
        reason: DisconnectReason = DisconnectReason.ROOM_DELETED,
        *,
        again: bool = False,
        to: Sequence[Home] = (),
    ) -> None:
        """Put everyone out, and forget the room. `again`: they are to come again, to one of these nodes. Idempotent."""
        room.leads_to = describe_regions(to) if to else None
        room.close(reason, again=again)
        if self._rooms.get(room.name) is room:
            del self._rooms[room.name]
            self.server.attendance.release_room(room.name)
            self._tell("room_finished", room, None, None)

    def close(self) -> None:
        """The server is to be closed, or has drained: tell all clients, so that they come again from the start, to
        wherever they are led then.
        """
        for room in list(self._rooms.values()):
            self.end(room, DisconnectReason.SERVER_SHUTDOWN, again=True, to=self.homes.others)

    def send_away(self, name: str, home: Home | None) -> None:
        """Another node has the room by now: whoever is in it here is to come again, there."""
        if (room := self._rooms.get(name)) is not None:
            self.end(room, DisconnectReason.MIGRATION, again=True, to=() if home is None else (home,))

    def handle_event(self, event: events.Event) -> None:
        """Take what the server tells."""
        if isinstance(event, events.EventsLost):
            for room in self._rooms.values():
                room.look_again()
        elif (told := self._rooms.get(event.room)) is not None:
            told.handle_event(event)
            if isinstance(event, events.Draining):
                self._tell("room_draining", told, None, None)

    def handle_tick(self, now: float) -> None:
        """See what is over."""
        for room in list(self._rooms.values()):
            with logged(room.name):
                self._look(room, now)
        if now >= self._look_at:
            self._look_at = now + QUALITY_INTERVAL

    def _look(self, room: LiveKitRoom, now: float) -> None:
        for client in room.clients:
            if client.has_hung_up:
                room.remove(client, DisconnectReason.CLIENT_INITIATED, told=False)
            elif client.is_lost(now):
                room.remove(client, DisconnectReason.SIGNAL_CLOSE)
            client.handle_tick()
        room.tell_speakers()
        room.tell_all_wanted()
        room.data.handle_tick(now)
        if now >= self._look_at:
            room.tell_quality()
        if room.is_over(now):
            self.end(room, DisconnectReason.ROOM_CLOSED)

    def _tell(
        self, name: str, room: LiveKitRoom, participant: Participant | None, published: PublishedTrack | None
    ) -> None:
        for watcher in self._watchers:
            watcher(name, room, participant, published)


class Ticker:
    """Calls `handle` about once a second while it runs."""

    def __init__(self, handle: Callable[[float], None], clock: Callable[[], float]) -> None:
        self._handle = handle
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    def ensure_running(self) -> None:
        """Start, once."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="sfu livekit ticker")

    async def close(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            with logged(""):
                self._handle(self._clock())


@contextlib.contextmanager
def logged(room: str) -> Iterator[None]:
    """Log what is raised within: a mistake with one room, or one client, must not hold up all others."""
    try:
        yield
    except Exception:  # noqa: BLE001 - see above
        _log.exception("tick failed", extra={"room": room})
