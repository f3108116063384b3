"""The rooms that a node has people in, or is home of: what to ask the directory about them, and when."""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from sfu.cluster.lease import Lease, LeaseState
from sfu.cluster.news import News, RoomElsewhere, RoomOurs
from sfu.cluster.node_view import NodeView
from sfu.cluster.records import RoomRecord, check_room
from sfu.cluster.requests import Request
from sfu.cluster.room_requests import Claim, Claimed, FoundRoom, Read, Release
from sfu.cluster.timing import Timing

BATCH = 100
"""Rooms of one request: about a millisecond of the store."""
MAX_IN_FLIGHT = 4
_AGAIN = 0.3
_STRANGE = 0.5
"""Until a home is looked up again whose node we do not know: it is new, or was gone before we were told of it."""
_SURELY_OVER = 1.0
"""A claim that has not come to the store after this long is refused there (`Timing.travel`)."""


@dataclass(slots=True)
class _Room:
    name: str
    wanted: bool = True
    token: int = 0
    """Of our claim; 0: it is not ours."""
    generation: int = 0
    """Of the lease under which it was claimed."""
    home: RoomRecord | None = None
    """Another node, as last read."""
    at: float = math.inf
    """When there is something to do for it."""
    busy: bool = False
    doubtful: bool = False
    """A claim was sent, and what became of it is not known."""


