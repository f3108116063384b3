"""What one real Redis does: rooms placed a second, one by one and in batches, and renewals."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable

from rich.console import Console
from rich.table import Table

from sfu.cluster.node_requests import Leave, Loads, Renew, Renewed
from sfu.cluster.records import NodeRecord
from sfu.cluster.redis_directory import RedisDirectory
from sfu.cluster.room_requests import Claim, Read, Release
from sfu.cluster.timing import Timing

_FAR = 1 << 50
_SECONDS = 3.0
_TARGET = 500
"""Rooms placed a second by one Redis (issue 22)."""


class Bench:
    """Some nodes that ask one Redis at once, by one process: what is measured is this process, too."""

    def __init__(self, url: str, nodes: int) -> None:
        prefixed = f"{url}{'&' if '?' in url else '?'}prefix=sfu-bench"
        self.directory = RedisDirectory(prefixed, timing=Timing(lease=60.0, ask_timeout=5.0))
        self._nodes = [f"bench-{number}" for number in range(nodes)]
        self._numbers = itertools.count()
        self._renewed: list[Renewed] = []

    async def start(self) -> None:
        for node in self._nodes:
            self._renewed.append(await self.directory.ask(Renew(node, 0, 0.5, NodeRecord(id=node))))

    async def place(self, index: int) -> int:
        """One new room: is there a home, how loaded are some, claim, and later release."""
        node, renewed = self._nodes[index], self._renewed[index]
        room = f"room-{next(self._numbers)}"
        await self.directory.ask(Read((room,)))
        await self.directory.ask(Loads(tuple(self._nodes[:3])))
        await self._claim(node, renewed, (room,))
        return 1

    async def claim_many(self, index: int) -> int:
        """A hundred rooms in one request, as after an outage."""
        rooms = tuple(f"room-{next(self._numbers)}" for _ in range(100))
        await self._claim(self._nodes[index], self._renewed[index], rooms)
        return len(rooms)

    async def _claim(self, node: str, renewed: Renewed, rooms: tuple[str, ...]) -> None:
        pairs = tuple((room, 0) for room in rooms)
        claimed = await self.directory.ask(Claim(node, renewed.epoch, renewed.incarnation, _FAR, False, pairs))
        tokens = tuple((one.home.name, one.home.token) for one in claimed if one.home is not None)
        await self.directory.ask(Release(node, renewed.epoch, tokens))

    async def renew(self, index: int) -> int:
        """One renewal, with two neighbours."""
        others = (self._nodes[index - 1], self._nodes[index - 2])
        await self.directory.ask(Renew(self._nodes[index], self._renewed[index].epoch, 0.5, None, others))
        return 1

    async def measure(self, action: Callable[[int], Awaitable[int]]) -> float:
        """Return how often a second all nodes together do it."""
        done, began = 0, time.monotonic()

        async def work(index: int) -> None:
            nonlocal done
            while time.monotonic() < began + _SECONDS:
                more = await action(index)  # `done += await` would add to what `done` was before the others' turns
                done += more

        await asyncio.gather(*(work(index) for index in range(len(self._nodes))))
        return done / (time.monotonic() - began)

    async def close(self) -> None:
        for node, renewed in zip(self._nodes, self._renewed, strict=False):
            await self.directory.ask(Leave(node, renewed.epoch))
        await self.directory.close()


async def measure_redis(url: str, console: Console) -> dict[str, float]:
    """Measure one Redis, print it and return it.

    Raises:
        ConfigError: it is no address of one.
        DirectoryUnavailableError: it does not answer.
    """
    bench = Bench(url, 16)
    try:
        await bench.start()
        figures = {
            "rooms placed, one by one": await bench.measure(bench.place),
            "rooms claimed and released, by hundreds": await bench.measure(bench.claim_many),
            "renewals": await bench.measure(bench.renew),
        }
        await bench.close()
    finally:
        await bench.directory.close()
    table = Table("one Redis, 16 connections from one process", "a second")
    for name, rate in figures.items():
        table.add_row(name, f"{rate:,.0f}")
    console.print(table)
    reached = figures["rooms placed, one by one"] >= _TARGET
    console.print(f"target of {_TARGET} rooms placed a second: {'reached' if reached else 'MISSED'}", highlight=False)
    return figures
