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
from bench.errors import BenchError
from bench.generator.engine import Counts, Engine
from bench.links import Link
from bench.scenario import Scenario, Settings
from bench.servers.base import Server
from bench.traffic import AUDIO, VIDEO

#: How long after the last packet was sent one may still arrive.
DRAIN_S = 0.5
_QUIET_S = 0.2
_SETTLE_S = 15.0
_POLL_S = 0.1
_CONSENT_S = 2.5
_CONNECT_LIMIT_S = 120.0
_SESSION_LIMIT_S = 180.0

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
    offered_packets: int  # that should have arrived, over all subscribers
    sending_s: float
    generator_busy: float
    generator_drops: int

    @property
    def delivered_packets(self) -> int:
        """Packets that did arrive."""
        return self.after.delivered_packets - self.before.delivered_packets


class Session:
    """The clients of one scenario on one running server."""

    def __init__(self, server: Server, scenario: Scenario, settings: Settings, tell: Tell) -> None:
        self._server = server
        self._scenario = scenario
        self._settings = settings
        self._tell = tell
        self._links: list[Link] = []
        self._engine: Engine | None = None
        self.joined = Joined(None, None, None)
        self.profile = ""

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
            for link in self._links:
                if link.consents:
                    link.socket.send(link.consents[turn % len(link.consents)])

    async def _connect(self) -> None:
        publishers = [f"p{index}" for index in range(self._scenario.publishers)]
        async with asyncio.timeout(_CONNECT_LIMIT_S):
            self._tell("joining")
            await self._join_all([partial(self._server.publish, 0, name, ("audio", "video")) for name in publishers])
            if self._scenario.streams_per_subscriber:
                await self._join_subscribers(publishers)
            await self._server.ready()
        self.profile = self._common_profile()
        self._engine = Engine(
            self._links,
            traffic={"audio": AUDIO, "video": VIDEO},
            sample_every=self._settings.sample_every,
            receiver_gro=self._settings.receiver_gro,
            limit_s=_SESSION_LIMIT_S,
        )
        await asyncio.to_thread(self._engine.start)

    async def _join_subscribers(self, publishers: list[str]) -> None:
        count = self._scenario.size
        if len(publishers) > 1:
            names = publishers
        else:
            names = [f"s{index}" for index in range(count)]
        joins = [
            partial(
                self._server.subscribe, 0, name, [other for other in publishers if other != name], ("audio", "video")
            )
            for name in names
        ]
        if not self._server.joins:
            await self._join_all(joins)
            return
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

    async def _join_all(self, joins: Sequence[Callable[[], Coroutine[None, None, Link]]]) -> None:
        gate = asyncio.Semaphore(self._settings.concurrent_joins)

        async def pass_gate(join: Callable[[], Coroutine[None, None, Link]]) -> None:
            async with gate:
                self._links.append(await join())

        try:
            async with asyncio.TaskGroup() as group:
                for join in joins:
                    group.create_task(pass_gate(join))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from failed

    def _common_profile(self) -> str:
        profiles = sorted({link.keys.profile for link in self._links})
        if profiles != [self._settings.profile]:
            raise BenchError(f"{self._server.name} negotiated {', '.join(profiles)}, not {self._settings.profile}")
        return profiles[0]

    # -- measuring -----------------------------------------------------------------------------------

    def _send(self, on: bool) -> None:
        self.engine.set_sending(on)
        self._server.set_sending(on)

    def set_rate(self, factor: float) -> None:
        """Multiply the frame rate."""
        self.engine.set_rate(factor)
        self._server.set_rate(factor)

    async def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            await asyncio.sleep(min(left, _POLL_S))
            self.engine.poll_notices()
        self._server.process.check_alive()

    def _offered(self, counts: Counts) -> int:
        """Packets that should have reached somebody so far."""
        own = self._server.sent_packets()
        if own is not None:
            return own * self._scenario.size
        others = self._scenario.size if self._scenario.publishers == 1 else self._scenario.size - 1
        return counts.sent_packets * others

    async def warm(self, seconds: float) -> None:
        """Send without measuring, so that every table, buffer and branch has been used."""
        self._tell("warming up")
        self._send(True)
        await self._wait(seconds)
        self._send(False)
        await self.settle()

    async def settle(self) -> None:
        """Wait until nothing arrives any more: an overloaded server may have seconds of backlog."""
        end = time.monotonic() + _SETTLE_S
        last = -1
        while time.monotonic() < end:
            received = self.engine.counts().delivered_packets
            if received == last:
                return
            last = received
            await self._wait(_QUIET_S)
        raise BenchError(f"{self._server.name} still sends {_SETTLE_S:.0f} s after its publishers fell silent")

    async def measure(self, seconds: float, drain_s: float = DRAIN_S) -> Window:
        """Send for `seconds`, and count what arrives until `drain_s` after that."""
        self._tell("measuring")
        pid, core = self._server.process.pid, self._settings.server_core
        before, offered = self.engine.counts(), self._offered(self.engine.counts())
        clock, own, drops = cpu.sample(pid, core), time.process_time(), receive_drops()
        self._send(True)
        start = time.monotonic()
        await self._wait(seconds)
        self._send(False)
        sending = time.monotonic() - start
        own = time.process_time() - own
        await self._wait(drain_s)
        use = cpu.sample(pid, core).since(clock)
        after = self.engine.counts()
        offered = self._offered(after) - offered
        await self.settle()
        return Window(
            before=before,
            after=after,
            use=use,
            offered_packets=offered,
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
            for link in self._links:
                link.socket.close()
            await self._server.close()


def receive_drops(path: Path = Path("/proc/thread-self/net/snmp")) -> int:
    """Datagrams dropped in this network namespace since a socket's receive buffer was full."""
    lines = [line.split() for line in path.read_text().splitlines() if line.startswith("Udp:")]
    names, values = lines[0], lines[1]
    return int(values[names.index("RcvbufErrors")])
