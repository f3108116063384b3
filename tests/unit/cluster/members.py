"""Nodes as they run, with asyncio."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from random import Random

import pytest

from sfu.cluster.directory import Directory
from sfu.cluster.member import Member
from sfu.cluster.membership import Membership
from sfu.cluster.records import NodeRecord
from sfu.cluster.timing import Timing

PATIENT = Timing(lease=30.0, hold=25.0, watch=0.0, ask_timeout=10.0, uncertainty=20.0, travel=20.0, renew_every=0.2)
"""For a machine that stands still at times: nothing here depends on how long anything takes."""


@contextlib.asynccontextmanager
async def running(directory: Directory, node: str, **fields: object) -> AsyncIterator[Member]:
    record = NodeRecord(id=node, **fields)  # type: ignore[arg-type]
    membership = Membership(record, random=Random(1), timing=PATIENT)
    heard: list[object] = []
    member = Member(directory, membership, random=Random(1), tell=heard.append)
    member.heard = heard  # type: ignore[attr-defined]
    task = asyncio.create_task(member.run())
    try:
        yield member
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(happens: Callable[[], bool]) -> None:
    for _ in range(3000):
        if happens():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it does not happen")
