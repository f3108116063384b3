"""What a node asks of the directory about nodes: its lease, who else is there, how loaded they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sfu.cluster.records import NodeRecord, RecordError, read_node
from sfu.cluster.requests import Request, read_list, read_number, read_text, read_word
from sfu.cluster.timing import PROTOCOL


@dataclass(frozen=True, slots=True)
class Renewed:
    """`renewed`; or `held`: another process has this id, and `soonest_ms` of its lease is left; or `superseded`: one
    has come after us; or `protocol`: the nodes that are there speak the protocol `epoch`.
    """

    outcome: str
    epoch: int
    incarnation: str
    """Which life of the store: it changes with a restart, a failover, a flush, a step back of its clock, and where
    nobody came for as long as a lease lasts.
    """
    revived: bool
    """The lease had run out: our rooms may be others'."""
    known: bool
    """Whether the store has our record; else it must be sent again."""
    version: int
    """Of what is known of nodes."""
    time_ms: int
    """The store's calendar."""
    soonest_ms: int
    """When the first of the neighbours' leases runs out; -1: nobody has one."""


@dataclass(frozen=True, slots=True)
class Renew(Request[Renewed]):
    """Register (epoch 0), or renew the lease; tell the load; look after neighbours, who are gone if theirs is over."""

    script = "renew"
    node: str
    epoch: int
    load: float
    record: NodeRecord | None
    """Where it is new, has changed, or the store does not know it."""
    neighbours: tuple[str, ...] = ()

    def arguments(self) -> Sequence[str]:
        """Return them."""
        record = self.record.encode() if self.record is not None else ""
        return (self.node, str(self.epoch), str(PROTOCOL), f"{self.load:.3f}", record, *self.neighbours)

    def _read(self, raw: object) -> Renewed:
        outcome, epoch, incarnation, revived, known, version, time_ms, soonest = read_list(raw)
        return Renewed(
            read_word(outcome, "renewed", "held", "superseded", "protocol"), read_number(epoch), read_text(incarnation),
            read_number(revived) == 1, read_number(known) == 1, read_number(version), read_number(time_ms),
            read_number(soonest),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Leave(Request[bool]):
    """Give the lease up, and with it all that is bound to it. Who asks must not count on it any more."""

    script = "leave"
    node: str
    epoch: int

    def arguments(self) -> Sequence[str]:
        """Return them."""
        return (self.node, str(self.epoch))

    def _read(self, raw: object) -> bool:
        return read_number(raw) == 1


@dataclass(frozen=True, slots=True)
class SeenNodes:
    """What has changed of nodes since a version, or all of them."""

    incarnation: str
    version: int
    complete: bool
    nodes: tuple[NodeRecord, ...]
    gone: tuple[str, ...]
    unreadable: int
    """So many records were skipped: damaged, or another program's."""


@dataclass(frozen=True, slots=True)
class Look(Request[SeenNodes]):
    """Ask what has changed of nodes."""

    script = "look"
    since: int
    incarnation: str

    def arguments(self) -> Sequence[str]:
        """Return them."""
        return (str(self.since), self.incarnation)

    def _read(self, raw: object) -> SeenNodes:
        incarnation, version, complete, flat = read_list(raw)
        parts = read_list(flat)
        nodes, gone, unreadable = list[NodeRecord](), list[str](), 0
        for node, value in zip(parts[::2], parts[1::2], strict=True):
            try:
                if record := read_text(value):
                    nodes.append(read_node(read_text(node), record))
                else:
                    gone.append(read_text(node))
            except (RecordError, ValueError):
                unreadable += 1
        return SeenNodes(
            read_text(incarnation),
            read_number(version),
            read_number(complete) == 1,
            tuple(nodes),
            tuple(gone),
            unreadable,
        )


@dataclass(frozen=True, slots=True)
class Loads(Request[dict[str, float]]):
    """Ask for the loads of some nodes, 0 to 1; who has told none is left out."""

    script = "loads"
    nodes: tuple[str, ...]

    def arguments(self) -> Sequence[str]:
        """Return them."""
        return self.nodes

    def _read(self, raw: object) -> dict[str, float]:
        loads = dict[str, float]()
        for node, value in zip(self.nodes, read_list(raw), strict=True):
            if text := read_text(value):
                load = float(text)
                loads[node] = min(load, 1.0) if load >= 0.0 else 1.0  # what is no number is no reason to go there
        return loads


@dataclass(frozen=True, slots=True)
class Sweep(Request[int]):
    """Look at some keys for rooms of nodes that are gone; forget those that were so for `grace_ms`. Told: how many."""

    script = "sweep"
    grace_ms: int
    count: int = 200

    def arguments(self) -> Sequence[str]:
        """Return them."""
        return (str(self.count), str(self.grace_ms))

    def _read(self, raw: object) -> int:
        return read_number(raw)
