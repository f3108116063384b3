"""A room in which everybody publishes and receives all others, and what it costs the server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench import cpu
from bench.client.dtls import ClientIdentity
from bench.errors import BenchError
from bench.generator.engine import Engine
from bench.livekit.door import Door
from bench.livekit.participant import Participant
from bench.livekit.sections import BEST, TRAFFIC

ROOM = "bench"
_LIMIT_S = 300.0
_LOOK_S = 0.25
#: What everybody must have got of what was sent for so long before anything is measured.
_READY_SHARE = 0.97
_READY_S = 2.0
_READY_LIMIT_S = 30.0
_QUIET_S = 0.5
#: Tracks of one participant.
_TRACKS = 2


@dataclass(frozen=True)
class Forwarding:
    """What was forwarded in a measured window, and what that took."""

    expected_packets: int  # the best encodings and the audio
    delivered_packets: int
    cpu_s: float
    unauthentic: int
    generator_busy: float  # share of its core
    ready_s: float  # from when all sent until all got all

    @property
    def delivered(self) -> float:
        """Share of what was expected."""
        return self.delivered_packets / self.expected_packets

    @property
    def cpu_us(self) -> float:
        """The server's CPU time for each packet that it delivered, microseconds."""
        return self.cpu_s / max(self.delivered_packets, 1) * 1e6


class Room:
    """The participants and the generator that sends and receives for them."""

    def __init__(self, people: Sequence[Participant], engine: Engine, server_pid: int, server_core: int) -> None:
        self._people = people
        self._engine = engine
        self._pid = server_pid
        self._core = server_core
        self._best = _best_encodings(people)

    async def agree(self) -> None:
        """Send until all are offered all others' tracks; then they are expected."""
        self._engine.set_sending(True)
        others = _TRACKS * (len(self._people) - 1)
        await self._while_polling(asyncio.gather(*(each.wait_for_streams(others) for each in self._people)))
        self._engine.set_sending(False)
        await self._wait(_QUIET_S)
        for row, each in enumerate(self._people):
            self._engine.name_streams(row, each.streams)

    async def settle(self) -> float:
        """Send until everybody has got all for two seconds; the seconds after which that began.

        Raises:
            BenchError: it did not come to that.
        """
        start = time.monotonic()
        self._engine.set_sending(True)
        looks = round(_READY_S / _LOOK_S)
        seen = [(start, *self._counts())]
        while time.monotonic() - start < _READY_LIMIT_S:
            await self._wait(_LOOK_S)
            seen.append((time.monotonic(), *self._counts()))
            if len(seen) > looks:
                since, expected, delivered = seen[-1 - looks]
                if (seen[-1][2] - delivered >= _READY_SHARE * (seen[-1][1] - expected)).all():
                    return since - start
        raise BenchError(f"after {_READY_LIMIT_S:.0f} s not everybody gets everything")

    async def measure(self, seconds: float, ready_s: float) -> Forwarding:
        """Count for so long; nothing stops meanwhile, so what is under way at both ends cancels out."""
        before, (expected, delivered) = self._engine.counts(), self._counts()
        clock, own = cpu.sample(self._pid, self._core), time.process_time()
        await self._wait(seconds)
        use = cpu.sample(self._pid, self._core).since(clock)
        own = time.process_time() - own
        after, (now_expected, now_delivered) = self._engine.counts(), self._counts()
        return Forwarding(
            expected_packets=int((now_expected - expected).sum()),
            delivered_packets=int((now_delivered - delivered).sum()),
            cpu_s=use.server_s,
            unauthentic=after.unauthentic - before.unauthentic,
            generator_busy=own / seconds,
            ready_s=ready_s,
        )

    async def _wait(self, seconds: float) -> None:
        await self._while_polling(asyncio.sleep(seconds))

    async def _while_polling(self, wanted: Any) -> None:
        """Answer what the server's ICE asks meanwhile."""
        task = asyncio.ensure_future(wanted)
        while not (await asyncio.wait({task}, timeout=0.1))[0]:
            self._engine.poll_notices()
        task.result()

    def _counts(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """What everybody should have got so far, and has."""
        sent = self._engine.sent_by_encoding()
        by_link = np.array([int(sent[rows].sum()) for rows in self._best], np.int64)
        return by_link.sum() - by_link, self._engine.delivered_by_link()


def compile_generator() -> None:
    """Compile the generator's loop, or load it: while that is done nobody's signalling goes on."""
    engine = Engine([], traffic=TRAFFIC, sample_every=50, receiver_gro=False, limit_s=_LIMIT_S)
    engine.start()
    engine.stop()


def _best_encodings(people: Sequence[Participant]) -> list[list[int]]:
    """Rows of the encodings of each participant that all others are to get."""
    rows: list[list[int]] = []
    at = 0
    for each in people:
        kinds = [plan.kind for plan in each.link.encodings]
        rows.append([at + index for index, kind in enumerate(kinds) if kind in ("audio", BEST)])
        at += len(kinds)
    return rows


@asynccontextmanager
async def fill_room(door: Door, size: int, identity: ClientIdentity, *, pid: int, core: int) -> AsyncIterator[Room]:
    """Let so many in who publish, and take them out at the end."""
    people = [Participant(f"p{number}", host="127.0.0.1", identity=identity) for number in range(size)]
    engine = None
    try:
        for each in people:
            await each.join(door, ROOM)
            await each.connect()
            await each.publish()
        links = [each.link for each in people]
        engine = Engine(links, traffic=TRAFFIC, sample_every=50, receiver_gro=False, limit_s=_LIMIT_S)
        await asyncio.to_thread(engine.start)
        yield Room(people, engine, pid, core)
    finally:
        if engine is not None:
            await asyncio.to_thread(engine.stop)
        for each in people:
            await each.close()
