"""What a node's doors ask its membership: which node a room is to be entered at, and until when this one keeps it."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace

from sfu.clock import Clock
from sfu.cluster.directory import DirectoryUnavailableError
from sfu.cluster.member import Member, lease_clock
from sfu.cluster.news import News, RoomElsewhere
from sfu.cluster.records import NodeRecord, RoomRecord
from sfu.cluster.room_requests import Read
from sfu.errors import ArgumentError
from sfu.signaling.http.homes import Home, UnknownHomeError

ENTERING_S = 20.0
"""So long a room is kept for somebody who was let in and has not come: a body may take ten seconds, and a dialog."""
PATIENCE_S = 4.0
"""So long a request waits for a home: a node that has just joined may claim after `Timing.watch`."""
MAX_KNOWN = 10_000
_STRANGE_S = 1.5
"""So long a home is looked for among the nodes: one that has just come is not known yet."""


class RoomHomes:
    """The `Homes` of a node in a cluster. What is told of others goes to clients only after their token was found good.

    Where the directory does not answer: rooms that are open here are served on, clients of rooms whose home was known
    are led there, and all others are told to ask again. Nothing new is opened then: another node may have the room
    open, and two halves of one that do not see each other are worse than one that begins a moment later.
    """

    def __init__(
        self,
        member: Member,
        is_open: Callable[[str], bool],
        *,
        drains: Callable[[], bool] = lambda: False,
        clock: Clock = lease_clock,
        patience: float = PATIENCE_S,
    ) -> None:
        """`is_open(room)`: whether this node has it, by whatever holds a room. `drains()`: whether it opens no rooms.
        `patience`: seconds that a request waits at most.
        """
        self._member = member
        self._is_open = is_open
        self._drains = drains
        self._clock = clock
        self._patience = patience
        self._kept_until: dict[str, float] = {}
        """Rooms that this node has asked for, or has."""
        self._taken: set[str] = set()
        """Rooms that another node has taken over and that are not closed here yet."""
        self._asking: dict[str, asyncio.Task[Home | None]] = {}
        self._known: OrderedDict[str, str] = OrderedDict()
        """Which node had a room, the oldest first; for when the directory is away."""
        self.led = 0
        """Times that somebody was told of another node."""
        self.unknown: Counter[str] = Counter()
        """Times that nobody could say whose a room is, by reason."""
        self.lost = 0
        """Rooms that were open here when another node had taken them over."""
        self.on_lost: Callable[[str, Home | None], None] = lambda room, home: None
        """Is told of each of these: who is in has to go there."""

    # what doors ask

    async def enter(self, room: str) -> Home | None:
        """See `Homes.enter`."""
        if self._serves(room):
            self._keep(room)
            return None
        asking = self._asking.get(room)
        if asking is None:
            # one for all who come at once; it outlives who has begun it
            asking = self._asking[room] = asyncio.create_task(self._enter(room), name="home of a room")
            asking.add_done_callback(lambda done: self._end_asking(room, done))
        home = await asyncio.shield(asking)
        self.led += home is not None
        return home

    async def find(self, room: str) -> Home | None:
        """See `Homes.find`."""
        if self._serves(room) or self._member.membership.rooms.holds(room, self._clock()):
            return None
        try:
            (found,) = await self._member.ask(Read((room,)))
        except DirectoryUnavailableError:
            return self._recall(room)
        except ArgumentError:
            return None  # the directory takes no such name, so nobody has it
        if found.home is None or not found.home.alive or found.home.node == self._us:
            return None
        home = await self._describe(found.home.node)
        self.led += home is not None
        return home

    @property
    def us(self) -> Home | None:
        """See `Homes.us`."""
        return _build(self._member.membership.record)

    @property
    def others(self) -> Sequence[Home]:
        """See `Homes.others`: those of our region first."""
        region = self._member.membership.record.region
        nodes = [node for node in self._member.membership.view.nodes.values() if node.client_url and not node.draining]
        nodes.sort(key=lambda node: (node.region != region, node.region, node.id))
        return [_build(node) for node in nodes]

    # what happens

    def handle_news(self, news: News) -> None:
        """Take what the membership tells."""
        if isinstance(news, RoomElsewhere) and self._serves(news.home.name):
            self._lose(news.home)

    def handle_tick(self) -> None:
        """Give up what is over: call it a few times a second."""
        self._tell_drain()
        now = self._clock()
        self._taken = {room for room in self._taken if self._is_open(room)}
        for room, until in list(self._kept_until.items()):
            if not self._serves(room):
                if until <= now:
                    self._forget(room)
            elif (home := self._member.membership.rooms.find_home(room)) is not None:
                self._lose(home)  # it was opened here just after it was taken over

    def note_open(self, room: str) -> None:
        """A room is open here without anybody's having asked, as after a restart: it needs a home."""
        self._keep(room)
        self._member.attend_soon(room)

    def give_up(self) -> None:
        """Who is left is to be sent away: whoever comes next to one of its rooms is led elsewhere."""
        for room in list(self._kept_until):
            self._forget(room)

    @property
    def held(self) -> int:
        """Rooms that this node is home of."""
        return len(self._member.membership.rooms.list_held(self._clock()))

    # how

    def _tell_drain(self) -> None:
        """Have others know whether rooms may be placed here."""
        membership = self._member.membership
        if (drains := self._drains()) != membership.record.draining:
            self._member.update(replace(membership.record, draining=drains))

    def _serves(self, room: str) -> bool:
        return room not in self._taken and self._is_open(room)

    @property
    def _us(self) -> str:
        return self._member.membership.node

    async def _enter(self, room: str) -> Home | None:
        self._tell_drain()
        try:
            placed = await self._member.place(room)
            if isinstance(placed, NodeRecord) and placed.id != self._us:
                return _build(placed)
            if isinstance(placed, RoomRecord) and placed.node != self._us:
                return await self._lead(placed)
            if self._drains():
                if isinstance(placed, RoomRecord):
                    raise self._refuse("leaving", "This node gives the room up right now: try again in a moment.")
                return None  # nobody else is there, and the server itself refuses
            self._keep(room)
            async with asyncio.timeout(self._patience):
                home = await self._member.attend(room)
        except DirectoryUnavailableError as error:
            return self._recall_or_refuse(room, error.reason)
        except TimeoutError:
            return self._recall_or_refuse(room, "late")
        except ArgumentError as error:
            raise self._refuse("name", str(error)) from error
        if home.node == self._us:
            self._taken.discard(room)
            self._keep(room)
            return None
        self._forget(room)
        return await self._lead(home)

    async def _lead(self, home: RoomRecord) -> Home:
        self._remember(home.name, home.node)
        found = await self._describe(home.node)
        if found is None:
            raise self._refuse("node", f"The room is on node {home.node}, which has told no address for clients.")
        return found

    async def _describe(self, node: str) -> Home | None:
        """Where a node is reached; it may have come a moment ago."""
        try:
            async with asyncio.timeout(_STRANGE_S):
                found = await self._member.find_node(node)
        except TimeoutError:
            return None
        return _build(found) if found.client_url else None

    def _recall(self, room: str) -> Home | None:
        """Where it was, if that node was there when the directory was last heard."""
        node = self._member.membership.view.nodes.get(self._known.get(room, ""))
        return None if node is None or not node.client_url else _build(node)

    def _recall_or_refuse(self, room: str, reason: str) -> Home | None:
        if self._serves(room):
            return None
        if (home := self._recall(room)) is not None:
            return home
        advice = "Which node has this room cannot be found out now, so it is not opened: try again in a moment."
        raise self._refuse(reason, advice)

    def _refuse(self, reason: str, detail: str) -> UnknownHomeError:
        self.unknown[reason] += 1
        return UnknownHomeError(detail)

    def _lose(self, home: RoomRecord) -> None:
        room = home.name
        self.lost += 1
        self._taken.add(room)
        self._forget(room)
        self._remember(room, home.node)
        node = self._member.membership.view.nodes.get(home.node)
        self.on_lost(room, None if node is None else _build(node))

    def _remember(self, room: str, node: str) -> None:
        self._known.pop(room, None)
        self._known[room] = node
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)

    def _keep(self, room: str) -> None:
        self._kept_until[room] = self._clock() + ENTERING_S

    def _forget(self, room: str) -> None:
        self._kept_until.pop(room, None)
        self._member.leave(room)

    def _end_asking(self, room: str, done: asyncio.Task[Home | None]) -> None:
        self._asking.pop(room, None)
        if not done.cancelled():
            done.exception()  # who has asked was told


def _build(node: NodeRecord) -> Home:
    return Home(node.client_url.rstrip("/"), node.region)
