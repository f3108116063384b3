"""Who is on screen when, and with what."""

from __future__ import annotations

import pytest

from sfu.recording.compose.tiles import build_tiles
from sfu.recording.compose.timeline import Scene, Timeline, View
from sfu.recording.reader import Record
from tests.unit.recording.compose.records import S, record, source


def scene(of: Record, at: float) -> Scene:
    return Timeline(of, build_tiles(of)).scene_at(round(at * S))


def view(of: Record, at: float) -> View:
    (found,) = scene(of, at).people
    return found


def names(of: Record, at: float) -> list[str]:
    tiles = build_tiles(of)
    return [tiles[view.tile].peer for view in scene(of, at).people]


def test_who_has_a_camera_is_seen_and_who_has_none_has_a_tile_with_initials() -> None:
    of = record(60, source(1, "anna", "video", [(0, 60)]), source(2, "ben", "audio", [(0, 60)]))
    anna, ben = scene(of, 30).people
    assert (anna.source, anna.card) == (1, "")
    assert (ben.source, ben.card, ben.microphone) == (None, "", 2)


@pytest.mark.parametrize(
    ("cause", "said"),
    [
        ("mute", "Camera off"),
        ("stall", "Connection lost"),
        ("loss", "Picture lost"),
        ("disconnect", "Not connected"),
        ("recorder_fault", "Not recorded (fault of the recorder)"),
        ("restart", "Not recorded (the server restarted)"),
        ("something new", "No picture"),
    ],
)
def test_a_gap_of_the_picture_is_said_in_plain_words(cause: str, said: str) -> None:
    of = record(60, source(1, "anna", "video", [(0, 20), (30, 60)], [(20, 30, cause)]))
    assert (view(of, 25).card, view(of, 25).source) == (said, None)
    assert (view(of, 19).source, view(of, 30).source) == (1, 1)


def test_a_camera_that_ends_while_its_person_is_heard_is_not_called_disconnected() -> None:
    of = record(
        60, source(1, "anna", "video", [(0, 20)], [(20, 60, "disconnect")]), source(2, "anna", "audio", [(0, 60)])
    )
    assert (view(of, 40).card, view(of, 40).note) == ("No camera", "")


def test_a_gap_of_the_sound_is_noted_beside_the_name() -> None:
    of = record(
        60,
        source(1, "anna", "video", [(0, 60)]),
        source(2, "anna", "audio", [(0, 20), (30, 40), (50, 60)], [(20, 30, "mute"), (40, 50, "loss")]),
    )
    assert [view(of, at).note for at in (10, 25, 35, 45)] == ["", "Muted", "", "Sound lost"]
    assert all(view(of, at).source == 1 for at in (10, 25, 35, 45))


def test_a_gap_too_short_to_be_read_about_leaves_the_last_picture() -> None:
    of = record(60, source(1, "anna", "video", [(0, 20), (20.3, 60)], [(20, 20.3, "loss")]))
    assert view(of, 20.1).source == 1


def test_who_comes_again_after_a_restart_goes_on_in_the_same_tile_from_another_file() -> None:
    away = [(20, 22, "restart"), (22, 25, "disconnect")]
    sources = [
        source(1, "anna", "video", [(0, 20)], away), source(2, "anna", "audio", [(0, 20)], away),
        source(3, "anna", "video", [(25, 60)]), source(4, "anna", "audio", [(25, 60)]),
    ]  # fmt: skip
    of = record(60, *sources)
    assert len(build_tiles(of)) == 1
    assert [(view(of, at).source, view(of, at).card, view(of, at).microphone) for at in (10, 21, 23, 40)] == [
        (1, "", 2),
        (None, "Not recorded (the server restarted)", None),
        (None, "Not connected", None),
        (3, "", 4),
    ]


def test_media_that_just_stop_are_told_as_not_connected() -> None:
    of = record(60, source(1, "anna", "video", [(0, 20), (30, 60)]))
    assert view(of, 25).card == "Not connected"


def test_people_keep_their_seats_while_one_is_away_for_a_while() -> None:
    of = record(
        600,
        source(1, "anna", "video", [(0, 600)]),
        source(2, "ben", "video", [(10, 100), (300, 600)], [(100, 300, "disconnect")]),
        source(3, "cleo", "video", [(20, 600)]),
    )
    assert names(of, 50) == names(of, 200) == names(of, 400) == ["anna", "ben", "cleo"]


def test_who_has_gone_for_good_makes_room_after_a_while() -> None:
    of = record(600, source(1, "anna", "video", [(0, 600)]), source(2, "ben", "video", [(0, 100)]))
    assert names(of, 105) == ["anna", "ben"]
    assert names(of, 111) == ["anna"]


