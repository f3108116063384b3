"""Virtual time, a store that many ask, and the network between: what is slow, lost, cut off or gone is the caller's."""

from __future__ import annotations

import copy
import heapq
import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from sfu.cluster.memory_store import MemoryStore
from sfu.cluster.records import RecordError
from sfu.cluster.requests import Request
from sfu.cluster.timing import CLUSTER, Timing

if TYPE_CHECKING:
    from bench.cluster.node import SimNode

_CALENDAR = 1_700_000_000.0
_OVERHEAD_BYTES = 40
"""Of a request by redis-py: its name, the script's digest, the prefix and the nonce come on top of what is counted."""


@dataclass(slots=True)
class Network:
    """Between nodes and the store, in seconds and shares of one."""

    latency: float = 0.0003
    """At least, each way; as much again on the average."""
    loss: float = 0.0
    """Of requests, and again of answers."""
    late: float = 0.0
    """Of the lost requests: come to the store up to six seconds later, when nobody waits for them any more."""


class World:
    """All that happens, in order. `seed`: what is random is the same for the same."""

    def __init__(self, seed: int, *, timing: Timing = CLUSTER, service: float = 40e-6) -> None:
        self.random = Random(seed)
        self.timing = timing
        self.now = 0.0
        self.wall_step = 0.0
        """By how much the store's calendar has been put forward."""
        self.network = Network()
        self.store = MemoryStore(self._read_wall, timing.lease_ms)
        self.store.listen(self._publish)
        self.down = False
        """The store refuses all."""
        self.stalled_until = 0.0
        """The store answers nothing before that, and then all."""
        self.nodes: dict[str, SimNode] = {}
        self.operations: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()
        self.failures = 0
        self._service = service
        self._free_at = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self.after_event: Callable[[], None] | None = None
        """Called after each, to look whether all is well."""

    def _read_wall(self) -> float:
        return _CALENDAR + self.now + self.wall_step

    def schedule(self, at: float, action: Callable[[], None]) -> None:
        """Have something happen then."""
        heapq.heappush(self._events, (max(at, self.now), next(self._order), action))

    def run(self, until: float) -> None:
        """Let all happen that happens before that."""
        while self._events and self._events[0][0] <= until:
            self.now, _, action = heapq.heappop(self._events)
            action()
            if self.after_event is not None:
                self.after_event()
        self.now = max(self.now, until)

    def ask(
        self, node: SimNode, request: Request[object], done: Callable[[object], None], failed: Callable[[], None]
    ) -> None:
        """Carry a request to the store and its answer back; one of both is called, unless the node has gone."""
        sent, network, random = self.now, self.network, self.random
        life = node.life

        def give_up() -> None:
            self.failures += 1
            self.schedule(sent + self.timing.ask_timeout, lambda: failed() if node.life == life else None)

        def arrive() -> None:
            if self.down or node.cut:
                give_up()
                return
            begin = max(self.now, self.stalled_until, self._free_at)
            self._free_at = begin + self._service
            self.schedule(self._free_at, execute)

        def execute() -> None:
            raw = self._execute(request)
            back = self.now + self._travel()
            if back - sent > self.timing.ask_timeout or random.random() < network.loss:
                give_up()
            else:
                self.schedule(back, lambda: come_back(raw))

        def come_back(raw: object) -> None:
            if node.cut:
                give_up()
            elif node.life == life:
                try:
                    reply = request.read(raw)
                except RecordError:
                    give_up()
                else:
                    done(reply)

        if random.random() < network.loss:
            give_up()
            if random.random() < network.late:
                self.schedule(self.now + random.uniform(0.0, 6.0), lambda: self._execute_late(request))
        else:
            self.schedule(self.now + self._travel(), arrive)

    def _execute_late(self, request: Request[object]) -> None:
        if not self.down:
            self._execute(request)

    def _execute(self, request: Request[object]) -> object:
        arguments = request.arguments()
        raw = self.store.ask(request.script, arguments)
        self.operations[request.script] += 1
        self.bytes[request.script] += _OVERHEAD_BYTES + measure(arguments) + measure_answer(raw)
        return raw

    def _travel(self) -> float:
        return self.network.latency * (1.0 + self.random.expovariate(1.0))

    def _publish(self, hint: str) -> None:
        for node in list(self.nodes.values()):
            if node.alive and not node.cut and not self.down:
                self.bytes["hints"] += 60
                node.hear(hint)

    def take_snapshot(self) -> dict[str, object]:
        """Return what stands in the store, as a replica has it."""
        kept = {key: value for key, value in vars(self.store).items() if key not in ("_wall", "_hints", "_births")}
        return copy.deepcopy(kept)

    def fail_over(self, snapshot: dict[str, object]) -> None:
        """Have a replica take over, which knows what stood there at the time of a snapshot."""
        vars(self.store).update(copy.deepcopy(snapshot))
        self.store.restart()

    def find_holders(self, room: str) -> list[str]:
        """Return which nodes are sure that they are a room's home."""
        return [node.id for node in self.nodes.values() if node.alive and node.holds(room)]


def measure(arguments: Sequence[str]) -> int:
    """Return how many bytes these are on the wire (RESP bulk strings)."""
    return sum(len(argument) + 7 for argument in arguments)


def measure_answer(raw: object) -> int:
    """Return how many bytes an answer is on the wire."""
    if isinstance(raw, list):
        return 5 + sum(map(measure_answer, raw))
    return len(raw) + 7 if isinstance(raw, str) else 8
