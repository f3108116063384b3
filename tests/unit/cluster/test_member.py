"""Nodes as they run: with asyncio, on a directory in memory and on a real Redis."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

import pytest

from sfu.cluster.directory import DirectoryUnavailableError, MemoryDirectory
from sfu.cluster.lease import LeaseState
from sfu.cluster.member import Member, lease_clock
from sfu.cluster.membership import Membership
from sfu.cluster.news import NodeGone, RoomOurs
from sfu.cluster.node_requests import Loads
from sfu.cluster.records import NodeRecord, RoomRecord
from sfu.cluster.redis_directory import RedisDirectory
from tests.redis_server import run_redis
from tests.unit.cluster.conftest import Bench
from tests.unit.cluster.members import PATIENT, running, until


async def test_rooms_get_one_home_and_another_when_that_leaves(bench: Bench) -> None:
    async with running(bench.directory, "a") as a, running(bench.directory, "b") as b:
        await until(lambda: a.membership.view.nodes.keys() | b.membership.view.nodes.keys() == {"a", "b"})
        assert (await a.attend("r")).node == "a"
        assert (await b.attend("r")).node == "a"
        assert isinstance(a.heard[-1], RoomOurs)  # type: ignore[attr-defined]
        assert b.find_home("r") == await b.place("r")
        await a.close()
        b.membership.rooms.doubt("r", lease_clock())
        b._hear("nodes")
        await until(lambda: (home := b.find_home("r")) is not None and home.node == "b")
        await until(lambda: any(isinstance(news, NodeGone) for news in b.heard))  # type: ignore[attr-defined]
        b.leave("r")
        await until(lambda: len(b.membership.rooms) == 0)


async def test_a_new_room_is_placed_on_the_least_loaded_node_of_the_region(bench: Bench) -> None:
    async with (
        running(bench.directory, "a", region="eu") as a,
        running(bench.directory, "b", region="eu") as b,
        running(bench.directory, "c", region="us"),
    ):
        a.membership.load, b.membership.load = 0.9, 0.1
        await until(lambda: set(a.membership.view.nodes) == {"b", "c"})
        loads = Loads(("a", "b"))
        for _ in range(3000):
            if await bench.directory.ask(loads) == {"a": 0.9, "b": 0.1}:
                break
            await asyncio.sleep(0.01)
        placed = await a.place("new")
        assert isinstance(placed, NodeRecord) and placed.id == "b"
        await b.attend("new")
        home = await a.place("new")
        assert isinstance(home, RoomRecord) and home.node == "b"


async def test_a_room_is_handed_over(bench: Bench) -> None:
    async with running(bench.directory, "a") as a, running(bench.directory, "b") as b:
        await a.attend("r")
        await b.attend("r")
        await until(lambda: "b" in a.membership.view.nodes)
        assert await a.move("r", a.membership.view.nodes["b"])
        b.membership.rooms.doubt("r", lease_clock())
        b._hear("nodes")
        await until(lambda: (home := b.find_home("r")) is not None and home.node == "b")
        assert not await a.move("r", a.membership.view.nodes["b"])


async def test_nobody_waits_for_ever_and_a_directory_that_is_away_stops_nothing(tmp_path: Path) -> None:
    with run_redis(tmp_path) as server:
        directory = RedisDirectory(server.url, timing=PATIENT)
        async with running(directory, "a") as a:
            assert (await a.attend("r")).node == "a"
            server.stop()
            await until(lambda: directory.failures.total() > 2)
            assert (await a.attend("r")).node == "a", "what it knows it knows"
            assert a.membership.state(lease_clock()) is LeaseState.HOLDS
            with pytest.raises(DirectoryUnavailableError):
                await a.place("other")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await a.attend("new")
            a.leave("new")
            server.start()
            assert (await a.attend("later")).node == "a"
            assert a.membership.rooms.holds("r", lease_clock())
        await directory.close()


async def test_alone_with_a_directory_in_its_own_memory() -> None:
    directory = MemoryDirectory()
    membership = Membership(NodeRecord(id="a"), random=Random(1), timing=PATIENT)
    member = Member(directory, membership, random=Random(1))
    task = asyncio.create_task(member.run())
    assert (await member.attend("r")).node == "a"
    await member.close()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await directory.close()
    assert directory.failures.total() == 0
