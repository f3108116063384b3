"""What a scenario needs of a server under test."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.client.dtls import ClientIdentity
from bench.errors import BenchError
from bench.links import Link
from bench.network import Network
from bench.process import ServerProcess


@dataclass(frozen=True)
class Surroundings:
    """Where and how a server runs."""

    network: Network
    core: int  # CPU core the server is pinned to
    directory: Path  # for its configuration and log, new for each start
    identity: ClientIdentity
    profile: str
    feedback: bool = True  # offer transport-wide feedback and retransmission
    rooms: int = 1


class Server(ABC):
    """One start of one server; connected to, measured, stopped."""

    #: Shown in the table.
    name: str
    #: Whether it routes what publishers send (the limit loop sends by itself).
    routes = True
    #: Whether its first thread is a Python interpreter that decides for others which forward.
    interprets = False
    #: Whether several publishers can be in a room, and several rooms on it.
    conferences = True
    #: Whether it does signalling, ICE and DTLS, so that joins can be timed.
    joins = True

    def __init__(self, surroundings: Surroundings) -> None:
        self.surroundings = surroundings
        self._process: ServerProcess | None = None

    @property
    def process(self) -> ServerProcess:
        """The running server."""
        if self._process is None:
            raise BenchError(f"{self.name} is not running")
        return self._process

    @abstractmethod
    async def start(self) -> None:
        """Start the process and wait until it takes requests."""

    @abstractmethod
    async def publish(self, room: int, peer: str, kinds: Sequence[str]) -> Link:
        """Connect a publisher of one track per kind; `room` counts from 0, `peer` is one of its own in all rooms."""

    @abstractmethod
    async def subscribe(self, room: int, peer: str, publishers: Sequence[str], kinds: Sequence[str]) -> Link:
        """Connect a subscriber to all tracks of the publishers named, who are in the same room."""

    async def ready(self) -> None:
        """Called once all clients are connected, before media."""
        return None

    def set_sending(self, on: bool) -> None:
        """For servers that send by themselves."""
        return None

    def set_rate(self, factor: float) -> None:
        """For servers that send by themselves."""
        return None

    def sent_packets(self) -> int | None:
        """Packets a server that sends by itself says it has sent; None for all that route."""
        return None

    async def close(self) -> None:
        """Stop the process."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    @property
    @abstractmethod
    def version(self) -> str:
        """For the record."""
