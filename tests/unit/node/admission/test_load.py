"""Who is refused by the node's load, and who is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from sfu.node.admission.load import REASONS, LoadAdmission, LoadLimits, Readings
from sfu.signaling import Demand

NEW = Demand(wants=frozenset({"peer"}), room="lobby")
RECORDING = Demand(wants=frozenset({"recording"}), room="lobby")


class Node:
    """Threads that are loaded for as long as they are told."""

    def __init__(self, limits: LoadLimits | None = None, *, least_free_bytes: int = 0) -> None:
        self.admission = LoadAdmission(limits or LoadLimits(), least_free_bytes)
        self.now = 0.0
        self.planes = [0.0, 0.0]
        self.control = 0.0
        self.load()

    def load(
        self,
        planes: Sequence[float] = (0.0, 0.0),
        control: float = 0.0,
        *,
        seconds: int = 30,
        memory: float = 0.0,
        descriptors: float = 0.0,
        free: Mapping[int, int] | None = None,
    ) -> None:
        for _ in range(seconds):
            self.now += 1.0
            self.planes = [took + share for took, share in zip(self.planes, planes, strict=True)]
            self.control += control
            self.admission.update(Readings(self.now, tuple(self.planes), self.control, memory, descriptors, free or {}))

    def ask(self, demand: Demand = NEW) -> str | None:
        refusal = self.admission.check(demand)
        return None if refusal is None else refusal.reason


def test_a_node_that_is_idle_lets_everybody_in() -> None:
    assert LoadAdmission(LoadLimits()).check(NEW) is None  # also before anything was read
    assert Node().ask() is None


def test_nobody_new_comes_while_all_planes_are_at_their_bound() -> None:
    node = Node()
    node.load((1.0, 0.5))
    assert node.ask() is None  # one has room
    node.load((1.0, 0.95))
    assert node.ask() == "plane_load"
    node.load((0.85, 0.85))
    assert node.ask() == "plane_load"
    node.load((0.85, 0.75))
    assert node.ask() is None


@pytest.mark.parametrize(
    ("load", "reason"),
    [
        ({"control": 0.95}, "control_load"),
        ({"memory": 0.96}, "memory_load"),
        ({"descriptors": 0.97}, "descriptor_load"),
    ],
)
def test_each_bound_refuses_with_its_name_and_not_below_it(load: dict[str, float], reason: str) -> None:
    node = Node()
    node.load(**dict.fromkeys(load, 0.8))  # type: ignore[arg-type]
    assert node.ask() is None
    node.load(**load)  # type: ignore[arg-type]
    assert node.ask() == reason
    refusal = node.admission.check(NEW)
    assert refusal is not None
    assert (refusal.status, refusal.retry_after) == (503, 10.0)
    node.load()
    assert node.ask() is None


def test_a_moment_of_load_refuses_nobody() -> None:
    node = Node()
    node.load((1.0, 1.0), 1.0, seconds=10)
    assert node.ask() is None
    node.load((1.0, 1.0), 1.0, seconds=3)
    assert node.ask() == "plane_load"


def test_who_returns_comes_in_and_what_runs_may_be_recorded() -> None:
    node = Node()
    node.load((1.0, 1.0), 1.0, memory=0.99)
    assert node.ask(Demand(wants=frozenset({"room", "peer"}), room="lobby", returning=True)) is None
    assert node.ask(Demand(wants=frozenset({"room"}), room="lobby")) == "plane_load"
    assert node.ask(RECORDING) is None


def test_bounds_of_one_are_off() -> None:
    node = Node(LoadLimits(plane=1.0, control=1.0, memory=1.0, descriptors=1.0))
    node.load((1.0, 1.0), 1.0, memory=1.2, descriptors=1.2)
    assert node.ask() is None
    assert node.admission.bounds["control_load"].value > 0.9  # it is measured all the same


def test_no_recording_begins_while_one_of_its_disks_is_short() -> None:
    node = Node(least_free_bytes=1000)
    node.load(free={0: 5000, 1: 1000})
    assert node.ask(RECORDING) is None
    node.load(free={0: 5000, 1: 999})
    assert node.ask(RECORDING) == "disk_space"
    assert node.ask() is None
    node.load(free={0: 5000})  # a disk that cannot be asked: the recording itself will tell
    assert node.ask(RECORDING) is None


def test_a_plane_whose_thread_is_not_there_yet_counts_as_idle() -> None:
    node = Node()
    for now in range(100, 130):
        node.admission.update(Readings(float(now), (None, float(now)), 0.0))
    assert node.ask() is None


def test_every_reason_is_listed() -> None:
    assert set(LoadAdmission(LoadLimits()).bounds) | {"disk_space"} == set(REASONS)
