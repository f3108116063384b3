"""A recorded conference on a node of its own, and what it comes to, phase by phase."""

from __future__ import annotations

import http.client
import os
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import httpx

from bench import cpu
from bench.attack.base import Target
from bench.attack.gang import WITH_A_NAME
from bench.client.dtls import ClientIdentity
from bench.errors import BenchError
from bench.network import Loopback
from bench.scenario import Settings, parse_scenario
from bench.servers.base import Surroundings
from bench.servers.ours import room_name
from bench.servers.recording import RecordingOurs
from bench.session import Session, Tell

_RAMP_S, _STEADY_S = 12.0, 2.0
_HEALTH_EVERY_S = 0.2
_LOOK_S = 1.0


@dataclass(frozen=True)
class Phase:
    """What some time came to."""

    name: str
    seconds: float
    expected: int
    """Packets that honest viewers should have got of what honest publishers sent, and those that they got."""
    delivered: int
    health_ms: tuple[float, ...]
    """How long each `GET /healthz` took."""
    busy: float
    """The node's CPU time as a share of one core."""
    resident_bytes: int
    """At its end."""
    most_descriptors: int
    descriptors: int
    """At its end."""
    missing: frozenset[str]
    """Who of the honest was not connected at some moment."""

    @property
    def share(self) -> float:
        """Of what was expected, how much was delivered."""
        return self.delivered / self.expected

    @property
    def median_ms(self) -> float:
        """Of `/healthz`."""
        return statistics.median(self.health_ms)

    @property
    def worst_ms(self) -> float:
        """Of `/healthz`."""
        return max(self.health_ms)


class Attacked(RecordingOurs):
    """The recorded node with its own limits, to which everybody comes with a token of his own."""

    named = True
    quotas = ""


class Health:
    """Asks `/healthz` on a connection of its own, from a thread of its own."""

    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        self._place = place.hostname or "", place.port or 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self.times_ms: list[float] = []
        self.failures: list[str] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def take(self) -> tuple[float, ...]:
        """The times since it was last asked."""
        taken, self.times_ms = self.times_ms, []
        return tuple(taken)

    def _ask(self) -> None:
        while not self._stop.wait(_HEALTH_EVERY_S):
            begin = time.monotonic()
            connection = http.client.HTTPConnection(*self._place, timeout=30.0)
            try:
                connection.request("GET", "/healthz")
                status = connection.getresponse().status
                if status != 200:
                    self.failures.append(f"status {status}")
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
            finally:
                connection.close()
            self.times_ms.append(1e3 * (time.monotonic() - begin))


class Conference:
    """Named people who publish Opus and video, see each other, and are recorded."""

    def __init__(self, directory: Path, scenario: str, limit_s: float, tell: Tell) -> None:
        cores = sorted(os.sched_getaffinity(0))
        self.node_core, self.own_core = cores[-1], cores[0]
        self.scenario = parse_scenario(scenario)
        settings = Settings(scenarios=(self.scenario,), server_core=self.node_core, loopback=True)
        around = Surroundings(Loopback(), self.node_core, directory, ClientIdentity.generate(), settings.profile)
        self.node = Attacked(around)
        self._session = Session(self.node, self.scenario, settings, tell, limit_s)
        self._health: Health | None = None

    @property
    def people(self) -> tuple[str, ...]:
        """The honest."""
        return tuple(one.name for one in self.scenario.publishers)

    @property
    def health(self) -> Health:
        """Who asks the node how it is."""
        assert self._health is not None
        return self._health

    @property
    def _pid(self) -> int:
        return self.node.process.pid

    async def open(self) -> None:
        """Start the node, its record, and media."""
        await self._session.open()
        await self._session.ramp(_RAMP_S, _STEADY_S)
        self._session.send(True)
        missing = set(self.people) - await self._connected()
        if missing:
            raise BenchError(f"{', '.join(sorted(missing))} did not stay: the machine is too busy to measure anything")
        self._health = Health(str(self.node.http.base_url))
        self._health.__enter__()

    async def close(self) -> None:
        """Take it all down."""
        if self._health is not None:
            self._health.__exit__(None, None, None)
        await self._session.close()

    async def stop_recording(self) -> None:
        """Close the record while media still come."""
        await self.node.stop_recording()

    def target(self) -> Target:
        """The room, for who attacks it; the checks that he has captured were sent seconds ago."""
        links = self._session.links
        return Target(
            url=str(self.node.http.base_url),
            room=room_name(0),
            media=links[0].socket.getpeername(),
            publishers=self.people,
            kinds=self.scenario.kinds,
            captured=tuple(link.consents[0] for link in links),
            homes=tuple(link.socket.getsockname() for link in links),
            named_tokens={name: self.node.token(sub=f"attacker {name}") for name in WITH_A_NAME},
            nameless_token=self.node.token(),
        )

    async def phase(self, name: str, seconds: float) -> Phase:
        """Look on for so long."""
        self.health.take()
        there, clock = self._session.delivery(), cpu.sample(self._pid, self.node_core)
        missing: set[str] = set()
        most = 0
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            await self._session.wait(min(_LOOK_S, seconds))
            most = max(most, self._descriptors())
            try:
                missing |= set(self.people) - await self._connected()
            except httpx.TransportError as error:
                self.health.failures.append(f"who is there: {error!r}")
        use = cpu.sample(self._pid, self.node_core).since(clock)
        delivery = self._session.delivery().since(there)
        return Phase(
            name=name,
            seconds=use.wall_s,
            expected=delivery.expected_packets,
            delivered=delivery.delivered_packets,
            health_ms=self.health.take(),
            busy=use.process_s / use.wall_s,
            resident_bytes=cpu.resident_bytes(self._pid),
            most_descriptors=most,
            descriptors=self._descriptors(),
            missing=frozenset(missing),
        )

    async def _connected(self) -> set[str]:
        """Which peers are connected, by what the room says of itself."""
        reply = await self.node.http.get(f"/rooms/{room_name(0)}")
        reply.raise_for_status()
        return {peer["name"] for peer in reply.json()["peers"] if peer["state"] == "connected"}

    def _descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self._pid}/fd"))


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Keep this process on one core, so that the node has the other."""
    former = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, former)
