"""A large cluster with rooms that come and go, in virtual time, and what happens to it."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.cluster.node import SimNode
from bench.cluster.world import World
from sfu.cluster.news import News, RoomOurs
from sfu.cluster.node_requests import Loads
from sfu.cluster.placement import choose, pick_candidates
from sfu.cluster.records import NodeRecord

START = 1.0
"""Seconds within which all nodes start."""
FILL_FROM, FILL_UNTIL = 4.0, 12.0
"""When the rooms are opened that there are from the beginning."""
_LOOK_EVERY = 0.25
_GRACE = 1.0
"""A room that was opened a moment ago needs no home yet."""


@dataclass(frozen=True, slots=True)
class Size:
    """What to simulate. `life`: how long a room lasts, in seconds; `spread`: the share of rooms with a second node."""

    nodes: int = 1000
    rooms: int = 100_000
    seconds: float = 60.0
    regions: int = 4
    life: float = 2700.0
    spread: float = 0.2


@dataclass(slots=True)
class Incident:
    """What happened to it, and how long it took until each room had a home that was sure of it."""

    name: str
    at: float
    without_home: int = 0
    """Rooms, at most at once."""
    settled_after: float | None = None
    """Seconds; None: not within what was simulated."""


@dataclass(slots=True)
class Outcome:
    """What was counted; rates are of the time after the rooms had been opened."""

    size: Size
    operations: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)
    counted_seconds: float = 0.0
    peak_operations: int = 0
    """A second, opening of the first rooms included."""
    peak_bytes: int = 0
    failures: int = 0
    placed: int = 0
    placing_median_ms: float = 0.0
    placing_p99_ms: float = 0.0
    """From a client's coming to the room's having a home; outages included, the first rooms left out."""
    double_homes: int = 0
    most_by_mean: float = 0.0
    """Rooms of the node with most of them, by the mean."""
    incidents: list[Incident] = field(default_factory=list)


class Crowd:
    """`progress` is told the virtual time, each second."""

    def __init__(self, size: Size, seed: int, progress: Callable[[float], None] = lambda now: None) -> None:
        self.size = size
        self.world = World(seed)
        self.outcome = Outcome(size)
        self._progress = progress
        self._random = self.world.random
        self._capacity = 2 * size.rooms / size.nodes + 10
        self._rooms: dict[str, set[str]] = {}
        """Nodes that have people in it."""
        self._names: list[str] = []
        self._opened: dict[str, float] = {}
        self._waiting: dict[str, float] = {}
        """Rooms that were opened and have not been claimed yet."""
        self._placing_ms: list[float] = []
        self._loads: Counter[str] = Counter()
        self._number = 0
        self._last = (0, 0)
        self._watched: list[Incident] = []
        self._nodes = [self._build(number) for number in range(size.nodes)]

    def _build(self, number: int) -> SimNode:
        region = f"region-{number % self.size.regions}"
        urls = {"link_url": f"https://n{number:04}.example:7000", "client_url": f"https://n{number:04}.example"}
        record = NodeRecord(id=f"n{number:04}", region=region, fingerprint="AB:" * 31 + "AB", version="1.0.0", **urls)
        node = SimNode(
            self.world, record, rate=self._random.uniform(0.9999, 1.0001), offset=self._random.uniform(0, 1e6)
        )
        node.tell = self._hear
        self.world.schedule(self._random.uniform(0.0, START), node.start)
        return node

    def run(self) -> Outcome:
        """Simulate all of it."""
        size, world = self.size, self.world
        for _ in range(size.rooms):
            world.schedule(self._random.uniform(FILL_FROM, FILL_UNTIL), self._open)
        world.schedule(FILL_UNTIL, self._churn)
        world.schedule(FILL_UNTIL + 2.0, self._start_counting)
        rest = size.seconds - FILL_UNTIL - 4.0
        for share, action in ((0.05, self.kill), (0.3, self.flush), (0.55, self.stop), (0.8, self.cut)):
            world.schedule(FILL_UNTIL + 4.0 + rest * share, action)
        second = 0.0
        while second < size.seconds:
            second += 1.0
            world.run(second)
            self._look_each_second()
            self._progress(second)
        return self._finish()

    def _start_counting(self) -> None:
        self.world.operations.clear()
        self.world.bytes.clear()
        self._placing_ms.clear()
        self._last = (0, 0)
        self.outcome.counted_seconds = self.size.seconds - self.world.now

    def _living(self) -> list[SimNode]:
        return [node for node in self._nodes if node.alive]

    def _churn(self) -> None:
        """One room opens, and another one is over."""
        self._open()
        if self._names:
            index = self._random.randrange(len(self._names))
            self._names[index], self._names[-1] = self._names[-1], self._names[index]
            self._end(self._names.pop())
        pause = self._random.expovariate(self.size.rooms / self.size.life)
        self.world.schedule(self.world.now + pause, self._churn)

    def _open(self) -> None:
        self._number += 1
        self._enter(f"room-{self._number:07}", self._random.choice(self._nodes))

    def _enter(self, room: str, door: SimNode) -> None:
        """A client comes to a node for a new room, and may be sent to another one."""
        if not door.alive:
            self.world.schedule(self.world.now + 1.0, lambda: self._enter(room, self._random.choice(self._nodes)))
            return
        began = self.world.now
        others = door.membership.view.nodes.values()
        candidates = pick_candidates(door.record, others, self._random)

        def placed(loads: object) -> None:
            assert isinstance(loads, dict)
            chosen = choose(candidates, door.id, loads) or door.record
            node = self.world.nodes[chosen.id]
            self._names.append(room)
            self._opened[room] = self._waiting[room] = began
            self._come(room, node if node.alive else door)
            if self._random.random() < self.size.spread:
                second = self._random.choice(self._nodes)
                self.world.schedule(self.world.now + 1.0, lambda: self._come(room, second))

        door.ask(Loads(tuple(node.id for node in candidates)), placed)

    def _come(self, room: str, node: SimNode) -> None:
        if room not in self._opened or not node.alive:
            return
        there = self._rooms.setdefault(room, set())
        if node.id not in there:
            there.add(node.id)
            self._count(node, 1)
            node.attend(room)

    def _end(self, room: str) -> None:
        """It is over for all, the home last, as its node knows."""
        del self._opened[room]
        self._waiting.pop(room, None)
        nodes = [self.world.nodes[name] for name in self._rooms.pop(room, ())]
        for node in sorted((node for node in nodes if node.alive), key=lambda node: node.holds(room)):
            self._count(node, -1)
            node.depart(room)

    def _count(self, node: SimNode, more: int) -> None:
        self._loads[node.id] += more
        node.membership.load = self._loads[node.id] / self._capacity

    def _hear(self, node: SimNode, news: News) -> None:
        if isinstance(news, RoomOurs) and (began := self._waiting.pop(news.room, None)) is not None:
            self.outcome.placed += 1
            self._placing_ms.append((self.world.now - began) * 1000)

    def kill(self) -> None:
        """One node of a hundred dies, and its clients come to others."""
        dead = self._random.sample(self._living(), max(1, self.size.nodes // 100))
        gone = {node.id for node in dead}
        for node in dead:
            node.kill()
        for room, there in self._rooms.items():
            if there & gone:
                there.difference_update(gone)
                back = self._random.uniform(1.0, 3.0)
                self.world.schedule(
                    self.world.now + back, lambda room=room: self._come(room, self._random.choice(self._living()))
                )
        self._watch(f"{len(dead)} nodes die")

    def flush(self) -> None:
        """The store loses all that it has."""
        self.world.store.flush()
        self._watch("the store loses all")

    def stop(self) -> None:
        """The store is away for a while, and comes back empty."""
        self._watched = []
        self.world.down = True
        self.world.store.flush()

        def come_back() -> None:
            self.world.down = False
            self._watch("the store was away for 5 s")

        self.world.schedule(self.world.now + 5.0, come_back)

    def cut(self) -> None:
        """Some nodes are cut off from the store, for longer than a lease."""
        apart = self._random.sample(self._living(), max(1, self.size.nodes // 20))
        self._watched = []
        for node in apart:
            node.cut = True

        def heal() -> None:
            for node in apart:
                node.cut = False
            self._watch(f"{len(apart)} nodes were cut off for 4 s")

        self.world.schedule(self.world.now + 4.0, heal)

    def _watch(self, name: str) -> None:
        incident = Incident(name, self.world.now)
        self.outcome.incidents.append(incident)
        self._watched = [incident]
        self.world.schedule(self.world.now + _LOOK_EVERY, lambda: self._look_after(incident))

    def _look_after(self, incident: Incident) -> None:
        if incident not in self._watched:
            return
        now = self.world.now
        held = self._count_homes()
        old = [room for room, began in self._opened.items() if began < now - _GRACE and self._rooms.get(room)]
        without = sum(room not in held for room in old)
        incident.without_home = max(incident.without_home, without)
        # those whose clients are on their way back come later
        if without:
            incident.settled_after = None
        elif incident.settled_after is None:
            incident.settled_after = now - incident.at
        if now - incident.at < 10.0:
            self.world.schedule(now + _LOOK_EVERY, lambda: self._look_after(incident))

    def _count_homes(self) -> Counter[str]:
        """Return how many are home of each room, and count those of which two are."""
        held = Counter[str]()
        for node in self._nodes:
            if node.alive:
                held.update(node.membership.rooms.list_held(node.clock))
        self.outcome.double_homes += sum(count > 1 for count in held.values())
        return held

    def _look_each_second(self) -> None:
        operations, size = self.world.operations.total(), self.world.bytes.total()
        before = self._last
        self._last = (operations, size)
        self.outcome.peak_operations = max(self.outcome.peak_operations, operations - before[0])
        self.outcome.peak_bytes = max(self.outcome.peak_bytes, size - before[1])
        if not self._watched or self.world.now - self._watched[0].at > 10.0:
            self._count_homes()

    def _finish(self) -> Outcome:
        outcome = self.outcome
        outcome.operations.update(self.world.operations)
        outcome.bytes.update(self.world.bytes)
        outcome.failures = self.world.failures
        if len(self._placing_ms) > 100:
            outcome.placing_median_ms = statistics.median(self._placing_ms)
            outcome.placing_p99_ms = statistics.quantiles(self._placing_ms, n=100)[98]
        homes = [len(node.membership.rooms.list_held(node.clock)) for node in self._living()]
        outcome.most_by_mean = max(homes) / statistics.mean(homes)
        return outcome
