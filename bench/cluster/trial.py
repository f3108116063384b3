"""One small cluster, who is in which room there, and whether all is well."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from bench.cluster.node import SimNode
from bench.cluster.world import World
from sfu.cluster.records import NodeRecord
from sfu.cluster.room_requests import Move
from sfu.cluster.timing import CLUSTER, Timing

TROUBLE = 20.0
"""Seconds in which things happen."""
PEACE = 16.0
"""Seconds of quiet after that: until then all must agree."""
_LINK_EVERY = 1.5


@dataclass
class Verdict:
    """Of one seed; empty where all is well."""

    seed: int
    double_homes: list[str] = field(default_factory=list)
    disagreements: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    """What was done to it, and when."""

    @property
    def is_good(self) -> bool:
        """Whether nothing was wrong."""
        return not self.double_homes and not self.disagreements


class Trial:
    """One small cluster, and who is in which room there."""

    def __init__(self, seed: int, *, timing: Timing = CLUSTER, nodes: int | None = None) -> None:
        self.world = World(seed, timing=timing)
        self.verdict = Verdict(seed)
        self.random = Random(seed ^ 0x5EED)
        self.rooms = [f"room {number}" for number in range(self.random.randint(1, 3))]
        self.there: dict[str, set[str]] = {}
        """Rooms that have people, by node."""
        self._snapshot: dict[str, object] | None = None
        for number in range(self.random.randint(2, 5) if nodes is None else nodes):
            self.add_node(f"n{number}", self.random.uniform(0.995, 1.0049), self.random.uniform(-1e5, 1e5))
        self.world.after_event = self.check_homes
        self.ask_homes()

    def add_node(self, name: str, rate: float = 1.0, offset: float = 0.0) -> SimNode:
        """Have another node start."""
        node = SimNode(self.world, NodeRecord(id=name), rate=rate, offset=offset)
        self.there[name] = set()
        node.start()
        return node

    def check_homes(self) -> None:
        """Write down where two are home of one room."""
        for room in self.rooms:
            if len(holders := self.world.find_holders(room)) > 1 and len(self.verdict.double_homes) < 10:
                self.verdict.double_homes.append(f"{self.world.now:.4f}: {room} at {' and '.join(holders)}")

    def ask_homes(self) -> None:
        """Nodes speak to the homes of their rooms by links of their own, which are never cut here."""
        for node in self.world.nodes.values():
            for room in self.there[node.id] if node.alive and not node.paused else ():
                home = node.membership.rooms.find_home(room)
                other = self.world.nodes.get(home.node) if home is not None else None
                if other is not None and other.alive and not other.paused:
                    other.membership.rooms.disown(room, other.clock)
                    other.drive()
        self.world.schedule(self.world.now + _LINK_EVERY, self.ask_homes)

    def note(self, text: str) -> None:
        """Write down what was done."""
        self.verdict.events.append(f"{self.world.now:.3f} {text}")

    def toggle(self, node: SimNode, room: str) -> None:
        """Somebody comes in to a room at a node, or the last one leaves."""
        if not node.alive or node.paused:
            return
        rooms = self.there[node.id]
        if room in rooms:
            rooms.discard(room)
            self.note(f"{node.id} departs from {room}")
            node.depart(room)
        else:
            rooms.add(room)
            self.note(f"{node.id} attends {room}")
            node.attend(room)

    def begin_again(self, node: SimNode) -> None:
        """A node's process starts, and its clients are gone."""
        self.there[node.id].clear()
        node.start()

    def move(self, node: SimNode, room: str, heir: SimNode) -> None:
        """A node hands a room over."""
        if not node.alive or node.paused or not (token := node.membership.rooms.hand_over(room, node.clock)):
            return
        self.note(f"{node.id} hands {room} to {heir.id}")
        lease, other = node.membership.lease, heir.membership.lease
        if heir.alive and not heir.paused:
            self.there[heir.id].add(room)
            heir.attend(room)

        def moved(_: object) -> None:
            if heir.alive and not heir.paused:
                heir.membership.rooms.doubt(room, heir.clock)
                heir.drive()

        node.ask(Move(node.id, lease.epoch, room, token, heir.id, other.epoch), moved)
        node.drive()

    @property
    def has_replica(self) -> bool:
        """Whether there is what could take over."""
        return self._snapshot is not None

    def keep(self) -> None:
        """A replica has what stands in the store now."""
        self._snapshot = self.world.take_snapshot()

    def fail_over(self) -> None:
        """A replica that lags behind takes over."""
        if self._snapshot is not None:
            self.note("failover to a replica that lags")
            self.world.fail_over(self._snapshot)

    def heal(self) -> None:
        """All is well from now on."""
        self.note("all is well")
        self.world.down = False
        self.world.stalled_until = 0.0
        network = self.world.network
        network.loss = network.late = 0.0
        network.latency = 0.0003
        for node in self.world.nodes.values():
            node.cut = False
            if node.alive and node.paused:
                node.resume()
            elif not node.alive:
                self.begin_again(node)

    def judge(self) -> Verdict:
        """Look, after some peace, whether all agree."""
        world, wrong = self.world, self.verdict.disagreements
        for room in self.rooms:
            holders = world.find_holders(room)
            inside = {node for node, rooms in self.there.items() if room in rooms}
            if len(holders) != bool(inside) or not set(holders) <= inside:
                wrong.append(f"{room}: people at {sorted(inside)}, held by {holders}")
                continue
            for name in inside:
                home = world.nodes[name].membership.find_home(room, world.nodes[name].clock)
                if home is None or [home.node] != holders:
                    wrong.append(f"{room}: {name} takes {home} for its home, not {holders}")
        return self.verdict
