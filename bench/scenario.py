"""What is run: scenarios by name and size, and the settings of a whole bench."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from bench.errors import BenchError
from bench.links import GCM_128


class Kind(enum.Enum):
    """The shapes of load."""

    FAN_OUT = "fan-out"  # one publisher, `size` subscribers
    CONFERENCE = "conference"  # `size` peers, all publish and see all others
    SATURATION = "saturation"  # fan-out at a rising frame rate until packets are lost
    RECORDING = "recording"  # `size` publishers and nobody who watches


_MAX_SIZE = {Kind.FAN_OUT: 2000, Kind.CONFERENCE: 40, Kind.SATURATION: 2000, Kind.RECORDING: 400}


@dataclass(frozen=True)
class Scenario:
    """One shape at one size."""

    kind: Kind
    size: int

    @property
    def name(self) -> str:
        """As on the command line: `fan-out:100`."""
        return f"{self.kind.value}:{self.size}"

    @property
    def publishers(self) -> int:
        """Peers that publish."""
        return self.size if self.kind in (Kind.CONFERENCE, Kind.RECORDING) else 1

    @property
    def streams_per_subscriber(self) -> int:
        """Publishers that each subscriber sees; 0: there are no subscribers."""
        if self.kind is Kind.RECORDING:
            return 0
        return self.size - 1 if self.kind is Kind.CONFERENCE else 1


def parse_scenario(text: str) -> Scenario:
    """`KIND:SIZE`; BenchError names the kinds and the bounds."""
    name, _, size = text.partition(":")
    try:
        kind = Kind(name)
        number = int(size)
    except ValueError:
        kinds = ", ".join(kind.value for kind in Kind)
        raise BenchError(f"{text!r} is no scenario: write KIND:SIZE with KIND one of {kinds}") from None
    if not 2 <= number <= _MAX_SIZE[kind]:
        raise BenchError(f"{text!r}: the size must be between 2 and {_MAX_SIZE[kind]}")
    return Scenario(kind, number)


FULL = ("fan-out:100", "fan-out:300", "conference:12", "saturation:300")
QUICK = ("fan-out:100",)
SERVERS = ("sfu", "janus", "python loop", "limit")
RECORDING = "sfu, recording"
"""Our node while it records: `--server sfu --server 'sfu, recording'`."""


@dataclass(frozen=True)
class Settings:
    """How everything is run."""

    scenarios: tuple[Scenario, ...]
    servers: tuple[str, ...] = SERVERS
    runs: int = 3
    seconds: float = 5.0  # of each measured window
    server_core: int = 1
    generator_core: int = 0
    sample_every: int = 50
    receiver_gro: bool = False
    feedback: bool = True  # clients offer transport-wide feedback and retransmission
    loopback: bool = False
    profile: str = GCM_128
    concurrent_joins: int = 32