class RoomKeeper:
    """One state for each room, moved on by `poll` and by what it is answered."""

    def __init__(self, us: str, lease: Lease, view: NodeView, timing: Timing, random: Random) -> None:
        self._us = us
        self._lease = lease
        self._view = view
        self._timing = timing
        self._random = random
        self._rooms: dict[str, _Room] = {}
        self._queue: list[tuple[float, str]] = []
        self._in_flight = 0
        self._phase = random.uniform(0.0, timing.read_every)
        self.news: deque[News] = deque()

    def __len__(self) -> int:
        return len(self._rooms)

    def attend(self, name: str, now: float) -> None:
        """Somebody of ours is in it: it must have a home, here or elsewhere.

        Raises:
            ArgumentError: it has no name that the directory takes.
        """
        room = self._rooms.get(name)
        if room is None:
            room = self._rooms[check_room(name)] = _Room(name)
        elif room.wanted:
            return
        else:
            # what was said of the old claim may still be on its way, so it is not gone on with
            room.wanted, room.token, room.generation = True, 0, 0
        self._schedule(room, now)

    def leave(self, name: str, now: float) -> None:
        """Nobody of ours is in it; if it is ours, it is over. What there is to tell is told when the store is there."""
        if (room := self._rooms.get(name)) is None or not room.wanted:
            return
        room.wanted, room.generation, room.home = False, 0, None
        if room.token or room.doubtful or room.busy:
            self._schedule(room, now)
        else:
            del self._rooms[name]

    def hand_over(self, name: str, now: float) -> int:
        """Count on it no more, and return its token for a `Move`; 0: it is not ours. Then its home is asked for."""
        room = self._rooms.get(name)
        if room is None or not self.holds(name, now):
            return 0
        token, room.token, room.generation, room.home = room.token, 0, 0, None
        self._schedule(room, now + self._timing.ask_timeout)
        return token

    def doubt(self, name: str, now: float) -> None:
        """Somebody says that it is not as we think: ask again."""
        if (room := self._rooms.get(name)) is not None and room.wanted:
            room.generation = 0
            self._schedule(room, now)

    def disown(self, name: str, now: float) -> None:
        """Another node takes us for the home of a room: if it is not one of ours, find out why, and give it up."""
        if name not in self._rooms:
            room = self._rooms[check_room(name)] = _Room(name, wanted=False, doubtful=True)
            self._schedule(room, now)

    def holds(self, name: str, now: float) -> bool:
        """Return whether we are its home, and nobody else can be."""
        room = self._rooms.get(name)
        return room is not None and room.token > 0 and self._lease.covers(room.generation, now)

    def find_token(self, name: str) -> int:
        """Return under which token it is, or was, ours; 0: it is not."""
        room = self._rooms.get(name)
        return room.token if room is not None and room.wanted else 0

    def find_home(self, name: str) -> RoomRecord | None:
        """Return which other node is its home as far as we know."""
        room = self._rooms.get(name)
        return room.home if room is not None else None

    def list_held(self, now: float) -> list[str]:
        """Return of which rooms we are home."""
        return [name for name in self._rooms if self.holds(name, now)]

    def lapse(self, now: float) -> None:
        """Another generation of the lease begins: ask for all again."""
        for room in self._rooms.values():
            if room.token or not room.wanted:
                self._schedule(room, now)
            elif room.home is not None:
                # once whoever was its home has had the time to say so again
                self._schedule(room, now + self._timing.watch + self._random.uniform(0.3, 0.6))

    def lose_nodes(self, gone: Sequence[tuple[str, int]], now: float) -> None:
        """Those processes are gone, and no home any more; whoever of us comes first is."""
        lost = set(gone)
        for room in self._rooms.values():
            if room.home is not None and (room.home.node, room.home.epoch) in lost:
                room.home = None
                self._schedule(room, now + self._random.uniform(0.0, 0.05))

    def next_at(self) -> float:
        """Return when `poll` has something to say, if the lease is good then."""
        return self._queue[0][0] if self._queue and self._in_flight < MAX_IN_FLIGHT else math.inf

    def poll(self, now: float) -> list[Request[object]]:
        """Return what to ask now."""
        if self._lease.state(now) is not LeaseState.HOLDS:
            return []
        requests: list[Request[object]] = []
        while self._in_flight < MAX_IN_FLIGHT and self._queue and self._queue[0][0] <= now:
            claims, holding, releases, reads = self._gather(now)
            latest = self._lease.clock.find_latest_ms(now)
            us = (self._us, self._lease.epoch)
            found: list[Request[object]] = [
                Claim(*us, self._lease.incarnation, latest, held, tuple((one.name, one.token) for one in rooms))
                for rooms, held in ((claims, False), (holding, True))
                if rooms
            ]
            if releases:
                found.append(Release(*us, tuple((room.name, room.token) for room in releases)))
            if reads:
                found.append(Read(tuple(room.name for room in reads)))
            self._in_flight += len(found)
            requests += found
        return requests

    def _gather(self, now: float) -> tuple[list[_Room], list[_Room], list[_Room], list[_Room]]:
        claims, holding, releases, reads = list[_Room](), list[_Room](), list[_Room](), list[_Room]()
        while self._queue and self._queue[0][0] <= now:
            if max(map(len, (claims, holding, releases, reads))) >= BATCH:
                break
            at, name = heapq.heappop(self._queue)
            room = self._rooms.get(name)
            if room is None or room.at != at or room.busy:
                continue
            room.at = math.inf
            if not room.wanted and not room.doubtful and not room.token:
                del self._rooms[name]
                continue
            if room.wanted and room.token and room.generation == self._lease.generation:
                continue
            room.busy = True
            if not room.wanted:
                (reads if room.doubtful else releases).append(room)
            elif room.token and self._lease.covers(room.generation, now):
                holding.append(room)
            elif room.token or room.home is None or not self._is_living(room.home):
                claims.append(room)
            else:
                reads.append(room)
        return claims, holding, releases, reads

    def _is_living(self, home: RoomRecord) -> bool:
        """As the store said; that he is gone is told by `lose_nodes`."""
        return home.alive or self._view.is_living(home.node, home.epoch)

    def take_claim(self, claim: Claim, claimed: Sequence[Claimed], generation: int, now: float) -> None:
        """It was answered; it was sent in that generation of the lease."""
        self._in_flight -= 1
        for (name, token), one in zip(claim.rooms, claimed, strict=True):
            if (room := self._end_asking(name)) is not None:
                self._take_one(room, token, one, generation, now)

    def _take_one(self, room: _Room, asked: int, claimed: Claimed, generation: int, now: float) -> None:
        home = claimed.home
        if claimed.outcome == "claimed" and home is not None:
            ours = room.wanted and generation == self._lease.generation
            room.token, room.doubtful, room.home = home.token, False, None
            room.generation = generation if ours else 0
            if ours:
                self.news.append(RoomOurs(room.name, home.token))
            else:
                self._schedule(room, now)
        elif claimed.outcome == "held" and home is not None:
            was_ours, room.token, room.generation, room.doubtful = room.token > 0, 0, 0, False
            self._learn(room, home, now, was_ours=was_ours)
        else:
            room.doubtful = room.doubtful and claimed.outcome != "free"
            at = now + self._retry()
            if claimed.outcome in ("kept", "free"):
                watched_at = self._lease.clock.watched_at()
                at = max(at, watched_at + self._random.uniform(0.0, 0.1)) if watched_at is not None else at
            self._schedule(room, at)

    def _learn(self, room: _Room, home: RoomRecord, now: float, *, was_ours: bool = False) -> None:
        changed = room.home is None or (room.home.node, room.home.token) != (home.node, home.token)
        room.home = home
        at = now
        if room.wanted:
            known = self._view.is_living(home.node, home.epoch)
            at = self._plan_read(now) if known else now + _STRANGE * self._random.uniform(0.8, 1.2)
        self._schedule(room, at)
        if room.wanted and (changed or was_ours):
            self.news.append(RoomElsewhere(home, was_ours))

    def _plan_read(self, now: float) -> float:
        """All rooms of a node are read again at the same time, so that they need few requests."""
        every = self._timing.read_every
        return now + every / 2 + (self._phase - now - every / 2) % every

    def take_read(self, read: Read, found: Sequence[FoundRoom], now: float) -> None:
        """It was answered."""
        self._in_flight -= 1
        for name, one in zip(read.rooms, found, strict=True):
            if (room := self._end_asking(name)) is not None:
                self._take_found(room, one.home, now)

    def _take_found(self, room: _Room, home: RoomRecord | None, now: float) -> None:
        if not room.wanted:
            ours = home is not None and (home.node, home.epoch) == (self._us, self._lease.epoch)
            room.token = home.token if ours and home is not None else room.token
            room.doubtful = False
            self._schedule(room, now)
        elif home is None or not home.alive or (home.node, home.epoch) == (self._us, self._lease.epoch):
            room.home = None
            self._schedule(room, now + self._retry())
        else:
            self._learn(room, home, now)

    def take_release(self, release: Release, now: float) -> None:
        """It was answered: what was not ours then is not ours now."""
        self._in_flight -= 1
        for name, token in release.rooms:
            if (room := self._end_asking(name)) is not None:
                if not room.wanted and room.token == token:
                    room.token = 0
                self._schedule(room, now)

    def fail(self, request: Request[object], now: float) -> None:
        """It was not answered, and may have been done or not."""
        self._in_flight -= 1
        match request:
            case Claim(rooms=pairs) | Release(rooms=pairs):
                names = [name for name, _ in pairs]
            case Read(rooms=rooms):
                names = list(rooms)
            case _:
                return
        for name in names:
            if (room := self._end_asking(name)) is not None:
                room.doubtful = room.doubtful or isinstance(request, Claim)
                self._schedule(room, now + (self._retry() if room.wanted else _SURELY_OVER))

    def _end_asking(self, name: str) -> _Room | None:
        room = self._rooms.get(name)
        if room is not None:
            room.busy = False
        return room

    def _retry(self) -> float:
        return _AGAIN * self._random.uniform(0.5, 1.5)

    def _schedule(self, room: _Room, at: float) -> None:
        room.at = at
        if room.busy:
            return
        heapq.heappush(self._queue, (at, room.name))
        if len(self._queue) > 4 * len(self._rooms) + BATCH:
            self._queue = [(one.at, one.name) for one in self._rooms.values() if not one.busy and one.at < math.inf]
            heapq.heapify(self._queue)
