"""One start of one server with its clients: connect, time the joins, run the generator, take it all down."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench import cpu
from bench.delivery import Delivery, expect
from bench.errors import BenchError
from bench.generator.engine import Counts, Engine
from bench.links import Link
from bench.scenario import Publisher, Scenario, Settings, Subscriber
from bench.servers.base import Server

#: How long after the last packet was sent one may still arrive.
DRAIN_S = 0.5
#: Nothing more comes after so much silence: when all has come that was sent, and where some is missing, since a server
#: that the machine keeps from its core is silent, too.
_QUIET_S = 0.2
_SILENCE_S = 2.0
_SETTLE_S = 60.0
_POLL_S = 0.1
_CONSENT_S = 5.0
_CONNECT_LIMIT_S = 120.0
_SESSION_LIMIT_S = 300.0
#: How often the ramp looks, and what everybody must have got of what was sent; packets that are under way blur it.
_RAMP_LOOK_S = 0.25
_RAMP_SHARE = 0.97

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Joined:
    """What connecting the subscribers took; None without signalling."""

    memory_bytes: float | None  # per subscriber
    cpu_ms: float | None
    per_s: float | None


@dataclass(frozen=True)
class Window:
    """A measured window: counts and clocks at both ends, and what the server sent or was sent."""

    before: Counts
    after: Counts
    use: cpu.CpuUse
    delivery: Delivery
    sending_s: float
    generator_busy: float
    generator_drops: int


class Session:
    """The clients of one scenario on one running server."""

    def __init__(
        self, server: Server, scenario: Scenario, settings: Settings, tell: Tell, limit_s: float = _SESSION_LIMIT_S
    ) -> None:
        self._server = server
        self._scenario = scenario
        self._settings = settings
        self._tell = tell
        self._limit_s = limit_s
        self._publishers: dict[str, Link] = {}
        self._subscribers: dict[str, Link] = {}
        self._engine: Engine | None = None
        self.joined = Joined(None, None, None)
        self.profile = ""

    @property
    def links(self) -> list[Link]:
        """All clients: publishers, then subscribers."""
        return [*self._publishers.values(), *self._subscribers.values()]

    @property
    def engine(self) -> Engine:
        """The running generator."""
        if self._engine is None:
            raise BenchError("the generator is not running")
        return self._engine

    async def open(self) -> None:
        """Start the server, connect everyone, start the generator."""
        self._tell("starting")
        await self._server.start()
        keeper = asyncio.create_task(self._keep_consent())
        try:
            await self._connect()
        finally:
            keeper.cancel()

    async def _keep_consent(self) -> None:
        """Consent checks for who is connected while others still join; later the generator sends them."""
        for turn in itertools.count():
            await asyncio.sleep(_CONSENT_S)
            for link in self.links:
                if link.consents:
                    link.socket.send(link.consents[turn % len(link.consents)])

    async def _connect(self) -> None:
        async with asyncio.timeout(_CONNECT_LIMIT_S):
            self._tell("joining")
            await self._join_all([partial(self._publish, one) for one in self._scenario.publishers])
            if self._scenario.subscribers:
                await self._join_subscribers()
            await self._server.ready()
        self.profile = self._common_profile()
        self._in_order()
        self._engine = Engine(
            self.links,
            traffic=self._scenario.traffic,
            sample_every=self._settings.sample_every,
            receiver_gro=self._settings.receiver_gro,
            limit_s=self._limit_s,
        )
        await asyncio.to_thread(self._engine.start)

    def _in_order(self) -> None:
        """The links in the scenario's order, as they are counted; they were made in that of the joins' ends."""
        self._publishers = {one.name: self._publishers[one.name] for one in self._scenario.publishers}
        self._subscribers = {one.name: self._subscribers[one.name] for one in self._scenario.subscribers}

    async def _publish(self, one: Publisher) -> None:
        self._publishers[one.name] = await self._server.publish(one.room, one.name, self._scenario.kinds)

    async def _subscribe(self, one: Subscriber) -> None:
        link = await self._server.subscribe(one.room, one.name, one.watches, self._scenario.kinds)
        self._subscribers[one.name] = link

    async def _join_subscribers(self) -> None:
        joins = [partial(self._subscribe, one) for one in self._scenario.subscribers]
        if not self._server.joins:
            await self._join_all(joins)
            return
        count = len(joins)
        pid = self._server.process.pid
        memory = cpu.resident_bytes(pid)
        before = cpu.sample(pid, self._settings.server_core)
        await self._join_all(joins)
        use = cpu.sample(pid, self._settings.server_core).since(before)
        self.joined = Joined(
            memory_bytes=(cpu.resident_bytes(pid) - memory) / count,
            cpu_ms=use.server_s / count * 1e3,
            per_s=count / use.wall_s,
        )

    async def _join_all(self, joins: Sequence[Callable[[], Coroutine[None, None, None]]]) -> None:
        gate = asyncio.Semaphore(self._settings.concurrent_joins)

        async def pass_gate(join: Callable[[], Coroutine[None, None, None]]) -> None:
            async with gate:
                await join()

        try:
            async with asyncio.TaskGroup() as group:
                for join in joins:
                    group.create_task(pass_gate(join))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from failed

    def _common_profile(self) -> str:
        profiles = sorted({link.keys.profile for link in self.links})
        if profiles != [self._settings.profile]:
            raise BenchError(f"{self._server.name} negotiated {', '.join(profiles)}, not {self._settings.profile}")
        return profiles[0]

    # -- measuring -----------------------------------------------------------------------------------

    def send(self, on: bool) -> None:
        """Start or pause all publishers."""
        self.engine.set_sending(on)
        self._server.set_sending(on)

    def set_rate(self, factor: float) -> None:
        """Multiply the frame rate."""
        self.engine.set_rate(factor)
        self._server.set_rate(factor)

    async def wait(self, seconds: float) -> None:
        """Let so much time pass, and answer what the server asks meanwhile; BenchError when it has ended."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            await asyncio.sleep(min(left, _POLL_S))
            self.engine.poll_notices()
        self._server.process.check_alive()

    def delivery(self) -> Delivery:
        """What each subscriber should have got so far, and what it got."""
        own = self._server.sent_packets()
        first = len(self._publishers)
        sent = dict(zip(self._publishers, self.engine.sent_by_link()[:first].tolist(), strict=True))
        if own is not None:
            sent = dict.fromkeys(sent, own)
        return Delivery(expect(self._scenario, sent), self.engine.delivered_by_link()[first:])

    async def ramp(self, limit_s: float, steady_s: float) -> float | None:
        """Send without measuring until everybody has got all for `steady_s`, then fall silent; when that began.

        Every table, buffer and branch has been used then, and who controls congestion has found out what the path
        carries. Ends after `limit_s` in any case, and then the answer is None.
        """
        self._tell("warming up")
        looks = round(steady_s / _RAMP_LOOK_S)
        start = time.monotonic()
        self.send(True)
        seen = [(start, self.delivery())]
        found = None
        while found is None and time.monotonic() - start < limit_s:
            await self.wait(_RAMP_LOOK_S)
            seen.append((time.monotonic(), self.delivery()))
            if len(seen) > looks:
                since, there = seen[-1 - looks]
                new = seen[-1][1].since(there)
                if (new.delivered >= _RAMP_SHARE * new.expected).all():
                    found = since - start
        self.send(False)
        await self.settle(seen[0][1])
        return found

    async def settle(self, since: Delivery) -> None:
        """Wait until no media arrive any more: an overloaded server may have seconds of backlog.

        since: what had come when the publishers began.
        """
        start = changed = time.monotonic()
        last = -1
        while (now := time.monotonic()) - start < _SETTLE_S:
            delivery = self.delivery()
            if delivery.delivered_packets != last:
                last, changed = delivery.delivered_packets, now
            elif now - changed >= (_QUIET_S if delivery.since(since).all_there else _SILENCE_S):
                return
            await self.wait(_QUIET_S)
        raise BenchError(f"{self._server.name} still sends {_SETTLE_S:.0f} s after its publishers fell silent")

    async def measure(self, seconds: float, drain_s: float = DRAIN_S, patience_s: float = 0.0) -> Window:
        """Send for `seconds`; count what has come `drain_s` later, and what comes until `patience_s` after that."""
        self._tell("measuring")
        pid, core = self._server.process.pid, self._settings.server_core
        before, there = self.engine.counts(), self.delivery()
        clock, own, drops = cpu.sample(pid, core), time.process_time(), receive_drops()
        self.send(True)
        start = time.monotonic()
        await self.wait(seconds)
        self.send(False)
        sending = time.monotonic() - start
        own = time.process_time() - own
        await self.wait(drain_s)
        end = time.monotonic() + patience_s
        while not self.delivery().since(there).all_there and time.monotonic() < end:
            await self.wait(_POLL_S)
        use = cpu.sample(pid, core).since(clock)
        after, delivery = self.engine.counts(), self.delivery().since(there)
        await self.settle(there)
        return Window(
            before=before,
            after=after,
            use=use,
            delivery=delivery,
            sending_s=sending,
            generator_busy=own / sending,
            generator_drops=receive_drops() - drops,
        )

    async def close(self) -> None:
        """Stop the generator, close the sockets, stop the server."""
        try:
            if self._engine is not None:
                await asyncio.to_thread(self._engine.stop)
        finally:
            for link in self.links:
                link.socket.close()
            await self._server.close()


def receive_drops(path: Path = Path("/proc/thread-self/net/snmp")) -> int:
    """Datagrams dropped in this network namespace since a socket's receive buffer was full."""
    lines = [line.split() for line in path.read_text().splitlines() if line.startswith("Udp:")]
    names, values = lines[0], lines[1]
    return int(values[names.index("RcvbufErrors")])
