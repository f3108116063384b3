"""What `scripts` has Redis do, in Python: the directory of one node alone, of tests, and of the simulator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sfu.cluster.scripts import LEAP, MAX_CHANGES, MAX_ENTRIES
from sfu.cluster.timing import CLOCK_TOLERANCE_MS

Hint = Callable[[str], None]


@dataclass(slots=True)
class _Home:
    token: int
    node: str
    epoch: str
    since: int
    firm: str
    dead: int | None = None


_NOBODY = _Home(0, "", "", 0, "")


class MemoryStore:
    """All that stands in a directory. `wall` is its calendar, in seconds, which may step."""

    def __init__(self, wall: Callable[[], float], lease_ms: int) -> None:
        self._wall = wall
        self._lease_ms = lease_ms
        self._hints: list[Hint] = []
        self._births = 0
        self._incarnation = ""
        self._clock_ms = 0
        self.flush()

    def flush(self) -> None:
        """Lose everything (FLUSHALL)."""
        self._known_incarnation = False
        self._counter = self._version = self._floor = 0
        self._leases: dict[str, tuple[str, int]] = {}
        self._protocol = ("", 0)
        self._nodes: dict[str, str] = {}
        self._loads: dict[str, str] = {}
        self._changed: dict[str, int] = {}
        self._rooms: dict[str, _Home] = {}
        self._entries: dict[str, dict[str, str]] = {}
        self._sweep: list[str] = []

    def restart(self) -> None:
        """Begin another life with what stood there (a restart from its file, a replica that takes over)."""
        self._known_incarnation = False

    def listen(self, hint: Hint) -> None:
        """Have somebody told of changes."""
        self._hints.append(hint)

    @property
    def rooms(self) -> int:
        """How many have a record."""
        return len(self._rooms)

    def ask(self, script: str, arguments: Sequence[str]) -> object:
        """Do one step. The answer has the form of Redis'."""
        now_us = int(self._wall() * 1_000_000)
        self._now_ms = now_us // 1000
        latest = self._clock_ms
        if not self._known_incarnation or not latest - CLOCK_TOLERANCE_MS <= self._now_ms <= latest + self._lease_ms:
            self._births += 1
            self._incarnation = f"memory:{self._births}"
            self._known_incarnation = True
            self._clock_ms = 0
            self._counter = max(self._counter, now_us) + LEAP
        self._clock_ms = max(self._clock_ms, self._now_ms)
        step = _STEPS[script]
        return step(self, *arguments)

    def _next_number(self) -> int:
        self._counter += 1
        return self._counter

    def _left_ms(self, node: str) -> int:
        found = self._leases.get(node)
        if found is None:
            return -2
        left = found[1] - self._now_ms
        if left <= 0:
            del self._leases[node]
            return -2
        if left > self._lease_ms:
            self._leases[node] = (found[0], self._now_ms + self._lease_ms)
            left = self._lease_ms
        return left

    def _is_alive(self, node: str, epoch: str) -> bool:
        return node != "" and self._left_ms(node) >= 0 and self._leases[node][0] == epoch

    def _change(self, node: str) -> None:
        self._version += 1
        self._changed.pop(node, None)
        self._changed[node] = self._version
        while len(self._changed) > MAX_CHANGES:
            first = next(iter(self._changed))
            self._floor = self._changed.pop(first)
        for hint in self._hints:
            hint("nodes")

    def _prune(self, room: str, node: str, epoch: str) -> None:
        entries = self._entries.get(room, {})
        for field, value in list(entries.items()):
            writer, of, _ = value.split(" ", 2)
            if (writer, of) == (node, epoch) or not self._is_alive(writer, of):
                del entries[field]
        if not entries:
            self._entries.pop(room, None)

    def _answer_home(self, home: _Home) -> list[object]:
        if home is _NOBODY:
            return [0, None, None, None, None]
        there = int(self._is_alive(home.node, home.epoch))
        return [there, str(home.token), home.node, home.epoch, str(home.since)]

    def _renew(self, node: str, epoch: str, protocol: str, load: str, record: str, *neighbours: str) -> object:
        left = self._left_ms(node)
        lease = self._leases[node][0] if left >= 0 else ""
        known_epoch = self._nodes.get(node, "").partition(" ")[0]
        spoken, until = self._protocol
        revived = 0

        def refuse(word: str, what: str, left: int) -> list[object]:
            return [word, what, self._incarnation, 0, 0, 0, self._now_ms, left]

        if spoken and until > self._now_ms and spoken != protocol:
            return refuse("protocol", spoken, -1)
        if epoch == "0":
            if lease:
                return refuse("held", lease, left)
            epoch = str(self._next_number())
        else:
            last = max(int(lease or 0), int(known_epoch or 0))
            if last > int(epoch):
                return refuse("superseded", str(last), -1)
            revived = int(lease != epoch)
        self._counter = max(self._counter, int(epoch))
        self._protocol = (protocol, self._now_ms + self._lease_ms)
        self._leases[node] = (epoch, self._now_ms + self._lease_ms)
        self._loads[node] = load
        if record:
            self._nodes[node] = f"{epoch} {record}"
            known_epoch = epoch
            self._change(node)
        soonest = -1
        for other in neighbours:
            left = self._left_ms(other)
            if left < 0:
                if self._nodes.pop(other, None) is not None:
                    self._loads.pop(other, None)
                    self._change(other)
            elif soonest < 0 or left < soonest:
                soonest = left
        known = int(known_epoch == epoch)
        return ["renewed", epoch, self._incarnation, revived, known, self._version, self._now_ms, soonest]

    def _leave(self, node: str, epoch: str) -> object:
        if not self._is_alive(node, epoch):
            return 0
        del self._leases[node]
        self._nodes.pop(node, None)
        self._loads.pop(node, None)
        self._change(node)
        return 1

    def _claim(self, node: str, epoch: str, expected: str, latest: str, holding: str, *pairs: str) -> object:
        leased = self._is_alive(node, epoch)
        result: list[object] = []
        for room, token in zip(pairs[::2], pairs[1::2], strict=True):
            if not leased:
                word = "unleased"
            elif expected != self._incarnation:
                word = "reborn"
            else:
                word = self._claim_one(room, int(token), (node, epoch), int(latest), holding == "1")
            result.append([word, *self._answer_home(self._rooms.get(room, _NOBODY))])
        return result

    def _claim_one(self, room: str, token: int, us: tuple[str, str], latest: int, holding: bool) -> str:
        home = self._rooms.get(room, _NOBODY)
        mine = (home.node, home.epoch) == us
        firm = home.firm == self._incarnation
        others = not mine and self._is_alive(home.node, home.epoch)
        later = token > home.token and not (others and firm)
        if mine and firm and home.token == token:
            return "claimed"
        if holding and token > 0 and (later or (mine and home.token == token)):
            self._settle(room, us, token, self._incarnation)
            return "claimed"
        if latest > 0:
            if self._now_ms > latest:
                return "late"
            if others and not later:
                return "held"
            self._counter = max(self._counter, token)
            self._settle(room, us, self._next_number(), self._incarnation)
            return "claimed"
        if later and token > 0:
            self._settle(room, us, token, "")
            return "kept"
        return "kept" if mine else "held" if others else "free"

    def _settle(self, room: str, us: tuple[str, str], token: int, firm: str) -> None:
        self._counter = max(self._counter, token)
        self._rooms[room] = _Home(token, *us, self._now_ms, firm)

    def _release(self, node: str, epoch: str, *pairs: str) -> object:
        released = 0
        for room, token in zip(pairs[::2], pairs[1::2], strict=True):
            home = self._rooms.get(room, _NOBODY)
            if (str(home.token), home.node, home.epoch) == (token, node, epoch):
                del self._rooms[room]
                self._prune(room, node, epoch)
                released += 1
        return released

    def _move(self, node: str, epoch: str, room: str, token: str, heir: str, heir_epoch: str) -> object:
        home = self._rooms.get(room, _NOBODY)
        if not self._is_alive(node, epoch) or not self._is_alive(heir, heir_epoch):
            return 0
        ours = (str(home.token), home.node, home.epoch, home.firm)
        if ours != (token, node, epoch, self._incarnation):
            return 0
        self._settle(room, (heir, heir_epoch), self._next_number(), self._incarnation)
        return 1

    def _put(self, node: str, epoch: str, room: str, token: str, field: str, value: str) -> object:
        if not self._is_alive(node, epoch):
            return "unleased"
        home = self._rooms.get(room, _NOBODY)
        if home is _NOBODY or str(home.token) != token:
            return "stale"
        entries = self._entries.get(room, {})
        there = entries.get(field)
        if there is not None:
            writer, of, _ = there.split(" ", 2)
            if (writer, of) != (node, epoch) and self._is_alive(writer, of):
                return "held"
        if not value:
            entries.pop(field, None)
        elif there is None and len(entries) >= MAX_ENTRIES:
            return "full"
        else:
            entries[field] = f"{node} {epoch} {value}"
        if entries:
            self._entries[room] = entries
        else:
            self._entries.pop(room, None)
        return "done"

    def _read(self, with_entries: str, *rooms: str) -> object:
        result: list[object] = []
        for room in rooms:
            entries = self._entries.get(room, {}) if with_entries == "1" else {}
            flat: list[object] = [part for pair in entries.items() for part in pair]
            result.append([*self._answer_home(self._rooms.get(room, _NOBODY)), flat])
        return result

    def _look(self, since: str, incarnation: str) -> object:
        known = int(since)
        if incarnation != self._incarnation or not self._floor <= known <= self._version:
            everybody: list[object] = [part for pair in self._nodes.items() for part in pair]
            return [self._incarnation, self._version, 1, everybody]
        news: list[object] = []
        for node, version in reversed(self._changed.items()):
            if version <= known:
                break
            news += (node, self._nodes.get(node, ""))
        return [self._incarnation, self._version, 0, news]

    def _tell_loads(self, *nodes: str) -> object:
        return [self._loads.get(node, "") for node in nodes]

    def _do_sweep(self, count: str, grace_ms: str) -> object:
        if not self._sweep:
            self._sweep = [*self._rooms, *(room for room in self._entries if room not in self._rooms)]
        some, self._sweep = self._sweep[-int(count) :], self._sweep[: -int(count)]
        forgotten = 0
        for room in some:
            home = self._rooms.get(room)
            if home is None:
                self._prune(room, "", "")
            elif self._is_alive(home.node, home.epoch):
                home.dead = None
            elif home.dead is None or home.dead > self._now_ms:
                home.dead = self._now_ms
            elif self._now_ms - home.dead >= int(grace_ms):
                del self._rooms[room]
                forgotten += 1
        return forgotten


_STEPS: dict[str, Callable[..., object]] = {
    "renew": MemoryStore._renew,
    "leave": MemoryStore._leave,
    "claim": MemoryStore._claim,
    "release": MemoryStore._release,
    "move": MemoryStore._move,
    "put": MemoryStore._put,
    "read": MemoryStore._read,
    "look": MemoryStore._look,
    "loads": MemoryStore._tell_loads,
    "sweep": MemoryStore._do_sweep,
}
