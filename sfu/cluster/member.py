"""The asyncio shell around a membership: it carries requests to the directory and answers back."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Callable
from random import Random
from typing import TypeVar

from sfu.clock import Clock
from sfu.cluster.directory import Directory, DirectoryUnavailableError
from sfu.cluster.membership import Asked, Membership
from sfu.cluster.news import News
from sfu.cluster.node_requests import Loads
from sfu.cluster.placement import choose, pick_candidates
from sfu.cluster.records import NodeRecord, RoomRecord, check_room
from sfu.cluster.requests import Request
from sfu.cluster.room_requests import Move, Read

Reply = TypeVar("Reply")
_LONGEST_SLEEP = 3600.0


def lease_clock() -> float:
    """Return seconds that also pass while the machine sleeps (CLOCK_BOOTTIME): a lease does not wait for us."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Member:
    """One node's part in a cluster, from `run` until `close`."""

    def __init__(
        self,
        directory: Directory,
        membership: Membership,
        *,
        random: Random,
        tell: Callable[[News], None] = lambda news: None,
        clock: Clock = lease_clock,
    ) -> None:
        self.membership = membership
        self._directory = directory
        self._random = random
        self._tell = tell
        self._clock = clock
        self._woken = asyncio.Event()
        self._changed = asyncio.Condition()
        self._carrying: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Take part until this is cancelled."""
        self._directory.listen(self._hear)
        try:
            while True:
                self._woken.clear()
                for asked in self.membership.poll(self._clock()):
                    task = asyncio.create_task(self._carry(asked), name=f"cluster {asked.request.script}")
                    self._carrying.add(task)
                    task.add_done_callback(self._carrying.discard)
                await self._tell_news()
                await self._sleep()
        finally:
            for task in list(self._carrying):
                task.cancel()
            await asyncio.gather(*self._carrying, return_exceptions=True)

    async def _sleep(self) -> None:
        now = self._clock()
        at = self.membership.next_at(now)
        if at <= now:
            await asyncio.sleep(0)
            return
        with contextlib.suppress(TimeoutError):
            # not `wait_for`, which in Python 3.11 forgets that it was cancelled when what it waits for has come as well
            async with asyncio.timeout(None if at == math.inf else min(at - now, _LONGEST_SLEEP)):
                await self._woken.wait()

    async def _carry(self, asked: Asked) -> None:
        try:
            reply = await self._directory.ask(asked.request)
        except DirectoryUnavailableError:
            self.membership.fail(asked, self._clock())
        else:
            self.membership.answer(asked, reply, self._clock())
        self._woken.set()

    def _hear(self, hint: str) -> None:
        self.membership.hint(hint, self._clock())
        self._woken.set()

    async def _tell_news(self) -> None:
        if news := self.membership.read_news():
            for one in news:
                self._tell(one)
            async with self._changed:
                self._changed.notify_all()

    def find_home(self, room: str) -> RoomRecord | None:
        """Return a room's home as far as this node knows."""
        return self.membership.find_home(room, self._clock())

    async def ask(self, request: Request[Reply]) -> Reply:
        """Ask the directory something beside what the membership does by itself.

        Raises:
            ArgumentError: it asks for what cannot stand there.
            DirectoryUnavailableError: there is no usable answer.
        """
        return await self._directory.ask(request)

    def update(self, record: NodeRecord) -> None:
        """Tell something else of this node, at once."""
        self.membership.update(record, self._clock())
        self._woken.set()

    def attend_soon(self, room: str) -> None:
        """Somebody of ours is in: have a home found, without waiting for it.

        Raises:
            ArgumentError: it has no name that the directory takes.
        """
        self.membership.rooms.attend(room, self._clock())
        self._woken.set()

    async def attend(self, room: str) -> RoomRecord:
        """Somebody of ours comes in: return its home, which may be this node, once there is one. Who gives up waiting
        must `leave` it.

        Raises:
            ArgumentError: it has no name that the directory takes.
        """
        self.attend_soon(room)
        async with self._changed:
            while (home := self.find_home(room)) is None:
                await self._changed.wait()
        return home

    async def find_node(self, node: str) -> NodeRecord:
        """Return what another node tells of itself, once it is known; who gives up waiting just stops."""
        async with self._changed:
            while (found := self.membership.view.nodes.get(node)) is None:
                await self._changed.wait()
        return found

    def leave(self, room: str) -> None:
        """Nobody of ours is in it; if it is ours, it is over."""
        self.membership.rooms.leave(room, self._clock())
        self._woken.set()

    async def place(self, room: str) -> NodeRecord | RoomRecord:
        """Return where a client who came to us for a room is to be: the room's home, or the node that is to be it.

        Raises:
            ArgumentError: it has no name that the directory takes.
            DirectoryUnavailableError: we do not know its home, and cannot ask.
        """
        if (home := self.find_home(room)) is not None:
            return home
        (found,) = await self._directory.ask(Read((check_room(room),)))
        if found.home is not None and found.home.alive:
            return found.home
        us = self.membership.record
        candidates = pick_candidates(us, self.membership.view.nodes.values(), self._random)
        loads = await self._directory.ask(Loads(tuple(node.id for node in candidates)))
        return choose(candidates, us.id, loads) or us

    async def move(self, room: str, heir: NodeRecord) -> bool:
        """Hand a room of ours over: True if it is known to have been done. The heir has to `attend` it, and `doubt`."""
        now = self._clock()
        token = self.membership.rooms.hand_over(room, now)
        if not token:
            return False
        self._woken.set()
        epoch = self.membership.lease.epoch
        try:
            return await self._directory.ask(Move(self.membership.node, epoch, room, token, heir.id, heir.epoch))
        except DirectoryUnavailableError:
            return False

    async def close(self) -> None:
        """Give all up in order; after that, `run` has nothing to do and may be cancelled."""
        if (leave := self.membership.leave(self._clock())) is not None:
            with contextlib.suppress(DirectoryUnavailableError):
                await self._directory.ask(leave)
