"""A Track of several Encodings on its way into a recording."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sfu.media.track import UNWANTED_AFTER
from sfu.negotiation.types import IncomingEncoding
from sfu.recording.feed import Place
from sfu.rooms.recorded_track import RecordedTrack
from tests.unit.fakes import FakeClock, FakePlane
from tests.unit.media.scene import RIDS, Scene

HIGHEST, MIDDLE = 0b100, 0b010


@pytest.fixture
def plane() -> Iterator[FakePlane]:
    made = FakePlane()
    yield made
    made.stop()


@pytest.fixture
def scene(plane: FakePlane) -> Scene:
    made = Scene(plane, *(IncomingEncoding(rid) for rid in RIDS))
    for index in range(3):
        made.learn(index)
    made.subscription.close()
    return made


@pytest.fixture
def recorded(scene: Scene) -> RecordedTrack:
    clock = FakeClock()
    clock.now = 101.0
    return RecordedTrack(scene.track, {"role": "judge"}, clock)


def test_the_best_encoding_goes_to_the_tap_and_stays_wanted_though_nobody_watches(
    plane: FakePlane, scene: Scene, recorded: RecordedTrack
) -> None:
    recorded.start()
    assert plane.tapped == [HIGHEST]
    scene.track.note_wanted(101.0)
    scene.track.handle_timeout(101.0 + UNWANTED_AFTER)
    assert [encoding.wanted for encoding in scene.track.encodings] == [False, False, True]


def test_when_the_best_stops_the_next_is_taken_until_it_comes_again(
    plane: FakePlane, scene: Scene, recorded: RecordedTrack
) -> None:
    recorded.start()
    for index, active in ((2, False), (2, True)):
        scene.track.encodings[index].active = active
        scene.track._handle_activity(scene.track.encodings[index], 102.0)
    assert plane.tapped == [HIGHEST, MIDDLE, HIGHEST]


def test_after_the_end_nothing_goes_to_the_tap_and_the_best_is_given_up(
    plane: FakePlane, scene: Scene, recorded: RecordedTrack
) -> None:
    recorded.start()
    recorded.stop()
    scene.track.handle_timeout(101.0 + UNWANTED_AFTER)
    assert plane.tapped == [HIGHEST, 0]
    assert not scene.track.encodings[2].wanted


def test_what_another_recorder_still_takes_goes_on_and_each_begins_with_a_key_frame(
    plane: FakePlane, scene: Scene, recorded: RecordedTrack
) -> None:
    other = RecordedTrack(scene.track, {}, lambda: 101.0)
    asked: list[int] = []
    scene.track.request_key_frame = lambda now, index: asked.append(index)  # type: ignore[method-assign, assignment]
    recorded.start()
    other.start()
    other.start()
    assert asked == [2, 2]
    for _ in range(2):
        recorded.stop()
    assert plane.tapped == [HIGHEST]
    other.stop()
    assert plane.tapped == [HIGHEST, 0]


def test_a_track_that_has_ended_is_left_alone(plane: FakePlane, scene: Scene, recorded: RecordedTrack) -> None:
    recorded.start()
    scene.track.close()
    recorded.stop()
    assert plane.tapped == [HIGHEST]


def test_it_says_whose_it_is_and_where_its_packets_come_from(scene: Scene, recorded: RecordedTrack) -> None:
    assert (recorded.info.peer, recorded.info.kind, recorded.info.codec) == ("alice", "video", "VP8")
    assert recorded.info.metadata == {"role": "judge"}
    assert recorded.place == Place(0, scene.track.route.row, 1)


def test_what_the_program_says_of_a_track_before_media_come_is_in_the_record(
    scene: Scene, recorded: RecordedTrack
) -> None:
    assert (recorded.info.label, recorded.info.encryption) == ("", "")
    scene.track.label, scene.track.encryption = "screen", "GCM"
    assert (recorded.info.label, recorded.info.encryption) == ("screen", "GCM")
