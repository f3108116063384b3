"""A server that is to stop keeps the rooms that it has, and opens no others (`Server.drain`)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from sfu import Config, Server
from sfu.errors import ArgumentError, DrainingError
from sfu.events import DrainEnded, Draining
from tests.unit.fakes import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def server(clock: FakeClock) -> AsyncIterator[Server]:
    async with Server(Config(), clock=clock) as server:
        yield server


async def test_rooms_that_are_there_go_on_and_can_be_joined_others_do_not_open(server: Server) -> None:
    server.room("court").join("judge")
    server.drain(60.0)
    server.room("court").join("clerk")
    with pytest.raises(DrainingError, match="60 s") as refused:
        server.room("chamber").join("judge")
    assert (refused.value.status, refused.value.retry_after) == (503, 60.0)
    assert set(server.rooms) == {"court"}


async def test_a_room_that_was_empty_for_a_moment_opens_again_and_not_after_the_deadline(
    server: Server, clock: FakeClock
) -> None:
    judge = server.room("court").join("judge")
    server.drain(60.0)
    judge.leave()
    server.room("court").join("judge").leave()
    clock.now += 60.0
    with pytest.raises(DrainingError):
        server.room("court").join("judge")


async def test_everybody_is_told_of_the_drain_of_another_deadline_and_of_the_way_back(
    server: Server, clock: FakeClock
) -> None:
    court, chamber = server.room("court"), server.room("chamber")
    court.join("judge")
    chamber.join("clerk")
    stream, whole = court.events(), server.events()
    server.drain(60.0)
    clock.now += 10.0
    server.drain(20.0)
    assert server.drain_left == 20.0
    server.end_drain()
    assert server.drain_left is None
    stream.close()
    whole.close()
    assert [event async for event in stream] == [Draining("court", 60.0), Draining("court", 20.0), DrainEnded("court")]
    told = [event async for event in whole]
    assert {event.room for event in told} == {"court", "chamber"}
    assert len(told) == 6
    server.room("attic").join("clerk")


async def test_the_second_drain_lets_no_rooms_in_that_the_first_had_refused(server: Server) -> None:
    server.room("court").join("judge")
    server.drain(60.0)
    with pytest.raises(DrainingError):
        server.room("chamber").join("clerk")
    server.drain(30.0)
    with pytest.raises(DrainingError):
        server.room("chamber").join("clerk")


async def test_to_end_a_drain_that_is_not_says_nothing(server: Server) -> None:
    court = server.room("court")
    stream = court.events()
    server.end_drain()
    stream.close()
    assert [event async for event in stream] == []


@pytest.mark.parametrize("seconds", [-1.0, float("inf"), float("nan")])
async def test_a_time_without_sense_is_refused(server: Server, seconds: float) -> None:
    with pytest.raises(ArgumentError):
        server.drain(seconds)
    assert server.drain_left is None
