"""A room outlives its process: who is kept out, blocked or named so stays it, and nobody is refused meanwhile."""

from __future__ import annotations

import gc
import json
import socket
from collections.abc import AsyncIterator

import pytest

from sfu import Config, LocalError, Room, Server
from sfu.errors import ArgumentError, ExcludedError, NameHeldError, PrivateError, RoomClosedError
from tests.unit.fakes import FakeClock
from tests.unit.offers import make_offer

SEND = make_offer(("audio", "sendonly"), ("video", "sendonly"))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def server(clock: FakeClock) -> AsyncIterator[Server]:
    async with Server(Config(udp_port=0), clock=clock) as server:
        yield server


@pytest.fixture
def later() -> FakeClock:
    """The clock of another machine's start: its numbers have nothing to do with the first."""
    clock = FakeClock()
    clock.now = 1e6
    return clock


@pytest.fixture
async def successor(later: FakeClock) -> AsyncIterator[Server]:
    async with Server(Config(udp_port=0), clock=later) as server:
        yield server


def _hand_over(server: Server, successor: Server) -> None:
    successor.import_rooms(json.loads(json.dumps(server.export_rooms())))
    gc.collect()


async def test_who_was_put_out_stays_out_for_the_rest_of_the_time(
    server: Server, successor: Server, clock: FakeClock, later: FakeClock
) -> None:
    court = server.room("court")
    court.join("judge", subject="judge")
    court.remove(court.join("mallory", subject="mallory"), keep_out=300.0)
    court.remove(court.join("trudy"), keep_out=300.0)
    clock.now += 100.0
    _hand_over(server, successor)
    taken = successor.room("court")
    for name, subject in (("mallory", "mallory"), ("other", "mallory"), ("trudy", None)):
        with pytest.raises(ExcludedError, match="200 s"):
            taken.join(name, subject=subject)
    later.now += 201.0
    taken.join("mallory", subject="mallory")


async def test_a_closed_room_stays_closed_also_once_nobody_holds_it(
    server: Server, successor: Server, later: FakeClock
) -> None:
    server.room("court").close(keep_out=300.0)
    _hand_over(server, successor)
    successor._awaited.clear()  # as after a minute
    gc.collect()
    with pytest.raises(RoomClosedError, match="300 s"):
        successor.room("court").join("judge")
    later.now += 301.0
    successor.room("court").join("judge")


async def test_a_private_room_stays_private(server: Server, successor: Server) -> None:
    chamber = server.room("chamber")
    chamber.set_private(True)
    _hand_over(server, successor)
    successor._awaited.clear()
    gc.collect()
    assert successor.room("chamber").private
    with pytest.raises(PrivateError):
        successor.room("chamber").record("/nowhere", key=None)  # type: ignore[arg-type]


async def test_a_name_stays_with_its_holder_and_a_block_with_its_name(server: Server, successor: Server) -> None:
    court = server.room("court")
    alice = court.join("alice", subject="alice@court", named=True)
    answered = alice.answer(SEND)
    court.block(next(track for track in answered.connection.tracks if track.kind == "audio"), subject="judge")
    _hand_over(server, successor)
    taken = successor.room("court")
    with pytest.raises(NameHeldError):
        taken.join("alice")
    again = taken.join("alice", subject="alice@court", named=True)
    again.answer(SEND)
    assert {track.kind: track.blocked for track in again.tracks} == {"audio": True, "video": False}


async def test_who_was_there_comes_again_and_is_not_new(server: Server, successor: Server) -> None:
    server.room("court").join("judge")
    _hand_over(server, successor)
    assert successor.attendance.is_returning("court", "judge")
    assert not successor.attendance.is_returning("court", "mallory")


async def test_a_room_of_nobody_is_not_worth_a_word(server: Server) -> None:
    room = server.room("attic")
    assert server.export_rooms() == []
    room.join("alice")
    assert [each["name"] for each in server.export_rooms()] == ["attic"]


def _spoil(room: dict[str, object], key: str, value: object) -> list[dict[str, object]]:
    return [{**room, key: value}]


@pytest.mark.parametrize(("key", "value"), [("closed_for", "soon"), ("excluded", []), ("blocked", [1]), ("private", 1)])
async def test_what_no_server_has_written_is_refused(
    server: Server, successor: Server, key: str, value: object
) -> None:
    room: Room = server.room("court")
    room.join("judge")
    (exported,) = server.export_rooms()
    with pytest.raises(ArgumentError):
        successor.import_rooms(_spoil(exported, key, value))
    del exported["name"]
    with pytest.raises(ArgumentError):
        successor.import_rooms([exported])


async def test_a_server_that_does_not_run_takes_none() -> None:
    with pytest.raises(LocalError):
        Server().import_rooms([])


async def test_the_sockets_outlive_the_server_and_lose_nothing_meanwhile() -> None:
    config = Config(udp_port=0, shards=2)
    first = Server(config)
    await first.start()
    ports, shared = first.udp_ports, first.share_sockets()
    await first.close()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", ports[0]))
        client.send(b"\0" * 20)
        client.send(b"\0" * 20)  # would fail if the port were closed
    second = Server(config)
    await second.start(shared)
    try:
        assert second.udp_ports == ports
    finally:
        await second.close()


async def test_a_socket_that_does_not_fit_is_closed_and_another_one_bound() -> None:
    first = Server(Config(udp_port=0))
    await first.start()
    shared = first.share_sockets()
    await first.close()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    second = Server(Config(udp_port=free))
    await second.start(shared)
    try:
        assert second.udp_ports == (free,)
        assert [each.fileno() for each in shared] == [-1]
    finally:
        await second.close()
