"""One node of a simulated cluster: a real membership, a clock of its own, and a process that can be killed."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

from bench.cluster.world import World
from sfu.cluster.membership import Asked, Membership
from sfu.cluster.news import News
from sfu.cluster.records import NodeRecord
from sfu.cluster.requests import Request


class SimNode:
    """`rate` and `offset`: of its monotonic clock against true time."""

    def __init__(self, world: World, record: NodeRecord, *, rate: float = 1.0, offset: float = 0.0) -> None:
        self.world = world
        self.id = record.id
        self.record = record
        self._rate = rate
        self._offset = offset
        self.life = 0
        """How many processes there have been."""
        self.alive = False
        self.cut = False
        """Nothing passes between it and the store."""
        self.paused = False
        """Its process stands still, while its clock goes on."""
        self.tell: Callable[[SimNode, News], None] | None = None
        """Called with all that it learns."""
        self._wake_at = math.inf
        self._waiting: list[Callable[[], None]] = []
        self.membership = self._build()
        world.nodes[self.id] = self

    def _build(self) -> Membership:
        return Membership(self.record, random=Random(self.world.random.random()), timing=self.world.timing)

    @property
    def clock(self) -> float:
        """Its monotonic time."""
        return self.world.now * self._rate + self._offset

    def start(self) -> None:
        """A process begins, which knows nothing."""
        self.life += 1
        self.alive, self.paused = True, False
        self._waiting.clear()
        self._wake_at = math.inf
        self.membership = self._build()
        self.drive()

    def kill(self) -> None:
        """The process ends where it stands."""
        self.life += 1
        self.alive = False

    def leave(self) -> None:
        """It ends in order."""
        if (leave := self.membership.leave(self.clock)) is not None:
            self.world.ask(self, leave, lambda _: None, lambda: None)
        self.life += 1
        self.alive = False

    def pause(self) -> None:
        """It stands still."""
        self.paused = True

    def resume(self) -> None:
        """It goes on with what has come meanwhile."""
        self.paused = False
        waiting, self._waiting = self._waiting, []
        for action in waiting:
            action()
        self.drive()

    def holds(self, room: str) -> bool:
        """Return whether it is sure to be a room's home."""
        return self.membership.rooms.holds(room, self.clock)

    def attend(self, room: str) -> None:
        """Somebody comes in to it."""
        self.membership.rooms.attend(room, self.clock)
        self.drive()

    def depart(self, room: str) -> None:
        """Nobody is left in it."""
        self.membership.rooms.leave(room, self.clock)
        self.drive()

    def hear(self, hint: str) -> None:
        """A hint has come."""
        if not self.paused:
            self.membership.hint(hint, self.clock)
            self._plan()

    def ask(self, request: Request[object], done: Callable[[object], None]) -> None:
        """Ask beside the membership; without an answer nothing happens."""
        self.world.ask(self, request, done, lambda: None)

    def drive(self) -> None:
        """Send what is due, and plan the next time."""
        if not self.alive:
            return
        if self.paused:
            return
        for asked in self.membership.poll(self.clock):
            self._send(asked)
        if (tell := self.tell) is not None:
            for news in self.membership.read_news():
                tell(self, news)
        self._plan()

    def _send(self, asked: Asked) -> None:
        def done(reply: object) -> None:
            if self.paused:
                self._waiting.append(lambda: self.membership.answer(asked, reply, self.clock))
            else:
                self.membership.answer(asked, reply, self.clock)
                self.drive()

        def failed() -> None:
            if self.paused:
                self._waiting.append(lambda: self.membership.fail(asked, self.clock))
            else:
                self.membership.fail(asked, self.clock)
                self.drive()

        self.world.ask(self, asked.request, done, failed)

    def _plan(self) -> None:
        at = (self.membership.next_at(self.clock) - self._offset) / self._rate
        if at >= self._wake_at or at == math.inf:
            return
        self._wake_at = at = max(at, self.world.now)
        life = self.life

        def wake() -> None:
            if self.life == life and self._wake_at == at:
                self._wake_at = math.inf
                self.drive()

        self.world.schedule(at + 1e-7, wake)
