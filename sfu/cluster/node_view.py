"""Which other nodes there are, as one node knows it."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence

from sfu.cluster.node_requests import SeenNodes
from sfu.cluster.records import NodeRecord


class NodeView:
    """Kept while the directory is away. Who is not in a directory that has lost data is not gone: he is *doubted* for
    as long as he needs to come back to it.
    """

    def __init__(self, us: str) -> None:
        self._us = us
        self.nodes: dict[str, NodeRecord] = {}
        """The others, by id."""
        self.version = 0
        self.incarnation = ""
        self.unreadable = 0
        """So many records could not be read the last time."""
        self._doubted: dict[str, float] = {}
        self._ring: list[str] = []

    def merge(self, seen: SeenNodes, doubt_until: float) -> tuple[list[NodeRecord], list[NodeRecord]]:
        """Take what the directory says. Return who is new, or comes with another epoch or record, and who is gone.

        `doubt_until`: who is missing is gone then; at once, if that is past.
        """
        self.version, self.incarnation = seen.version, seen.incarnation
        self.unreadable = seen.unreadable
        there, gone = list[NodeRecord](), list[NodeRecord]()
        for record in seen.nodes:
            if record.id == self._us:
                continue
            self._doubted.pop(record.id, None)
            before = self.nodes.get(record.id)
            if before == record:
                continue
            if before is not None and before.epoch != record.epoch:
                gone.append(before)
            self.nodes[record.id] = record
            there.append(record)
        missing: Sequence[str] = seen.gone
        if seen.complete:
            present = {record.id for record in seen.nodes}
            missing = [node for node in self.nodes if node not in present]
        for node in missing:
            if node in self.nodes:
                self._doubted.setdefault(node, doubt_until)
        if there or missing:
            self._ring.clear()
        return there, gone

    def expire(self, now: float) -> list[NodeRecord]:
        """Return who was doubted for long enough, and is gone."""
        if not self._doubted:
            return []
        gone = [self.nodes.pop(node) for node, at in self._doubted.items() if at <= now]
        for record in gone:
            del self._doubted[record.id]
        if gone:
            self._ring.clear()
        return gone

    def next_at(self) -> float:
        """Return when `expire` has something to do."""
        return min(self._doubted.values(), default=math.inf)

    def is_living(self, node: str, epoch: int) -> bool:
        """Return whether that process of another node is there as far as we know."""
        found = self.nodes.get(node)
        return found is not None and found.epoch == epoch

    def find_neighbours(self, count: int) -> tuple[str, ...]:
        """Return whom we look after: those that follow us in a ring of all ids."""
        if len(self._ring) != len(self.nodes):
            self._ring = sorted(self.nodes)
        start = bisect_right(self._ring, self._us)
        return tuple((self._ring[start:] + self._ring[:start])[:count] if self._ring else ())
