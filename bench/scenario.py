"""What is run: scenarios by name and size, who is in them, and the settings of a whole bench."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from bench.errors import BenchError
from bench.links import GCM_128
from bench.traffic import AUDIO, SMALL_VIDEO, VIDEO, Traffic


class Kind(enum.Enum):
    """The shapes of load."""

    FAN_OUT = "fan-out"  # one publisher, `size` subscribers
    CONFERENCE = "conference"  # `size` peers, all publish and see all others
    HEARINGS = "hearings"  # `size` rooms of four, each of whom publishes and sees the three others
    SATURATION = "saturation"  # fan-out at a rising frame rate until packets are lost
    RECORDING = "recording"  # `size` publishers and nobody who watches


_SIZES = {
    Kind.FAN_OUT: (2, 2000),
    Kind.CONFERENCE: (2, 40),
    Kind.HEARINGS: (1, 60),
    Kind.SATURATION: (2, 2000),
    Kind.RECORDING: (2, 400),
}
PEOPLE_OF_A_HEARING = 4


@dataclass(frozen=True)
class Publisher:
    """Who publishes; the name is one of its own in all rooms."""

    room: int
    name: str


@dataclass(frozen=True)
class Subscriber:
    """Who watches, and whom."""

    room: int
    name: str
    watches: tuple[str, ...]


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
    def rooms(self) -> int:
        """How many rooms it takes."""
        return self.size if self.kind is Kind.HEARINGS else 1

    @property
    def traffic(self) -> Mapping[str, Traffic]:
        """What each publisher sends, by the kind of track."""
        if self.kind is Kind.RECORDING:
            return MappingProxyType({"video": SMALL_VIDEO})
        return MappingProxyType({"audio": AUDIO, "video": SMALL_VIDEO if self.kind is Kind.HEARINGS else VIDEO})

    @property
    def kinds(self) -> tuple[str, ...]:
        """The tracks of each publisher."""
        return tuple(self.traffic)

    @property
    def publishers(self) -> tuple[Publisher, ...]:
        """All who publish."""
        if self.kind is Kind.HEARINGS:
            people = range(PEOPLE_OF_A_HEARING)
            return tuple(Publisher(room, f"r{room}p{person}") for room in range(self.size) for person in people)
        count = self.size if self.kind in (Kind.CONFERENCE, Kind.RECORDING) else 1
        return tuple(Publisher(0, f"p{index}") for index in range(count))

    @property
    def subscribers(self) -> tuple[Subscriber, ...]:
        """All who watch."""
        if self.kind is Kind.RECORDING:
            return ()
        if self.kind in (Kind.FAN_OUT, Kind.SATURATION):
            return tuple(Subscriber(0, f"s{index}", ("p0",)) for index in range(self.size))
        there: dict[int, list[str]] = {}
        for one in self.publishers:
            there.setdefault(one.room, []).append(one.name)
        return tuple(
            Subscriber(one.room, one.name, tuple(name for name in there[one.room] if name != one.name))
            for one in self.publishers
        )


def parse_scenario(text: str) -> Scenario:
    """`KIND:SIZE`; BenchError names the kinds and the bounds."""
    name, _, size = text.partition(":")
    try:
        kind = Kind(name)
        number = int(size)
    except ValueError:
        kinds = ", ".join(kind.value for kind in Kind)
        raise BenchError(f"{text!r} is no scenario: write KIND:SIZE with KIND one of {kinds}") from None
    least, most = _SIZES[kind]
    if not least <= number <= most:
        raise BenchError(f"{text!r}: the size must be between {least} and {most}")
    return Scenario(kind, number)


FULL = ("fan-out:100", "fan-out:300", "conference:12", "hearings:15", "recording:100", "saturation:300")
QUICK = ("fan-out:100", "hearings:15")
RECORDING = "sfu, recording"
"""Our node while it records: in a conference, and where nobody watches."""
SERVERS = ("sfu", "janus", RECORDING, "python loop", "limit")


@dataclass(frozen=True)
class Settings:
    """How everything is run."""

    scenarios: tuple[Scenario, ...]
    servers: tuple[str, ...] = SERVERS
    runs: int = 3
    seconds: float = 4.0  # of each measured window
    ramp_s: float = 12.0  # the longest warm-up, until everybody gets all
    patience_s: float = 0.0  # what comes so much too late is there all the same: to see whether anything is lost
    server_core: int = 1
    generator_core: int = 0
    sample_every: int = 50
    receiver_gro: bool = False
    feedback: bool = True  # clients offer transport-wide feedback and retransmission
    loopback: bool = False
    profile: str = GCM_128
    concurrent_joins: int = 32
