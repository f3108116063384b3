"""A membership by hand: what it asks is answered by the test, from a store of its own or by word."""

from __future__ import annotations

from random import Random

from sfu.cluster.membership import Asked, Membership
from sfu.cluster.memory_store import MemoryStore
from sfu.cluster.news import News
from sfu.cluster.records import NodeRecord
from sfu.cluster.timing import CLUSTER


class Stage:
    """One clock for all, and a store."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.store = MemoryStore(lambda: 1e9 + self.now, CLUSTER.lease_ms)
        self.players: list[Player] = []

    def go(self, seconds: float) -> None:
        """Let all play that are connected, in steps of a tenth of a second."""
        for _ in range(round(seconds * 10)):
            self.now += 0.1
            for player in self.players:
                player.play()


class Player:
    """One node."""

    def __init__(self, stage: Stage, node: str, **fields: object) -> None:
        self.stage = stage
        self.membership = Membership(NodeRecord(id=node, **fields), random=Random(1))  # type: ignore[arg-type]
        self.connected = True
        self.heard: list[News] = []
        stage.players.append(self)

    @property
    def rooms(self):  # type: ignore[no-untyped-def]
        return self.membership.rooms

    def poll(self, script: str | None = None) -> list[Asked]:
        """What it asks, of one kind."""
        asked = self.membership.poll(self.stage.now)
        return [one for one in asked if script in (None, one.request.script)]

    def do(self, asked: Asked) -> object:
        """Have the store do it; the answer is on its way."""
        request = asked.request
        return request.read(self.stage.store.ask(request.script, request.arguments()))

    def answer(self, asked: Asked, reply: object) -> None:
        self.membership.answer(asked, reply, self.stage.now)
        self.heard += self.membership.read_news()

    def fail(self, asked: Asked) -> None:
        self.membership.fail(asked, self.stage.now)

    def play(self) -> None:
        """All that it wants now, answered at once."""
        while asked := self.poll():
            for one in asked:
                if self.connected:
                    self.answer(one, self.do(one))
                else:
                    self.fail(one)
        self.heard += self.membership.read_news()

    def attend(self, room: str) -> None:
        self.rooms.attend(room, self.stage.now)

    def leave(self, room: str) -> None:
        self.rooms.leave(room, self.stage.now)

    def holds(self, room: str) -> bool:
        held: bool = self.rooms.holds(room, self.stage.now)
        return held

    def home(self, room: str) -> str | None:
        home = self.membership.find_home(room, self.stage.now)
        return home.node if home is not None else None
