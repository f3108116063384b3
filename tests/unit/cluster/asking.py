"""What the tests of a directory say again and again."""

from __future__ import annotations

from dataclasses import dataclass

from sfu.cluster.directory import Directory
from sfu.cluster.node_requests import Renew, Renewed
from sfu.cluster.records import NodeRecord
from sfu.cluster.room_requests import Claim, Claimed, FoundRoom, Read

FAR = 1 << 50
"""A calendar that no claim is too late for."""


@dataclass
class Node:
    """One that has registered."""

    directory: Directory
    id: str
    epoch: int
    incarnation: str

    async def renew(self, *neighbours: str, record: NodeRecord | None = None) -> Renewed:
        renewed = await self.directory.ask(Renew(self.id, self.epoch, 0.5, record, neighbours))
        self.incarnation = renewed.incarnation
        return renewed

    async def claim(self, room: str, token: int = 0, *, holding: bool = False, latest: int = FAR) -> Claimed:
        claim = Claim(self.id, self.epoch, self.incarnation, latest, holding, ((room, token),))
        return (await self.directory.ask(claim))[0]

    async def claim_token(self, room: str) -> int:
        claimed = await self.claim(room)
        assert claimed.outcome == "claimed" and claimed.home is not None
        return claimed.home.token


async def register(directory: Directory, node: str, **fields: object) -> Node:
    record = NodeRecord(id=node, **fields)  # type: ignore[arg-type]
    renewed = await directory.ask(Renew(node, 0, 0.5, record))
    assert renewed.outcome == "renewed" and renewed.known
    return Node(directory, node, renewed.epoch, renewed.incarnation)


async def read(directory: Directory, room: str, *, with_entries: bool = False) -> FoundRoom:
    return (await directory.ask(Read((room,), with_entries)))[0]
