"""What the doors of a node are told of where rooms live, with a directory in memory."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest

from sfu.cluster.directory import Directory, DirectoryUnavailableError, MemoryDirectory
from sfu.cluster.memory_store import MemoryStore
from sfu.cluster.records import NodeRecord
from sfu.cluster.requests import Request
from sfu.cluster.room_homes import ENTERING_S, RoomHomes
from sfu.signaling.http.homes import Home, UnknownHomeError
from tests.unit.cluster.members import PATIENT, running, until


class Breakable:
    """A directory that can be away."""

    def __init__(self, store: MemoryStore) -> None:
        self._directory = MemoryDirectory(store, timing=PATIENT)
        self.failures = self._directory.failures
        self.away = False

    async def ask(self, request: Request[object]) -> object:
        if self.away:
            self.failures["connection"] += 1
            raise DirectoryUnavailableError("connection", "it is away")
        return await self._directory.ask(request)

    def listen(self, hint: object) -> None:
        self._directory.listen(hint)  # type: ignore[arg-type]

    async def close(self) -> None:
        await self._directory.close()


class Door:
    """A node's homes, and which rooms it has open."""

    def __init__(self, directory: Breakable, homes: RoomHomes, open_rooms: set[str], lost: list[object]) -> None:
        self.directory = directory
        self.homes = homes
        self.open = open_rooms
        self.lost = lost
        self.drains = False
        self.later = 0.0


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(time.time, PATIENT.lease_ms)


@contextlib.asynccontextmanager
async def door(store: MemoryStore, node: str, **fields: object) -> AsyncIterator[Door]:
    directory = Breakable(store)
    held: Directory = directory  # type: ignore[assignment]
    async with running(held, node, client_url=f"https://{node}.test/", **fields) as member:
        open_rooms, lost = set[str](), list[object]()
        made: Door
        homes = RoomHomes(
            member,
            open_rooms.__contains__,
            drains=lambda: made.drains,
            clock=lambda: time.clock_gettime(time.CLOCK_BOOTTIME) + made.later,
            patience=5.0,
        )
        homes.on_lost = lambda room, home: lost.append((room, home))
        member._tell = homes.handle_news
        made = Door(directory, homes, open_rooms, lost)
        await until(lambda: member.membership.lease.epoch > 0)
        member.membership.load = 0.2
        yield made


async def know_each_other(*doors: Door) -> None:
    await until(lambda: all(len(each.homes.others) == len(doors) - 1 for each in doors))


async def test_a_room_opens_where_its_first_client_comes_and_others_are_led_there(store: MemoryStore) -> None:
    async with door(store, "a") as a, door(store, "b", region="eu") as b:
        await know_each_other(a, b)
        assert await a.homes.enter("r") is None
        a.open.add("r")
        assert await b.homes.enter("r") == Home("https://a.test", "")
        assert await b.homes.find("r") == Home("https://a.test", "")
        assert (await a.homes.find("r"), await b.homes.find("nobody's")) == (None, None)
        assert (a.homes.held, b.homes.held, b.homes.led) == (1, 0, 2)


async def test_clients_who_come_at_once_are_one_question(store: MemoryStore) -> None:
    async with door(store, "a") as a, door(store, "b") as b:
        await know_each_other(a, b)
        found = await asyncio.gather(*(each.homes.enter("r") for each in (a, b) * 20))
        assert {found[0], found[1]} in ({None, Home("https://a.test")}, {None, Home("https://b.test")})
        assert found == found[:2] * 20


async def test_a_room_goes_to_the_node_that_has_less_to_do(store: MemoryStore) -> None:
    async with door(store, "a") as a, door(store, "b") as b:
        await know_each_other(a, b)
        a.homes._member.membership.load = 0.8
        async with asyncio.timeout(20):
            while await a.homes.enter(f"r{time.monotonic_ns()}") != Home("https://b.test"):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert await b.homes.enter("new") is None


async def test_a_room_that_is_over_is_given_up_and_one_that_is_awaited_is_not(store: MemoryStore) -> None:
    async with door(store, "a") as a, door(store, "b") as b:
        await know_each_other(a, b)
        assert await a.homes.enter("r") is None
        a.homes.handle_tick()
        assert a.homes.held == 1, "whose body is still on its way"
        a.open.add("r")
        a.later = ENTERING_S + 1
        a.homes.handle_tick()
        assert a.homes.held == 1
        a.open.remove("r")
        a.homes.handle_tick()
        await until(lambda: store.rooms == 0)
        assert await b.homes.enter("r") is None
        assert await a.homes.enter("r") == Home("https://b.test")


