"""Packets on their way from the planes to the recorders."""

from __future__ import annotations

from sfu.recording.feed import Feed, Place
from sfu.recording.inbox import Inbox
from sfu.routing.plane import TappedPacket, TappedPackets
from tests.unit.recording.tap import FakePlane


def packet(track: int, generation: int = 1, sequence: int = 0) -> TappedPacket:
    return TappedPacket(track, generation, 0, 0, sequence, 0, 1, False, False, 0, False, False, 0, b"payload")


def connected(feed: Feed, place: Place) -> tuple[list[TappedPacket], list[None]]:
    got: list[TappedPacket] = []
    missed: list[None] = []
    feed.connect(place, got.extend, lambda: missed.append(None))
    feed.close()  # the rounds are the test's
    return got, missed


def test_each_gets_its_own_in_order() -> None:
    plane, other = FakePlane(), FakePlane()
    feed = Feed([plane, other])
    first, _ = connected(feed, Place(0, 1, 1))
    second, _ = connected(feed, Place(1, 1, 1))
    plane.waiting = [[TappedPackets.of([packet(1, sequence=k) for k in range(3)])]]
    other.waiting = [[TappedPackets.of([packet(1, sequence=7)])]]
    feed.step()
    assert [each.sequence for each in first] == [0, 1, 2]
    assert [each.sequence for each in second] == [7]


def test_a_row_that_is_used_again_brings_nothing_to_who_had_it_before() -> None:
    plane = FakePlane()
    feed = Feed([plane])
    got, _ = connected(feed, Place(0, 1, 1))
    plane.waiting = [[TappedPackets.of([packet(1, generation=2)])]]
    feed.step()
    assert got == []


def test_nothing_comes_after_disconnect() -> None:
    plane = FakePlane()
    feed = Feed([plane])
    place = Place(0, 1, 1)
    got: list[TappedPacket] = []
    deliver = got.extend
    other, missed = connected(feed, place)
    feed.connect(place, deliver, got.clear)
    feed.close()
    feed.disconnect(place, deliver)
    plane.waiting = [[TappedPackets.of([packet(1)])]]
    plane.tap_missed = 1
    feed.step()
    assert (len(got), len(other), len(missed)) == (0, 1, 1), "who else has asked for them gets them all the same"


def test_who_may_have_lost_packets_is_told() -> None:
    plane, other = FakePlane(), FakePlane()
    feed = Feed([plane, other])
    _, missed = connected(feed, Place(0, 1, 1))
    _, untouched = connected(feed, Place(1, 1, 1))
    plane.tap_missed = 3
    feed.step()
    feed.step()
    assert (len(missed), len(untouched)) == (1, 0)


def test_an_inbox_keeps_the_order_of_packets_and_orders() -> None:
    inbox = Inbox()
    done: list[object] = []
    inbox.put(lambda: done.append("first"))
    assert inbox.put_packets([packet(1)], done.extend)
    inbox.put(lambda: done.append("last"))
    for order in inbox.take(0.0):
        order()
    assert done == ["first", packet(1), "last"]
    assert inbox.take(0.0) == []


def test_an_inbox_that_is_full_takes_orders_but_no_packets() -> None:
    inbox = Inbox(most_packets=2)
    assert inbox.put_packets([packet(1), packet(1)], lambda _: None)
    assert not inbox.put_packets([packet(1)], lambda _: None)
    inbox.put(lambda: None)
    assert len(inbox.take(0.0)) == 2
    assert inbox.put_packets([packet(1)], lambda _: None)
