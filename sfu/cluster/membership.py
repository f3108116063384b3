"""One node in a cluster, without IO: when it asks the directory what, and what it makes of the answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from sfu.cluster.lease import Lease, LeaseState
from sfu.cluster.news import Excluded, News, NodeGone, NodeThere
from sfu.cluster.node_requests import Leave, Look, Renew, Renewed, SeenNodes, Sweep
from sfu.cluster.node_view import NodeView
from sfu.cluster.records import NodeRecord, RoomRecord, check_node_id
from sfu.cluster.requests import Request
from sfu.cluster.room_keeper import RoomKeeper
from sfu.cluster.room_requests import Claim, Claimed, FoundRoom, Read, Release
from sfu.cluster.timing import CLUSTER, PROTOCOL, Timing

NEIGHBOURS = 2
"""So many nodes look after each: one of them may go at the same time."""
_FIRST_RETRY, _SOON = 0.05, 0.1
_LEAST_SWEEP = 10.0


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A request that is on its way: who carries it brings it back with its answer, or without one."""

    request: Request[object]
    sent: float
    generation: int


class Membership:
    """The state of one node, or rather of one process.

    Whoever drives it sends what `poll` returns, each at once and with a time-out of `Timing.ask_timeout`, calls
    `answer` or `fail` for each, and `poll` again after that, after any other call, and at `next_at`. `now` is a
    monotonic clock, in seconds, which should count while the machine sleeps.
    """

    def __init__(self, record: NodeRecord, *, random: Random, timing: Timing = CLUSTER, epoch: int = 0) -> None:
        check_node_id(record.id)
        self._record = replace(record, epoch=0, protocol=PROTOCOL)
        self._record.encode()
        self._timing = timing
        self._random = random
        self.lease = Lease(timing, epoch)
        self.view = NodeView(record.id)
        self.rooms = RoomKeeper(record.id, self.lease, self.view, timing, random)
        self.load = 0.0
        """0 to 1; told with each renewal."""
        self._tell_record = True
        self._renew_at = -math.inf
        self._renewing = False
        self._failures = 0
        self._neighbours: tuple[str, ...] = ()
        self._look_at = math.inf
        self._looking = False
        self._looked_at = -math.inf
        self._sweep_at = math.inf
        self._incarnate_since = -math.inf
        self._refused_since: float | None = None
        self._told: Excluded | None = None
        self._over = False
        self.forgotten = 0
        """Rooms of nodes that are gone, which this one has taken out of the directory."""

    @property
    def node(self) -> str:
        """Its id."""
        return self._record.id

    @property
    def record(self) -> NodeRecord:
        """What it tells of itself."""
        return self._record

    def update(self, record: NodeRecord, now: float) -> None:
        """Tell something else of this node, as that it drains.

        Raises:
            ArgumentError: it is too long.
        """
        record = replace(record, id=self.node, epoch=0, protocol=PROTOCOL)
        record.encode()
        if record != self._record:
            self._record, self._tell_record = record, True
            self._renew_at = min(self._renew_at, now)

    def state(self, now: float) -> LeaseState:
        """Return what its lease is worth."""
        return self.lease.state(now)

    def may_claim(self, now: float) -> bool:
        """Return whether it can become home of a room now; else whoever wants to open one may try again in a moment."""
        return self.state(now) is LeaseState.HOLDS and self.lease.clock.find_latest_ms(now) > 0

    def find_home(self, room: str, now: float) -> RoomRecord | None:
        """Return a room's home as far as this node knows, which may be itself."""
        if self.rooms.holds(room, now):
            return RoomRecord(room, self.node, self.lease.epoch, self.rooms.find_token(room))
        return self.rooms.find_home(room)

    def next_at(self, now: float) -> float:
        """Return when `poll` has something to say."""
        if self._over:
            return math.inf
        first = min(math.inf if self._renewing else self._renew_at, self.view.next_at())
        if self.state(now) is not LeaseState.HOLDS:
            return first
        return min(first, math.inf if self._looking else self._look_at, self._sweep_at, self.rooms.next_at())

    def poll(self, now: float) -> list[Asked]:
        """Return what is to be sent now."""
        if self._over:
            return []
        self._lose(self.view.expire(now), now)
        requests: list[Request[object]] = []
        if not self._renewing and now >= self._renew_at:
            self._renewing = True
            requests.append(self._build_renew(now))
        if self.state(now) is LeaseState.HOLDS:
            if not self._looking and now >= self._look_at:
                self._looking, self._look_at, self._looked_at = True, math.inf, now
                requests.append(Look(self.view.version, self.view.incarnation))
            if now >= self._sweep_at:
                self._plan_sweep(now)
                requests.append(Sweep(round(self._timing.sweep_after * 1000)))
            requests += self.rooms.poll(now)
        return [Asked(request, now, self.lease.generation) for request in requests]

    def _build_renew(self, now: float) -> Renew:
        record = self._record if self._tell_record else None
        self._neighbours = self.view.find_neighbours(NEIGHBOURS) if self.may_claim(now) else ()
        return Renew(self.node, self.lease.epoch, min(max(self.load, 0.0), 1.0), record, self._neighbours)

    def answer(self, asked: Asked, reply: object, now: float) -> None:
        """It was answered."""
        match asked.request, reply:
            case Renew() as renew, Renewed() as renewed:
                self._renewing = False
                self._failures = 0
                self._take_renewed(renew, renewed, asked.sent, now)
            case Look(), SeenNodes() as seen:
                self._looking = False
                self._take_seen(seen, now)
            case Claim() as claim, tuple() as claimed:
                self._take_claimed(claim, claimed, asked.generation, now)
            case Read() as read, tuple() as found:
                rooms: Sequence[FoundRoom] = found
                self.rooms.take_read(read, rooms, now)
            case Release() as release, _:
                self.rooms.take_release(release, now)
            case Sweep(), int() as forgotten:
                self.forgotten += forgotten
            case _:
                raise TypeError(f"{type(reply).__name__} is no answer to {asked.request.script}")

    def fail(self, asked: Asked, now: float) -> None:
        """It was not answered in time, or not with anything of use."""
        match asked.request:
            case Renew():
                self._renewing = False
                self._failures += 1
                wait = min(_FIRST_RETRY * 2 ** min(self._failures - 1, 10), self._timing.renew_every)
                self._renew_at = now + wait * self._random.uniform(0.5, 1.0)
            case Look():
                self._looking = False
                self._look_soon(now)
            case Sweep():
                pass
            case request:
                self.rooms.fail(request, now)

    def hint(self, text: str, now: float) -> None:
        """Something has changed, as the directory says in passing."""
        if text in ("nodes", "doubt"):
            self._look_soon(now)

    def leave(self, now: float) -> Leave | None:
        """Count on nothing any more; return what to tell the directory, if there is anything."""
        leave = Leave(self.node, self.lease.epoch) if self.state(now) is not LeaseState.LOST else None
        self.lease.end()
        self._over = True
        return leave

    def read_news(self) -> list[News]:
        """Return what has happened since the last time."""
        news = list(self.rooms.news)
        self.rooms.news.clear()
        return news

    def _take_renewed(self, renew: Renew, renewed: Renewed, sent: float, now: float) -> None:
        if renewed.outcome != "renewed":
            self._be_refused(renewed, now)
            return
        self._refused_since = self._told = None
        reborn = renewed.incarnation != self.lease.incarnation
        lapsed = self.lease.take(renewed, sent, now)
        if renew.record == self._record:
            self._tell_record = False
        self._tell_record = self._tell_record or not renewed.known
        self._renew_at = sent + self._timing.renew_every
        if self._tell_record:
            self._renew_at = now
        elif renewed.soonest_ms >= 0 and renew.neighbours:
            # to be there when a neighbour's lease runs out
            self._renew_at = min(self._renew_at, now + max(renewed.soonest_ms / 1000 + 0.01, _SOON))
        if reborn:
            self._incarnate_since = now
            self._plan_sweep(now)
        if lapsed:
            self.rooms.lapse(now)
        if renewed.version != self.view.version or renewed.incarnation != self.view.incarnation:
            self._look_soon(now)

    def _be_refused(self, renewed: Renewed, now: float) -> None:
        """Another process has our id: one before us, one beside us, or a registration of ours that came late. Then we
        register anew, which succeeds once nobody renews that lease.
        """
        if renewed.outcome == "superseded":
            self.lease.end()
            self.lease.epoch = 0
        elif renewed.outcome == "protocol":
            self._tell(Excluded(f"the cluster speaks protocol {renewed.epoch}, and this node {PROTOCOL}"))
        since = self._refused_since = now if self._refused_since is None else self._refused_since
        left = min(max(renewed.soonest_ms / 1000, 0.0), self._timing.lease)
        self._renew_at = now + (self._timing.lease if renewed.outcome == "protocol" else left) + _SOON
        if renewed.outcome != "protocol" and now - since > 2 * self._timing.lease:
            self._tell(Excluded(f"another process is node {self.node}: give each an id of its own"))

    def _tell(self, what: Excluded) -> None:
        if what != self._told:
            self._told = what
            self.rooms.news.append(what)

    def _take_seen(self, seen: SeenNodes, now: float) -> None:
        watched_at = self.lease.clock.watched_at()
        if seen.incarnation != self.lease.incarnation:
            self._renew_at = min(self._renew_at, now)
            until = now + self._timing.watch + self._timing.ask_timeout
        else:
            until = watched_at if watched_at is not None else now + self._timing.watch
        there, gone = self.view.merge(seen, until)
        self._lose(gone, now)
        self._lose(self.view.expire(now), now)
        self.rooms.news.extend(NodeThere(node) for node in there)

    def _lose(self, gone: Sequence[NodeRecord], now: float) -> None:
        if not gone:
            return
        self.rooms.news.extend(NodeGone(node) for node in gone)
        self.rooms.lose_nodes([(node.id, node.epoch) for node in gone], now)
        if any(node.id in self._neighbours for node in gone):
            self._renew_at = min(self._renew_at, now + _SOON)  # who comes next in the ring may be gone, too

    def _take_claimed(self, claim: Claim, claimed: Sequence[Claimed], generation: int, now: float) -> None:
        self.rooms.take_claim(claim, claimed, generation, now)
        if any(one.outcome in ("unleased", "reborn") for one in claimed):
            self._renew_at = min(self._renew_at, now)

    def _look_soon(self, now: float) -> None:
        self._look_at = min(self._look_at, max(now, self._looked_at + self._timing.look_every))

    def _plan_sweep(self, now: float) -> None:
        """About once a second in the whole cluster, and not before all who hold have come back to a new store."""
        pause = max(_LEAST_SWEEP, float(len(self.view.nodes))) * self._random.uniform(0.5, 1.5)
        self._sweep_at = max(now + pause, self._incarnate_since + self._timing.sweep_after)
