"""The whole bench: every server in every scenario, interleaved, several times."""

from __future__ import annotations

import asyncio
import fcntl
import os
import resource
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvloop

from bench.client.dtls import ClientIdentity
from bench.errors import BenchError
from bench.figures import Figures
from bench.measure import run_once
from bench.network import Loopback, Network, VethPair
from bench.scenario import Kind, Scenario, Settings
from bench.servers.base import Server, Surroundings
from bench.servers.janus import Janus
from bench.servers.ours import Ours
from bench.servers.recording import RecordingOurs
from bench.servers.static import Limit, PlainPython

_SERVERS: dict[str, type[Server]] = {server.name: server for server in (Ours, RecordingOurs, Janus, PlainPython, Limit)}
_RUN_LIMIT_S = 400.0


@dataclass(frozen=True)
class Run:
    """One entry of the schedule."""

    number: int
    scenario: Scenario
    server: str

    @property
    def title(self) -> str:
        """For the progress bar."""
        return f"{self.scenario.name} {self.server} #{self.number + 1}"


def plan_runs(settings: Settings) -> Iterator[Run]:
    """Each scenario `runs` times, the servers in turn within each, so that drifts meet all alike."""
    for name in settings.servers:
        if name not in _SERVERS:
            raise BenchError(f"there is no server {name!r}: choose from {', '.join(_SERVERS)}")
    for scenario in settings.scenarios:
        # A search takes long and finds one number, and a record holds all packets or it does not.
        runs = 1 if scenario.kind in (Kind.SATURATION, Kind.RECORDING) else settings.runs
        for number in range(runs):
            for name in settings.servers:
                if settings.loopback and name == Janus.name:
                    continue
                # No target rests on the naive way; once tells how far off it is.
                if _takes_part(name, scenario) and (number == 0 or name != PlainPython.name):
                    yield Run(number, scenario, name)


def _takes_part(name: str, scenario: Scenario) -> bool:
    """Whether a scenario says something of a server."""
    if scenario.kind is Kind.RECORDING:
        return name == RecordingOurs.name
    if name == RecordingOurs.name:
        return scenario.kind is Kind.CONFERENCE
    if name == PlainPython.name:
        return scenario.kind is Kind.FAN_OUT  # where it saturates is its cost a packet, the other way round
    return _SERVERS[name].conferences or scenario.kind in (Kind.FAN_OUT, Kind.SATURATION)


def run_all(
    settings: Settings, started: Callable[[Run], None], tell: Callable[[str], None], done: Callable[[Figures], None]
) -> list[Figures]:
    """Run the schedule; BenchError when a server can not be run at all."""
    check_cores(settings.server_core, settings.generator_core)
    raise_file_limit()
    with alone():
        return _run_schedule(settings, started, tell, done)


def _run_schedule(
    settings: Settings, started: Callable[[Run], None], tell: Callable[[str], None], done: Callable[[Figures], None]
) -> list[Figures]:
    os.sched_setaffinity(0, {settings.generator_core})
    identity = ClientIdentity.generate(settings.profile)
    network: Network = Loopback() if settings.loopback else VethPair()
    found = []
    with network:
        for run in plan_runs(settings):
            started(run)
            figures = uvloop.run(_run_one(run, settings, network, identity, tell))
            found.append(figures)
            done(figures)
    return found


async def _run_one(
    run: Run, settings: Settings, network: Network, identity: ClientIdentity, tell: Callable[[str], None]
) -> Figures:
    with tempfile.TemporaryDirectory(prefix="sfu-bench-") as directory:
        surroundings = Surroundings(
            network=network,
            core=settings.server_core,
            directory=Path(directory),
            identity=identity,
            profile=settings.profile,
            feedback=settings.feedback,
            rooms=run.scenario.rooms,
        )
        server = _SERVERS[run.server](surroundings)
        async with asyncio.timeout(_RUN_LIMIT_S):
            return await run_once(server, run.scenario, settings, tell)


@contextmanager
def alone() -> Iterator[None]:
    """Hold a lock that only one bench on this machine can have: two would measure each other."""
    with Path(tempfile.gettempdir(), "sfu-bench.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BenchError("another bench runs on this machine: wait for it, two would measure each other") from None
        yield


def check_cores(server_core: int, generator_core: int) -> None:
    """Raise BenchError when these two cores are not there, or are one."""
    available = os.sched_getaffinity(0)
    if server_core == generator_core:
        raise BenchError("the server and the generator need a core each")
    for core in (server_core, generator_core):
        if core not in available:
            raise BenchError(f"there is no core {core} here: choose from {sorted(available)}")


def raise_file_limit() -> None:
    """Open as many files as the system lets this process."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
