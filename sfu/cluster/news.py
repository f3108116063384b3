"""What a node is told by its membership, in order."""

from __future__ import annotations

from dataclasses import dataclass

from sfu.cluster.records import NodeRecord, RoomRecord


@dataclass(frozen=True, slots=True)
class RoomOurs:
    """We are its home, under this token: newly, or again after our lease ran out."""

    room: str
    token: int


@dataclass(frozen=True, slots=True)
class RoomElsewhere:
    """Another node is its home. `was_ours`: it took over what we had."""

    home: RoomRecord
    was_ours: bool


@dataclass(frozen=True, slots=True)
class NodeThere:
    """A node has come, or says something else of itself."""

    node: NodeRecord


@dataclass(frozen=True, slots=True)
class NodeGone:
    """A node is gone, or that process of it."""

    node: NodeRecord


@dataclass(frozen=True, slots=True)
class Excluded:
    """We cannot be a part of this cluster for now, and why: for an operator."""

    reason: str


News = RoomOurs | RoomElsewhere | NodeThere | NodeGone | Excluded