def test_who_comes_shortly_after_another_appears_together_with_them() -> None:
    of = record(
        60,
        source(1, "anna", "video", [(1, 60)]),
        source(2, "ben", "video", [(2.5, 60)]),
        source(3, "cleo", "video", [(9, 60)]),
    )
    assert (names(of, 0.5), names(of, 1.1), names(of, 9.1)) == ([], ["anna", "ben"], ["anna", "ben", "cleo"])


def test_who_never_unmutes_is_there_all_the_same() -> None:
    of = record(60, source(1, "anna", "audio", [(0, 60)]), source(2, "ben", "audio", [], [(5, 60, "mute")]))
    assert names(of, 30) == ["anna", "ben"]
    assert scene(of, 30).people[1].note == "Muted"


def test_a_screen_stands_apart_and_only_while_it_is_shared() -> None:
    of = record(
        600,
        source(1, "anna", "video", [(0, 600)]),
        source(2, "anna", "video", [(100, 200), (400, 500)], label="screen"),
    )
    assert [len(scene(of, at).screens) for at in (50, 150, 300, 450, 550)] == [0, 1, 0, 1, 0]
    assert names(of, 150) == ["anna"]
    assert scene(of, 150).screens[0].source == 2


def test_who_speaks_is_told_and_nobody_who_is_muted() -> None:
    of = record(
        60,
        source(1, "anna", "audio", [(0, 20)], [(20, 60, "mute")]),
        source(2, "ben", "audio", [(0, 60)]),
        speakers=((5, ("anna",)), (15, ("anna", "ben")), (30, ("anna", "ben")), (50, ())),
    )
    speaking = {at: [each.speaking for each in scene(of, at).people] for at in (1, 6, 16, 31, 51)}
    assert speaking == {1: [False, False], 6: [True, False], 16: [True, True], 31: [False, True], 51: [False, False]}


def test_phases_hold_and_marks_pass() -> None:
    of = record(
        100,
        source(1, "anna", "audio", [(0, 100)]),
        phases=((0, "Opening"), (50, "Evidence")),
        marks=((20, "K 1"), (23, "K 2")),
    )
    found = {at: (scene(of, at).phase, scene(of, at).mark) for at in (10, 22, 27, 29, 60)}
    assert found == {
        10: ("Opening", ""), 22: ("Opening", "K 1"), 27: ("Opening", "K 2"), 29: ("Opening", ""), 60: ("Evidence", "")
    }  # fmt: skip


def test_a_scene_is_the_same_object_until_something_changes() -> None:
    of = record(60, source(1, "anna", "video", [(0, 20), (30, 60)], [(20, 30, "mute")]))
    timeline = Timeline(of, build_tiles(of))
    assert timeline.scene_at(5 * S) is timeline.scene_at(19 * S)
    assert timeline.scene_at(19 * S) is not timeline.scene_at(21 * S)


def test_more_people_than_can_be_shown_are_counted() -> None:
    of = record(60, *(source(number, f"p{number}", "audio", [(0, 60)]) for number in range(40)))
    assert (len(scene(of, 30).people), scene(of, 30).unseen) == (25, 15)


def test_names_are_made_fit_to_be_drawn_on_one_line() -> None:
    of = record(
        60,
        source(1, "a", "audio", [(0, 60)], name="Dr. Anna\n\x1b[31m  Weber ", role=["no text"]),
        source(2, "ben", "audio", [(0, 60)], name="x" * 9999),
        source(3, "peer-3", "audio", [(0, 60)], name=17),
        source(4, "wang", "audio", [(0, 60)], name="王小明", role="证人"),
    )
    one, two, three, four = build_tiles(of)
    assert (one.name, one.role, one.initials) == ("Dr. Anna [31m Weber", "", "AW")
    assert len(two.name) == 120
    assert three.name == "peer-3"
    assert (four.name, four.role, four.initials) == ("王小明", "证人", "王")


def test_a_second_camera_has_a_tile_of_its_own() -> None:
    of = record(
        60,
        source(1, "anna", "video", [(0, 60)], name="Anna", role="Judge"),
        source(2, "anna", "video", [(0, 60)], label="document camera", name="Anna", role="Judge"),
        source(3, "anna", "audio", [(0, 60)], name="Anna", role="Judge"),
    )
    assert [(tile.name, tile.role, len(tile.microphones)) for tile in build_tiles(of)] == [
        ("Anna", "Judge", 1),
        ("Anna", "document camera", 0),
    ]
