"""Who is in a scenario, and how many packets each should get."""

from __future__ import annotations

import numpy as np
import pytest

from bench.delivery import Delivery, expect
from bench.scenario import parse_scenario
from bench.traffic import AUDIO, SMALL_VIDEO, VIDEO


@pytest.mark.parametrize(
    ("text", "rooms", "publishers", "subscribers", "watched"),
    [
        ("fan-out:100", 1, 1, 100, 1),
        ("saturation:300", 1, 1, 300, 1),
        ("conference:12", 1, 12, 12, 11),
        ("hearings:15", 15, 60, 60, 3),
        ("hearings:1", 1, 4, 4, 3),
        ("recording:100", 1, 100, 0, 0),
    ],
)
def test_who_is_there(text: str, rooms: int, publishers: int, subscribers: int, watched: int) -> None:
    scenario = parse_scenario(text)
    assert scenario.rooms == rooms
    assert len({one.name for one in scenario.publishers}) == len(scenario.publishers) == publishers
    assert len({one.name for one in scenario.subscribers}) == len(scenario.subscribers) == subscribers
    rooms_of = {one.name: one.room for one in scenario.publishers}
    assert set(rooms_of.values()) == set(range(rooms))
    for one in scenario.subscribers:
        assert len(one.watches) == watched
        assert one.name not in one.watches
        assert {rooms_of[name] for name in one.watches} == {one.room}


def test_what_is_sent() -> None:
    assert dict(parse_scenario("fan-out:100").traffic) == {"audio": AUDIO, "video": VIDEO}
    assert dict(parse_scenario("hearings:15").traffic) == {"audio": AUDIO, "video": SMALL_VIDEO}
    assert parse_scenario("recording:100").kinds == ("video",)


@pytest.mark.parametrize(
    ("text", "per_s"),
    [
        ("fan-out:100", 100 * (261 + 50)),
        ("conference:12", 12 * 11 * (261 + 50)),
        ("hearings:15", 15 * 4 * 3 * (116 + 50)),
        ("recording:100", 0),
    ],
)
def test_what_everybody_should_get(text: str, per_s: int) -> None:
    scenario = parse_scenario(text)
    each = round(sum(traffic.packets_per_second for traffic in scenario.traffic.values()))
    expected = expect(scenario, {one.name: each for one in scenario.publishers})
    assert len(expected) == len(scenario.subscribers)
    assert expected.sum() == per_s


def test_each_should_get_what_those_sent_whom_they_watch() -> None:
    scenario = parse_scenario("conference:3")
    assert list(expect(scenario, {"p0": 1, "p1": 10, "p2": 100})) == [110, 101, 11]


def test_a_delivery_tells_who_is_short() -> None:
    earlier = Delivery(np.array([10, 10, 10]), np.array([10, 10, 0]))
    later = Delivery(np.array([1010, 1010, 1010]), np.array([1010, 1005, 500]))
    window = later.since(earlier)
    assert (window.expected_packets, window.delivered_packets, window.short) == (3000, 2495, 1)
    assert not window.complete
    assert Delivery(np.array([1000]), np.array([999])).complete
    assert not Delivery(np.array([1000]), np.array([998])).complete
    assert not Delivery(np.array([0]), np.array([0])).complete, "nothing was sent"