async def test_without_the_directory_what_is_known_is_served_and_nothing_is_opened_twice(store: MemoryStore) -> None:
    async with door(store, "a") as a, door(store, "b") as b:
        await know_each_other(a, b)
        assert await a.homes.enter("ours") is None
        a.open.add("ours")
        assert await b.homes.enter("theirs") is None
        assert await a.homes.enter("theirs") == Home("https://b.test")
        a.directory.away = True
        assert await a.homes.enter("ours") is None
        assert await a.homes.enter("theirs") == Home("https://b.test")
        assert await a.homes.find("theirs") == Home("https://b.test")
        with pytest.raises(UnknownHomeError) as refused:
            await a.homes.enter("new")
        assert (refused.value.status, refused.value.retry_after) == (503, 1.0)
        assert await a.homes.find("new") is None
        assert dict(a.homes.unknown) == {"connection": 1}
        a.directory.away = False
        assert await a.homes.enter("new") is None


async def test_who_was_cut_off_while_another_took_a_room_over_sends_its_people_there(store: MemoryStore) -> None:
    async with door(store, "a") as a, door(store, "b") as b:
        await know_each_other(a, b)
        assert await a.homes.enter("r") is None
        a.open.add("r")
        a.directory.away = True
        store._leases.pop("a")  # as if its time were over
        assert await b.homes.enter("r") is None
        assert a.lost == []
        a.directory.away = False
        await until(lambda: a.lost != [])
        assert a.lost == [("r", Home("https://b.test"))]
        assert await a.homes.enter("r") == Home("https://b.test"), "though its record is still being closed"
        a.open.remove("r")
        a.homes.handle_tick()
        assert await a.homes.enter("r") == Home("https://b.test")
        assert (a.homes.lost, a.homes.held, b.homes.held) == (1, 0, 1)


async def test_a_room_that_is_opened_just_after_it_was_taken_over_is_lost_too(store: MemoryStore) -> None:
    async with door(store, "a") as a, door(store, "b") as b:
        await know_each_other(a, b)
        assert await a.homes.enter("r") is None
        a.directory.away = True
        store._leases.pop("a")
        assert await b.homes.enter("r") is None
        a.directory.away = False
        await until(lambda: getattr(a.homes._member.find_home("r"), "node", "") == "b")
        assert a.lost == []
        a.open.add("r")
        a.homes.handle_tick()
        assert a.lost == [("r", Home("https://b.test"))]
        a.homes.handle_tick()
        assert a.homes.lost == 1


async def test_who_drains_leads_to_others_and_keeps_whom_it_has(store: MemoryStore) -> None:
    async with door(store, "a") as a, door(store, "b") as b:
        await know_each_other(a, b)
        assert await a.homes.enter("r") is None
        a.open.add("r")
        a.drains = True
        member = a.homes._member
        member.update(NodeRecord(id="a", client_url="https://a.test/", draining=True))
        assert await a.homes.enter("r") is None
        assert await a.homes.enter("new") == Home("https://b.test")
        await until(lambda: b.homes.others == [])
        a.homes.give_up()
        a.open.remove("r")
        await until(lambda: store.rooms == 0)
        assert await a.homes.enter("r") == Home("https://b.test")


async def test_who_drains_alone_opens_nothing(store: MemoryStore) -> None:
    async with door(store, "a") as a:
        a.drains = True
        assert await a.homes.enter("r") is None, "the server itself refuses"
        assert store.rooms == 0


async def test_a_name_that_the_directory_does_not_take_is_refused(store: MemoryStore) -> None:
    async with door(store, "a") as a:
        with pytest.raises(UnknownHomeError):
            await a.homes.enter("x" * 1025)
        assert await a.homes.find("x" * 1025) is None


async def test_rooms_that_are_there_without_anybody_s_coming_get_a_home(store: MemoryStore) -> None:
    async with door(store, "a") as a:
        a.open.add("r")
        a.homes.note_open("r")
        await until(lambda: store.rooms == 1 and a.homes.held == 1)
