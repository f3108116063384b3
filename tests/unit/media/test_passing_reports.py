"""A publisher's sender reports on their way to the planes, and a subscriber's on their way back."""

from __future__ import annotations

from typing import Any

import pytest

from sfu.media.forwarding import TrackRoute
from sfu.negotiation.types import IncomingEncoding
from sfu.routing.plane import NO_REPORTS
from tests.unit.fakes import FakeClock, FakePlane, make_shard
from tests.unit.media.scene import Scene


@pytest.fixture
def plane() -> Any:
    made = FakePlane()
    yield made
    made.stop()


def test_each_shard_that_has_the_track_is_told_and_one_that_joins_later_too(plane: FakePlane) -> None:
    others = [FakePlane(), FakePlane()]
    for index, other in enumerate(others, 1):
        other.index = index
    home, near, far = (make_shard(each, FakeClock()) for each in (plane, *others))
    route = TrackRoute(home)
    row = route.join(near)
    route.pass_report(1, 5 << 32, 900)
    assert plane.reports == [(route.row, 1, 5 << 32, 900)]
    assert others[0].reports == [(row, 1, 5 << 32, 900)]
    late = route.join(far)
    assert others[1].reports == [(late, 1, 5 << 32, 900)]
    route.forget_report(0)  # of which none has come
    route.forget_report(1)
    assert [each.reports[-1] for each in (plane, *others)] == [(route.row, 1), (row, 1), (late, 1)]
    assert [len(each.reports) for each in (plane, *others)] == [2, 2, 2]
    for other in others:
        other.stop()


def test_another_source_under_an_encoding_makes_its_last_report_void(plane: FakePlane) -> None:
    scene = Scene(plane, IncomingEncoding("", None))
    scene.learn(0)
    assert plane.reports == []
    scene.track.route.pass_report(0, 1 << 32, 2)
    scene.track.handle_source(scene.track.encodings[0], 501, 101.0)
    assert plane.reports[-1] == (scene.track.route.row, 0)


@pytest.mark.parametrize("says", [True, False])
def test_a_subscription_that_ends_says_goodbye_where_sdp_does_not(plane: FakePlane, says: bool) -> None:
    scene = Scene(plane, IncomingEncoding("", 500))
    scene.start()
    scene.subscriber.says_goodbye = says
    scene.subscription.close()
    assert plane.goodbyes == [says]


def test_statistics_say_what_the_receiver_has_reported(plane: FakePlane) -> None:
    scene = Scene(plane, IncomingEncoding("", 500))
    assert scene.subscription.reports == NO_REPORTS
    scene.start()
    assert scene.subscription.stats().round_trip_time_s is None
    plane.reported = {"lost_256": 64, "packets_lost": 3, "jitter": 900, "round_trip_us": 40_000}
    stats = scene.subscription.stats()
    assert (stats.fraction_lost, stats.packets_lost, stats.jitter_s, stats.round_trip_time_s) == (0.25, 3, 0.01, 0.04)
    plane._ssrc = 9  # the row is another one's: the plane has not opened it yet
    assert scene.subscription.reports == NO_REPORTS
