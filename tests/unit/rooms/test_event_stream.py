"""Readers get every event in order, or learn that they missed some; none makes the server grow."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

from sfu.errors import LimitError
from sfu.events import Event, EventsLost, PeerJoined
from sfu.rooms.event_stream import EventHub, EventStream


def make_hub(*, queued: int = 4, streams: int = 3) -> EventHub:
    return EventHub("lobby", max_queued=queued, max_streams=streams)


def joined(number: int) -> PeerJoined:
    return PeerJoined("lobby", f"peer{number}")


async def read_all(stream: EventStream) -> list[Event]:
    return [event async for event in stream]


async def test_every_reader_gets_every_event_from_its_opening_on() -> None:
    hub = make_hub()
    early = hub.open()
    hub.publish(joined(1))
    late = hub.open()
    hub.publish(joined(2))
    hub.close()
    assert await read_all(early) == [joined(1), joined(2)]
    assert await read_all(late) == [joined(2)]


async def test_a_waiting_reader_is_woken() -> None:
    hub = make_hub()
    stream = hub.open()
    reading = asyncio.create_task(anext(stream))
    await asyncio.sleep(0)
    hub.publish(joined(1))
    assert await reading == joined(1)


async def test_a_cancelled_wait_loses_nothing() -> None:
    hub = make_hub()
    stream = hub.open()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(stream), 0.001)
    hub.publish(joined(1))
    assert await anext(stream) == joined(1)


async def test_a_slow_reader_is_told_and_ended() -> None:
    hub = make_hub(queued=2)
    stream = hub.open()
    for number in range(10):
        hub.publish(joined(number))
    assert await read_all(stream) == [joined(0), joined(1), EventsLost("lobby")]


async def test_a_closed_stream_gets_nothing_more() -> None:
    hub = make_hub()
    async with hub.open() as stream:
        hub.publish(joined(1))
    hub.publish(joined(2))
    assert await read_all(stream) == [joined(1)]


def test_readers_are_limited_and_a_dropped_one_makes_room() -> None:
    hub = make_hub(streams=2)
    kept, dropped = hub.open(), hub.open()
    with pytest.raises(LimitError) as caught:
        hub.open()
    assert caught.value.key == "max_event_streams"
    del dropped
    gc.collect()
    assert hub.open() is not kept


def test_a_reader_keeps_what_it_watches_alive() -> None:
    class Watched:
        pass

    hub, watched = make_hub(), Watched()
    reference = weakref.ref(watched)
    stream = hub.open(watched)
    del watched
    gc.collect()
    assert reference() is not None
    del stream
    gc.collect()
    assert reference() is None
