"""Which node a new room goes to: near first, then the least loaded of a few."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from random import Random

from sfu.cluster.records import NodeRecord
from sfu.cluster.timing import PROTOCOL

CHOICES = 2
"""Asked besides the node that the client came to. Two are enough for loads to stay close together ("the power of two
choices", Mitzenmacher 1996): a third improves little, and one is pure chance.
"""
WORTH_A_MOVE = 0.05
"""By so much of its capacity another node must be less loaded for a client to be sent there."""


def is_open(node: NodeRecord) -> bool:
    """Return whether rooms may be placed on it."""
    return not node.draining and node.protocol == PROTOCOL


def pick_candidates(
    us: NodeRecord, others: Iterable[NodeRecord], random: Random, *, full: Collection[str] = ()
) -> tuple[NodeRecord, ...]:
    """Return the nodes whose loads are to be compared for a client who came to `us`: in its region, or anywhere if
    nobody of that is open. `full`: ids that have been tried and had no room.

    The same `others`, in the same order, and the same `random` give the same candidates.
    """
    rest = [node for node in others if is_open(node) and node.id not in full and node.id != us.id]
    ours = [us] if is_open(us) and us.id not in full else []
    near = [node for node in rest if node.region == us.region]
    if not near and not ours:
        near = rest
    return (*ours, *random.sample(near, min(CHOICES, len(near))))


def choose(candidates: Iterable[NodeRecord], us: str, loads: Mapping[str, float]) -> NodeRecord | None:
    """Return the least loaded; `us` where nobody is less loaded by enough; None: nobody is there. `loads`: 0 to 1 by
    id; who has told none is taken for full.
    """
    best, least = None, 2.0
    for node in candidates:
        load = loads.get(node.id, 1.0) - (WORTH_A_MOVE if node.id == us else 0.0)
        if load < least:
            best, least = node, load
    return best
