"""Who is counted as there, and who as coming back."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from sfu import Attendance, Config, Server
from sfu.errors import RoomFullError
from sfu.rooms import attendance as module
from tests.unit.fakes import FakeClock


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server(Config(max_peers_per_room=2)) as server:
        yield server


async def test_rooms_belong_to_the_tenant_who_opened_them_until_the_last_has_left(server: Server) -> None:
    counted = server.attendance
    alice = server.room("lobby").join("alice", tenant="x")
    bob = server.room("lobby").join("bob", tenant="y")
    assert (alice.tenant, bob.tenant) == ("x", "y")
    assert (counted.count_rooms("x"), counted.count_rooms("y")) == (1, 0)
    assert (counted.count_peers("x"), counted.count_peers("y")) == (1, 1)
    alice.leave()
    assert counted.find_opener("lobby") == "x"
    bob.leave()
    bob.leave()
    assert counted.find_opener("lobby") is None
    assert not any(count(tenant) for count in (counted.count_rooms, counted.count_peers) for tenant in "xy")
    server.room("lobby").join("bob", tenant="y")
    assert counted.find_opener("lobby") == "y"


async def test_who_could_not_join_or_was_put_out_is_not_counted(server: Server) -> None:
    room = server.room("lobby")
    room.join("alice", tenant="x")
    room.join("bob", tenant="x")
    with pytest.raises(RoomFullError):
        room.join("carol", tenant="x")
    assert server.attendance.count_peers("x") == 2
    room.join("alice", subject="alice", named=True, tenant="y")  # whose name it is
    assert (server.attendance.count_peers("x"), server.attendance.count_peers("y")) == (1, 1)
    room.close()
    assert (server.attendance.count_peers("x"), server.attendance.count_peers("y")) == (0, 0)
    assert server.attendance.count_rooms("x") == 0


def test_who_has_just_left_is_returning_for_a_minute() -> None:
    clock = FakeClock()
    counted = Attendance(clock)
    assert not counted.is_returning("lobby", "alice")
    counted.enter("lobby", "alice", "x")
    counted.leave("lobby", "alice", "x")
    assert counted.is_returning("lobby", "alice")
    assert not counted.is_returning("court", "alice")
    counted.enter("lobby", "alice", "x")
    assert not counted.is_returning("lobby", "alice")  # it has returned, and another one would be new
    counted.leave("lobby", "alice", "x")
    clock.now += module.RETURN_S
    assert not counted.is_returning("lobby", "alice")


def test_those_who_have_left_are_remembered_up_to_a_number() -> None:
    clock = FakeClock()
    counted = Attendance(clock)
    for number in range(module._MOST_LEFT + 10):
        counted.expect("lobby", str(number))
    assert len(counted._left) == module._MOST_LEFT
    assert not counted.is_returning("lobby", "9")
    assert counted.is_returning("lobby", "10")
    clock.now += module.RETURN_S
    counted.expect("lobby", "late")
    assert len(counted._left) == module._MOST_LEFT  # one that is over made room
